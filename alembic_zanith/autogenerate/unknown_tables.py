"""Tables that the project never had: another application's, an extension's, someone's backup."""

from __future__ import annotations

import ast
import logging
import re
import warnings
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic_zanith.config import Settings, UnknownTables
from alembic_zanith.identifiers import display_name

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

log = logging.getLogger("alembic.zanith")

TableName = tuple[str | None, str]
"""Schema and name; None is any schema in a script, and the default schema in a database."""


class UnknownTableFilter:
    """A name filter that leaves a table alone if it is in no metadata and in no revision script.

    A table in a schema that no model uses counts as named only where a script names the schema
    too. The scripts are read only when some table is in the database and not in the metadata.
    Where there are no scripts, as with `compare_metadata` outside of a project, nothing is hidden.
    """

    def __init__(self, context: AutogenContext, settings: Settings) -> None:
        self.context = context
        self.settings = settings

    def __call__(self, name: str | None, type_: str, parents: dict[str, Any]) -> bool:
        if type_ != "table" or name is None or self.settings.unknown_tables is UnknownTables.DROP:
            return True
        schema = parents.get("schema_name")
        if (schema, name) in self._in_metadata or self._is_known(schema, name):
            return True
        log.info(
            "Table %s is left alone: it is in no metadata and no revision names it. "
            "unknown_tables = drop would drop it.",
            ".".join(display_name(part) for part in (schema, name) if part),
        )
        return False

    @cached_property
    def _default_schema(self) -> str | None:
        return self.context.dialect.default_schema_name

    @cached_property
    def _in_metadata(self) -> set[TableName]:
        # As Alembic compares them: the default schema is None, written out or not.
        return {
            (None if table.schema == self._default_schema else table.schema, str(table.name))
            for table in self.context.sorted_tables
        }

    def _is_known(self, schema: str | None, name: str) -> bool:
        if self.context.migration_context.script is None:
            return True
        own_schemas = {own for own, _ in self._in_metadata} | {None}
        return any(
            (schema or self._default_schema, name) in names
            or ((None, name) in names and (schema in own_schemas or (None, schema) in names))
            for names in self._in_scripts
        )

    @cached_property
    def _in_scripts(self) -> list[set[TableName]]:
        directory = self.context.migration_context.script
        assert directory is not None
        sources = [Path(script.path) for script in directory.walk_revisions()]
        return [
            table_names(source.read_bytes())
            for source in sources
            if source.suffix == ".py" and source.exists()
        ]


def table_names(source: str | bytes) -> set[TableName]:
    """Return all that a script may name a table by.

    Each string that is a name or `schema.name`, which covers the arguments of operations, and
    what `CREATE TABLE` and `RENAME TO` name in raw SQL. A partition made by raw SQL counts as
    part of its parent, not as a table that the project knows.

    >>> ("shop", "orders") in table_names("op.execute('CREATE TABLE Shop.orders (id int)')")
    True
    """
    names: set[TableName] = set()
    for text in strings_in(source):
        if _NAME.fullmatch(text):
            schema, _, name = text.rpartition(".")
            names |= {(schema or None, name), (None, text)}
        names |= set(_names_in_sql(text))
    return names


# Short enough for a schema and a name, and in one line.
_NAME = re.compile(r".{1,127}")

_IDENTIFIER = r'(?:"(?:[^"]|"")+"|[\w$]+)'

_CREATE_OR_RENAME = re.compile(
    r"\b(?:create\s+(?:(?:global|local)\s+)?(?:temp(?:orary)?\s+|unlogged\s+|foreign\s+)?table"
    r"(?:\s+if\s+not\s+exists)?|rename\s+to)\s+"
    rf"({_IDENTIFIER})(?:\s*\.\s*({_IDENTIFIER}))?(?!\s+partition\s+of\b)",
    re.IGNORECASE,
)

# Stands for a value that is put into an f-string, such as the name of a schema.
_PLACEHOLDER = "__placeholder__"


def strings_in(source: str | bytes) -> Iterator[str]:
    """Yield all strings of a script, with a placeholder for each value in an f-string."""
    with warnings.catch_warnings():
        # Such as an unknown escape in a string: Alembic has imported the script all the same.
        warnings.simplefilter("ignore")
        tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else _PLACEHOLDER
                for part in node.values
            )


def _names_in_sql(text: str) -> Iterator[TableName]:
    for first, second in _CREATE_OR_RENAME.findall(text):
        schema, name = (_unquoted(first), _unquoted(second)) if second else (None, _unquoted(first))
        yield (None if schema == _PLACEHOLDER else schema), name


def _unquoted(identifier: str) -> str:
    if identifier.startswith('"'):
        return identifier[1:-1].replace('""', '"')
    return identifier.lower()
