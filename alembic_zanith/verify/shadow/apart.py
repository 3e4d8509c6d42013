"""What keeps a shadow that is a schema apart from the rest of production's database.

Three things. A statement that names another schema, acts on what is in none, or cannot be read, is
refused before it is sent. Names without a schema are looked up in the shadow alone. And after each
script PostgreSQL is asked what the session has locked in other schemas: what is locked in order to
change it ends the script, and its transaction is rolled back.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import fields, is_dataclass
from typing import TYPE_CHECKING, Any

from alembic_zanith.errors import ZanithError
from alembic_zanith.identifiers import quote
from alembic_zanith.plan.model import Plan, PlannedOperation, PlannedRevision
from alembic_zanith.plan.scripts import source_of
from alembic_zanith.plan.source import reaches_around
from alembic_zanith.redaction import one_line
from alembic_zanith.risk.change import TableRef
from alembic_zanith.risk.changes.raw import RawSql, SetSearchPath
from alembic_zanith.risk.statements.catalog_functions import is_catalog_function
from alembic_zanith.risk.statements.parser import UnreadableSqlError, parse
from alembic_zanith.sql import rows, scalar
from alembic_zanith.steps import Step

from .reach import Reach

if TYPE_CHECKING:
    from alembic.script import Script
    from sqlalchemy import Connection

_ELSEWHERE = "Use --topology database or --shadow-url URL."


class NotApartError(ZanithError):
    """It cannot be kept in a schema of its own."""


# Functions that an extension or somebody else has put among PostgreSQL's own, and what this version
# has that does something.
_FUNCTIONS = """
SELECT DISTINCT p.proname::text, p.oid < 16384 FROM pg_catalog.pg_proc AS p
 WHERE p.pronamespace = 'pg_catalog'::pg_catalog.regnamespace
   AND (p.oid >= 16384 OR p.provolatile = 'v')
"""

# Everything in schemas that are there already. What is gone at the end has no name to ask for.
_OF_OTHERS = """
SELECT d.classid, d.objid FROM pg_catalog.pg_depend AS d
 WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
   AND d.refobjid NOT IN (SELECT oid FROM pg_catalog.pg_namespace
                           WHERE nspname = :schema OR nspname ~ '^pg_(toast|temp)')
"""

# ROW SHARE and ACCESS SHARE are taken to read: a foreign key looks at its parent with the former.
# https://www.postgresql.org/docs/current/view-pg-locks.html
_LOCKED = """
SELECT l.classid, l.objid, l.mode, pg_catalog.pg_describe_object(l.classid, l.objid, 0),
       EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                WHERE d.classid = l.classid AND d.objid = l.objid
                  AND d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
                  AND d.refobjid NOT IN (SELECT oid FROM pg_catalog.pg_namespace
                                          WHERE nspname = :schema OR nspname ~ '^pg_(toast|temp)'))
  FROM (SELECT CASE locktype WHEN 'relation'
                    THEN 'pg_catalog.pg_class'::pg_catalog.regclass::oid ELSE classid END,
               CASE locktype WHEN 'relation' THEN relation ELSE objid END, mode
          FROM pg_catalog.pg_locks
         WHERE pid = pg_catalog.pg_backend_pid() AND locktype IN ('relation', 'object')
           AND database = (SELECT oid FROM pg_catalog.pg_database
                            WHERE datname = pg_catalog.current_database())
           AND mode <> ALL (ARRAY['AccessShareLock', 'RowShareLock'])) AS l(classid, objid, mode)
"""

# Operations of this package that work in the archive schema, which is one of production's.
_LEAVE = ("archive_column", "archive_table", "rebuild_table")


class SchemaGuard:
    """Keeps what scripts do in a schema; a listener of `Steps`."""

    def __init__(
        self,
        schema: str,
        functions: Collection[str] = (),
        others: Collection[tuple[int, int]] = (),
    ) -> None:
        self._schema = schema
        self._reach = Reach(schema, functions)
        self._others = frozenset(others)

    @classmethod
    def of(cls, connection: Connection, schema: str) -> SchemaGuard:
        """Return a guard for a schema, which knows what else is in the database."""
        functions = [
            name
            for name, is_of_postgres in rows(connection, _FUNCTIONS)
            if not (is_of_postgres and is_catalog_function(name))
        ]
        others = [(int(c), int(o)) for c, o in rows(connection, _OF_OTHERS, schema=schema)]
        return cls(schema, functions, others)

    def check(self, statement: str) -> None:
        """Let a statement pass, or raise `NotApartError` before it is sent."""
        for reason in self._reach.reasons(statement):
            raise _not_apart(reason, statement)

    def before(self, connection: Connection) -> None:
        """Begin with a script; what is outside of the schema is known already."""

    def began(self, step: Step) -> None:
        """Hear that a step has begun."""

    def sending(self, step: Step, statement: str) -> None:
        """Check a statement, unless it is one that this package sends on its way."""
        if step.is_plain:
            self.check(statement)
        elif step.operation in _LEAVE:
            raise _not_apart("keeps rows in the archive schema", f"op.{step.operation}()")

    def ended(self, step: Step) -> None:
        """Hear that a step is over."""

    def after(self, connection: Connection) -> None:
        """Raise `NotApartError` if something outside of the schema is locked to be changed.

        So is a session whose names are looked up elsewhere by now.
        """
        path = scalar(connection, "SELECT pg_catalog.current_setting('search_path')")
        if path != quote(self._schema):
            raise NotApartError(
                f"A script has set search_path to {path!r}, where names are no longer the "
                f"shadow's. All that it did since the last COMMIT is rolled back. {_ELSEWHERE}"
            )
        for classid, objid, mode, name, is_outside in rows(
            connection, _LOCKED, schema=self._schema
        ):
            if is_outside or (int(classid), int(objid)) in self._others:
                raise NotApartError(
                    f"A script has locked {name or 'something that it has dropped'} ({mode}), "
                    "which is not in the shadow's schema. All that it did since the last COMMIT "
                    f"is rolled back. {_ELSEWHERE}"
                )


def _not_apart(reason: str, statement: str) -> NotApartError:
    return NotApartError(
        f"A rehearsal in a schema of production's database cannot run this: it {reason}. "
        f"{one_line(statement)} — {_ELSEWHERE}"
    )


# -- before anything is made -------------------------------------------------------------


def reason_against_schema(
    plan: Plan | Iterable[PlannedRevision],
    scripts: Iterable[Script] = (),
    version_table_schema: str | None = None,
) -> str | None:
    """Return why scripts cannot be rehearsed in a schema, None where nothing speaks against it.

    `plan` is what is known of those that are recorded, `scripts` are all that will run, by their
    text. What only shows when it runs is refused then (`SchemaGuard`).
    """
    if version_table_schema is not None:
        return f"env.py keeps the version table in the schema {version_table_schema}"
    for script in scripts:
        source = source_of(script)
        for call in reaches_around(source, "upgrade"):
            return (
                f"revision {script.revision}, line {call.line} reaches a database by itself: "
                f"{call.source}"
            )
        for line, what in _schemas_named(source):
            return f"revision {script.revision}, line {line} names a schema: {what}"
    for revision in plan.revisions if isinstance(plan, Plan) else plan:
        for number, reason in _of_revision(revision):
            where = f"revision {revision.revision}" + (f", line {number}" if number else "")
            return f"{where} {reason}"
    return None


def _of_revision(revision: PlannedRevision) -> Iterator[tuple[int | None, str]]:
    for call in revision.around:
        yield call.line, f"reaches a database by itself: {call.source}"
    for operation in revision.operations:
        for reason in _of_operation(operation):
            yield operation.line, reason


def _of_operation(operation: PlannedOperation) -> Iterator[str]:
    changes = [finding.change for finding in operation.assessment.findings]
    for change in (*changes, *operation.changes):
        if isinstance(change, RawSql):
            yield f"has what nobody can see through: {change.text}, because {change.why}"
        if isinstance(change, SetSearchPath):
            yield f"sets search_path: {one_line(change.text)}"
        if change.kind in _LEAVE:
            yield f"keeps rows in the archive schema: op.{change.kind}() of {change.subject}"
        for table in _tables(change):
            if table.schema is not None:
                yield f"names the schema {table.schema}: {change.kind} {table}"
    try:
        parse(operation.sql)
    except UnreadableSqlError:
        return  # with parameters that are no SQL; what it does is known by its changes
    for reason in Reach(None).reasons(operation.sql):
        yield f"{reason}: {one_line(operation.sql)}"


def _tables(value: Any) -> Iterator[TableRef]:
    """Yield all tables in a change, however deep."""
    if isinstance(value, TableRef):
        yield value
    elif isinstance(value, tuple):
        for item in value:
            yield from _tables(item)
    elif is_dataclass(value) and not isinstance(value, type):
        for each in fields(value):
            yield from _tables(getattr(value, each.name))


_ARGUMENTS = ("schema", "source_schema", "referent_schema")
_IN_SQL = re.compile(r"\b(?:CREATE|DROP|ALTER)\s+SCHEMA\b|\bsearch_path\b", re.IGNORECASE)


def _schemas_named(source: str) -> Iterator[tuple[int, str]]:
    """Yield the lines of a script that give a schema to a call, or have SQL about one."""
    tree = ast.parse(source)
    doc = tree.body[0].value if tree.body and isinstance(tree.body[0], ast.Expr) else None
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg in _ARGUMENTS:
            if not (isinstance(node.value, ast.Constant) and node.value.value is None):
                yield node.value.lineno, f"{node.arg}={ast.unparse(node.value)}"
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node is not doc:
            found = _IN_SQL.search(node.value)
            if found is not None:
                yield node.lineno, one_line(node.value)
