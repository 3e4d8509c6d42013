"""When two columns, indexes or constraints are the same but for names.

Stricter than Alembic's own comparison, which takes `VARCHAR` for the same as `VARCHAR(80)` and does
not look at defaults or primary keys unless told to: what is not surely the same is not the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import CompileError

from alembic_zanith.identifiers import display_name, quote

from .catalog import Catalog, Table

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from sqlalchemy.schema import SchemaItem

Shape = tuple[object, ...]


@dataclass(frozen=True)
class Names:
    """Names that change: of tables, and of columns by the old name of their table."""

    tables: Mapping[Table, Table] = field(default_factory=dict)
    columns: Mapping[tuple[Table, str], str] = field(default_factory=dict)

    def table(self, table: Table) -> Table:
        return self.tables.get(table, table)

    def column(self, table: Table, column: str) -> str:
        return self.columns.get((table, str(column)), str(column))

    def expression(self, table: Table, sql: str) -> str:
        """Return SQL that uses columns of a table, with their new names outside of literals."""
        own = {old: display_name(new) for (of, old), new in self.columns.items() if of == table}
        if not own:
            return sql
        quoted = {quote(old): new for old, new in own.items()}
        parts = _QUOTED.split(sql)
        parts[1::2] = [quoted.get(part, part) for part in parts[1::2]]
        parts[::2] = [
            _WORD.sub(lambda word: own.get(word[0], word[0]), part) for part in parts[::2]
        ]
        return "".join(parts)


NO_NAMES = Names()

# String literals and quoted names; and words that are no call of a function.
_QUOTED = re.compile(r"""('(?:[^']|'')*'|"(?:[^"]|"")*")""")
_WORD = re.compile(r"[^\W\d][\w$]*+(?!\()")

_LITERAL = re.compile(r"('(?:[^']|'')*')")


class Shapes:
    """Compares what autogenerate found in one database with what the models have."""

    def __init__(self, context: AutogenContext, catalog: Catalog) -> None:
        self.impl = context.migration_context.impl
        self.dialect = context.dialect
        # One whose parameters are not marked by `%`, which the other would double everywhere.
        self.plain = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
        self.catalog = catalog

    def of(self, element: SchemaItem, table: Table, names: Names = NO_NAMES) -> Shape:
        """Return all of an index or constraint but its name, its columns and tables renamed."""

        def column(item: Any) -> str:
            return names.column(table, getattr(item, "name", item))

        if isinstance(element, sa.Index):
            return self._of_index(element, table, names)
        if isinstance(element, sa.ForeignKeyConstraint):
            return self._of_foreign_key(element, table, names)
        if isinstance(element, sa.UniqueConstraint):
            columns = tuple(sorted(map(column, element.columns)))
            nulls = bool(element.dialect_kwargs.get("postgresql_nulls_not_distinct"))
            return ("unique", columns, nulls, *_moment(element))
        if isinstance(element, sa.PrimaryKeyConstraint):
            return ("primary key", tuple(sorted(map(column, element.columns))))
        if isinstance(element, sa.CheckConstraint):
            text = names.expression(table, self.sql(element.sqltext))
            return ("check", _plain(text))
        return ("other", id(element))

    def _of_index(self, index: sa.Index, table: Table, names: Names) -> Shape:
        options = index.dialect_kwargs
        where = options.get("postgresql_where")
        included = options.get("postgresql_include") or ()
        return (
            "index",
            bool(index.unique),
            tuple(self._index_part(each, table, names) for each in index.expressions),
            None if where is None else _plain(names.expression(table, self.sql(where))),
            tuple(sorted(names.column(table, getattr(each, "name", each)) for each in included)),
            options.get("postgresql_using") or "btree",
            bool(options.get("postgresql_nulls_not_distinct")),
        )

    def _index_part(self, part: Any, table: Table, names: Names) -> str:
        if isinstance(part, sa.ColumnClause) and not part.is_literal:
            return names.column(table, part.name)
        return _without_defaults(_plain(names.expression(table, self.sql(part))))

    def _of_foreign_key(self, key: sa.ForeignKeyConstraint, table: Table, names: Names) -> Shape:
        parent, columns = referred(key, self.catalog)
        local = [names.column(table, column) for column in key.column_keys]
        remote = [names.column(parent, column) for column in columns]
        return (
            "foreign key",
            tuple(sorted(zip(local, remote, strict=True))),
            names.table(parent),
            _action(key.onupdate),
            _action(key.ondelete),
            (key.match or "simple").lower(),
            *_moment(key),
        )

    def sql(self, expression: Any) -> str:
        """Return an expression as PostgreSQL reads it, without the table's name."""
        if isinstance(expression, str):
            return expression
        options = {"literal_binds": True, "include_table": False}
        return str(expression.compile(dialect=self.plain, compile_kwargs=options))

    def type_name(self, column: sa.Column[Any]) -> str:
        """Return the type as PostgreSQL writes it, such as `VARCHAR(80)`; empty if it has none."""
        try:
            return str(column.type.compile(dialect=self.dialect))
        except CompileError:
            return ""

    def same_columns(self, old: sa.Column[Any], new: sa.Column[Any]) -> bool:
        """Tell whether type, nullability, default, identity and expression are the same."""
        return (
            bool(old.nullable) == bool(new.nullable)
            and self._same_type(old, new)
            and self._same_default(old.server_default, new.server_default)
        )

    def _same_type(self, old: sa.Column[Any], new: sa.Column[Any]) -> bool:
        before, after = (_type_text(self.type_name(column)) for column in (old, new))
        if not before or not after:
            return False
        if before == after:
            return True
        # Synonyms, such as DECIMAL and NUMERIC.
        same_base = not self.impl.compare_type(old, new)
        return same_base and _modifiers(before) == _modifiers(after)

    def _same_default(self, old: Any, new: Any) -> bool:
        if isinstance(old, sa.Identity) and isinstance(new, sa.Identity):
            return _same_identity(old, new)
        if isinstance(old, sa.Computed) and isinstance(new, sa.Computed):
            kept = new.persisted is None or bool(new.persisted) == bool(old.persisted)
            return kept and _plain(self.sql(old.sqltext)) == _plain(self.sql(new.sqltext))
        if isinstance(old, sa.DefaultClause) and isinstance(new, sa.DefaultClause):
            return self._default(old) == self._default(new)
        return old is None and new is None

    def _default(self, default: sa.DefaultClause) -> str:
        """Return a default without casts; one that is a string in the models is a literal."""
        argument: Any = default.arg
        if isinstance(argument, str):
            return argument
        text = _CAST.sub("", self.sql(argument)).strip()
        if _LITERAL.fullmatch(text):
            return text[1:-1].replace("''", "'")
        return text


def referred(key: sa.ForeignKeyConstraint, catalog: Catalog) -> tuple[Table, list[str]]:
    """Return the table that a foreign key points at, and the columns there."""
    columns: list[str] = []
    schema, table = "", ""
    for element in key.elements:
        # What SQLAlchemy itself makes of the text; the table may not be known to it.
        rest, _, column = element.target_fullname.rpartition(".")
        schema, _, table = rest.rpartition(".")
        columns.append(column)
    return catalog.table(schema, table), columns


def _moment(constraint: Any) -> Shape:
    deferred = str(constraint.initially or "").lower() == "deferred"
    return (bool(constraint.deferrable) or deferred, deferred)


def _action(action: str | None) -> str:
    return (action or "no action").lower()


# A cast as PostgreSQL writes it: 'x'::character varying(80)[]
_CAST = re.compile(
    r'::\s*(?:"[^"]+"|[\w.]+)(?:\."[^"]+")?'
    r"(?: varying| precision)?(?:\(\d+(?:, ?\d+)?\))?(?: with(?:out)? time zone)?(?:\[\])*"
)


def _plain(sql: str) -> str:
    """Return SQL without what PostgreSQL adds: casts, parentheses, quotes and spaces."""
    parts = _LITERAL.split(_CAST.sub("", sql))
    parts[::2] = [re.sub(r'[\s()"]', "", part).lower() for part in parts[::2]]
    return "".join(parts)


def _without_defaults(expression: str) -> str:
    """Leave out an order that is the default.

    https://www.postgresql.org/docs/current/indexes-ordering.html
    """
    expression = re.sub(r"(?<!desc)nullslast$", "", expression)
    return re.sub(r"descnullsfirst$", "desc", expression).removesuffix("asc")


def _type_text(text: str) -> str:
    """Return the one spelling of types that have several.

    FLOAT(53) is DOUBLE PRECISION, and a length or scale that is left out is 1 and 0:
    https://www.postgresql.org/docs/current/datatype.html
    """
    text = re.sub(r"\s+", " ", text.strip()).lower()
    text = re.sub(r"\bfloat\(\d+\)", "float", text)
    text = re.sub(r"\b(numeric|decimal)\((\d+)\)", r"\1(\2, 0)", text)
    return re.sub(r"\b(char|bit)\b(?! varying|\()", r"\1(1)", text)


def _modifiers(text: str) -> list[str]:
    return re.findall(r"\([^)]*\)|\[\]|collate .*", text)


def _same_identity(old: sa.Identity, new: sa.Identity) -> bool:
    given = ("start", "increment", "minvalue", "maxvalue", "cycle", "cache")
    wanted = {name: getattr(new, name) for name in given if getattr(new, name) is not None}
    wanted = {"start": 1, "increment": 1, **wanted}
    return bool(old.always) == bool(new.always) and all(
        getattr(old, name) == value for name, value in wanted.items()
    )
