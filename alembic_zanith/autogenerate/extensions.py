"""Extensions that models declare, beside those of the database."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from alembic_zanith.declarations import Extension
from alembic_zanith.operations import CreateExtensionOp, DropExtensionOp
from alembic_zanith.sql import rows

from .unknown_tables import strings_in

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

log = logging.getLogger("alembic.zanith")

_INSTALLED = """
SELECT e.extname::text AS name, n.nspname::text AS schema, e.extversion AS version,
       e.extversion IS NOT DISTINCT FROM a.default_version AS is_default,
       ARRAY(SELECT r.extname::text
               FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_extension r ON r.oid = d.refobjid
              WHERE d.classid = 'pg_catalog.pg_extension'::regclass AND d.objid = e.oid
                AND d.refclassid = 'pg_catalog.pg_extension'::regclass) AS needs
  FROM pg_catalog.pg_extension e
  JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
  LEFT JOIN pg_catalog.pg_available_extensions a ON a.name = e.extname
 WHERE e.extname <> 'plpgsql'
 ORDER BY e.extname
"""


def extension_differences(
    context: AutogenContext,
    connection: Connection,
    declared: tuple[Extension, ...],
    is_anothers: Callable[[str], bool],
) -> tuple[list[CreateExtensionOp], list[DropExtensionOp]]:
    """Return what to make, and what to drop, each in an order that runs.

    Dropped is what some revision has made, and what nothing needs that stays.
    """
    found = {row.name: row for row in rows(connection, _INSTALLED)}
    wanted = {each.name: each for each in declared}
    _warn_of_versions(declared, {name: row.version for name, row in found.items()})
    creates = [
        CreateExtensionOp.from_extension(each)
        for each in declared
        if each.name not in found and not is_anothers(each.name)
    ]
    extra = {name for name in found if name not in wanted and not is_anothers(name)}
    extra = {name for name in extra if _is_of_the_project(context, name)}
    drops: list[DropExtensionOp] = []
    while True:
        needed = {each for row in found.values() for each in row.needs}
        free = sorted(extra - needed)
        if not free:
            return creates, drops
        for name in free:
            row = found.pop(name)
            version = None if row.is_default else row.version
            definition = Extension(name, row.schema, version)
            drops.append(DropExtensionOp(name, extension=definition))
        extra -= set(free)


def _warn_of_versions(declared: tuple[Extension, ...], found: dict[str, str]) -> None:
    for each in declared:
        if each.version is not None and found.get(each.name, each.version) != each.version:
            log.warning(
                "Extension %s is of version %s, and the models say %s. Write op.execute("
                "'ALTER EXTENSION … UPDATE TO …') into a revision by hand.",
                each.name,
                found[each.name],
                each.version,
            )


def _is_of_the_project(context: AutogenContext, name: str) -> bool:
    """Tell whether a revision names the extension; without revisions every one is the project's."""
    directory = context.migration_context.script
    if directory is None:
        return True
    for script in directory.walk_revisions():
        source = Path(script.path)
        if source.suffix != ".py" or not source.exists():
            continue
        if name in _extension_names(source.read_bytes()):
            return True
    log.info("Extension %s is left alone: it is not declared, and no revision names it.", name)
    return False


_CREATE = re.compile(
    r'\bcreate\s+extension\s+(?:if\s+not\s+exists\s+)?(?:"((?:[^"]|"")+)"|([\w$]+))', re.IGNORECASE
)


def _extension_names(source: bytes) -> set[str]:
    names: set[str] = set()
    for text in strings_in(source):
        names.add(text)
        names |= {
            quoted.replace('""', '"') or bare.lower() for quoted, bare in _CREATE.findall(text)
        }
    return names
