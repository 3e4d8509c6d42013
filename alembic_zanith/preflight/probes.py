"""The probes, each for one thing that rows can do against a constraint."""

from __future__ import annotations

import re
from dataclasses import dataclass

from sqlalchemy import Connection

from alembic_zanith.identifiers import display_name, quote
from alembic_zanith.risk.change import TableRef
from alembic_zanith.risk.type_fit import Fit, fit, parts

from .probe import NotApplicable, Probe, all_rows, key_columns, own_rows, shown, type_of


@dataclass(frozen=True)
class Part:
    """One part of a key: a column or an expression, as SQL, and as a report names it."""

    sql: str
    name: str


def _list(names: tuple[str, ...]) -> str:
    return ", ".join(names)


@dataclass(frozen=True)
class Duplicates(Probe):
    """Rows that agree in all parts of a key that is to be unique."""

    kind = "duplicates"

    key: tuple[Part, ...]
    where: str = ""
    nulls_distinct: bool = True

    @property
    def promise(self) -> str:
        where = f" where {self.where}" if self.where else ""
        return f"{self.table} has no duplicates in {_list(tuple(p.name for p in self.key))}{where}"

    def query(self, connection: Connection) -> str:
        conditions = [f"({self.where})"] if self.where else []
        if self.nulls_distinct:
            # https://www.postgresql.org/docs/current/indexes-unique.html
            conditions += [f"({part.sql}) IS NOT NULL" for part in self.key]
        where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        keys = ", ".join(f"({part.sql})" for part in self.key)
        columns = [(f"({part.sql})", part.name) for part in self.key]
        return (
            f"SELECT {shown([*columns, ('count(*)', 'rows')])}"
            f" FROM {own_rows(connection, self.table)}{where} GROUP BY {keys} HAVING count(*) > 1"
        )


@dataclass(frozen=True)
class Nulls(Probe):
    """Rows without a value in a column that is to have one."""

    kind = "nulls"

    column: str

    @property
    def promise(self) -> str:
        return f"{self.table}.{display_name(self.column)} has no NULL"

    def query(self, connection: Connection) -> str:
        type_of(connection, self.table, self.column)
        return _rows_where(connection, self.table, f"{quote(self.column)} IS NULL", self.column)


@dataclass(frozen=True)
class AnyRows(Probe):
    """Rows at all, where a new column needs a value and has no default."""

    kind = "rows"

    column: str

    @property
    def promise(self) -> str:
        return f"{self.table} has no rows, which would need a value for {display_name(self.column)}"

    def query(self, connection: Connection) -> str:
        return _rows_where(connection, self.table, "true")


@dataclass(frozen=True)
class Violations(Probe):
    """Rows that break a CHECK."""

    kind = "violations"

    expression: str
    no_inherit: bool = False
    """Whether it is not for the rows of children."""

    @property
    def promise(self) -> str:
        return f"every row of {self.table} passes CHECK ({self.expression})"

    def query(self, connection: Connection) -> str:
        # A CHECK passes where it is NULL.
        rows = own_rows if self.no_inherit else all_rows
        condition = f"NOT ({self.expression})"
        return _rows_where(connection, self.table, condition, source=rows(connection, self.table))


@dataclass(frozen=True)
class Orphans(Probe):
    """Rows whose foreign key names no row of the parent table."""

    kind = "orphans"

    columns: tuple[str, ...]
    parent: TableRef
    parent_columns: tuple[str, ...] = ()
    is_full: bool = False

    @property
    def promise(self) -> str:
        names = _list(tuple(display_name(each) for each in self.columns))
        return f"every row of {self.table} finds its parent in {self.parent} by {names}"

    @property
    def reads(self) -> frozenset[TableRef]:
        return frozenset({self.table, self.parent})

    def query(self, connection: Connection) -> str:
        child, parent = (own_rows(connection, each) for each in (self.table, self.parent))
        parent_columns = self.parent_columns or tuple(key_columns(connection, self.parent))
        if len(parent_columns) != len(self.columns):
            raise NotApplicable(f"{self.parent} has no primary key of {len(self.columns)} columns")
        numbered = [f"k{n}" for n, _ in enumerate(self.columns)]
        pairs = " AND ".join(
            f"p.{quote(column)} = c.{key}"
            for column, key in zip(parent_columns, numbered, strict=True)
        )
        every = " AND ".join(f"c.{key} IS NOT NULL" for key in numbered)
        none = " AND ".join(f"c.{key} IS NULL" for key in numbered)
        lost = f"{every} AND NOT EXISTS (SELECT FROM {parent} p WHERE {pairs})"
        if self.is_full:
            # https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK
            lost = f"({lost}) OR NOT ({every}) AND NOT ({none})"
        key = [each for each in key_columns(connection, self.table) if each not in self.columns]
        inner = ", ".join(
            [
                *(f"{quote(each)} AS k{n}" for n, each in enumerate(self.columns)),
                *(f"{quote(each)} AS r{n}" for n, each in enumerate(key)),
            ]
        )
        columns = [(f"c.r{n}", each) for n, each in enumerate(key)]
        columns += [(f"c.k{n}", each) for n, each in enumerate(self.columns)]
        return f"SELECT {shown(columns)} FROM (SELECT {inner} FROM {child}) AS c WHERE {lost}"


_RANGES = {
    "smallint": (-(2**15), 2**15 - 1),
    "integer": (-(2**31), 2**31 - 1),
    "bigint": (-(2**63), 2**63 - 1),
}


@dataclass(frozen=True)
class Misfits(Probe):
    """Values that do not go into the new type of their column."""

    kind = "misfits"

    column: str
    type: str
    using: str = ""

    @property
    def promise(self) -> str:
        return f"every value of {self.table}.{display_name(self.column)} fits into {self.type}"

    def query(self, connection: Connection) -> str:
        old, category = type_of(connection, self.table, self.column)
        if not self.using and fit(old, self.type) in (Fit.SAME, Fit.WIDER):
            raise NotApplicable(f"all of {old} goes into {self.type}")
        condition = self._condition(old, category)
        if condition is None:
            # Only the cast itself can tell: it fails on the first value that does not fit.
            value = self.using or quote(self.column)
            return (
                f"SELECT 'x' AS x FROM {all_rows(connection, self.table)}"
                f" HAVING count(CAST(({value}) AS {self.type})) < 0"
            )
        return _rows_where(connection, self.table, condition, self.column)

    def _condition(self, old: str, category: str) -> str | None:
        """Return when a value is refused, where that can be said without trying."""
        value = f"({self.using or quote(self.column)})"
        name, limits, array = parts(self.type)
        if array:
            return None
        if name in ("character varying", "character") and (limits or name == "character"):
            # An assignment cuts spaces at the end, and nothing else:
            # https://www.postgresql.org/docs/current/datatype-character.html
            length = (limits or (1,))[0]
            text = f"pg_catalog.rtrim(CAST({value} AS text), ' ')"
            return f"pg_catalog.char_length({text}) > {length}"
        is_number = category == "N" and not self.using and old != "money"
        if name in _RANGES and is_number:
            least, most = _RANGES[name]
            return f"pg_catalog.round(CAST({value} AS numeric)) NOT BETWEEN {least} AND {most}"
        if name == "numeric" and limits and is_number and not _is_floating(old):
            precision, scale = (*limits, 0)[:2]
            rounded = f"pg_catalog.round(CAST({value} AS numeric), {scale})"
            return f"pg_catalog.abs({rounded}) >= CAST('1e{precision - scale}' AS numeric)"
        return None


def _is_floating(type_: str) -> bool:
    return re.fullmatch(r"real|double precision", type_) is not None


def _rows_where(
    connection: Connection, table: TableRef, condition: str, *columns: str, source: str = ""
) -> str:
    """Return a query of the rows that meet a condition: their key, and these columns."""
    names = [*dict.fromkeys([*key_columns(connection, table), *columns])]
    expressions = [(quote(name), name) for name in names] or [
        (f"CAST({quote(table.name)}.* AS text)", "row")
    ]
    source = source or all_rows(connection, table)
    return f"SELECT {shown(expressions)} FROM {source} WHERE {condition}"
