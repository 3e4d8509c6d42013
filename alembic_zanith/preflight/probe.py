"""What a probe is: a question to the rows of a table, whose answer is the rows in the way."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from sqlalchemy import Connection

from alembic_zanith.identifiers import display_name, literal, quote
from alembic_zanith.risk.change import TableRef
from alembic_zanith.sql import rows, run


class NotApplicable(Exception):
    """There is nothing to look at; the text says why."""


@dataclass(frozen=True)
class Probe(ABC):
    """One question. `kind` is what it looks for."""

    kind: ClassVar[str]

    table: TableRef

    @property
    @abstractmethod
    def promise(self) -> str:
        """What has to be true of the rows, as `users.email has no duplicates`."""

    @property
    def reads(self) -> frozenset[TableRef]:
        """Every table that it looks at."""
        return frozenset({self.table})

    @abstractmethod
    def query(self, connection: Connection) -> str:
        """Return a SELECT of the rows that are in the way, all columns as text.

        Raises `NotApplicable`.
        """


def sql_name(table: TableRef) -> str:
    """Return a table as SQL names it.

    >>> sql_name(TableRef("Odd Name", "s"))
    '"s"."Odd Name"'
    """
    name = quote(table.name)
    return name if table.schema is None else f"{quote(table.schema)}.{name}"


def relkind(connection: Connection, table: TableRef) -> str | None:
    """Return what kind of relation the name stands for; None for none."""
    found = run(
        connection,
        "SELECT c.relkind::text FROM pg_catalog.pg_class c"
        f" WHERE c.oid = pg_catalog.to_regclass({literal(sql_name(table))})",
    ).scalar()
    return None if found is None else str(found)


def own_rows(connection: Connection, table: TableRef) -> str:
    """Return the FROM clause of a table's own rows: without those of children that inherit.

    The rows of a partitioned table are all in its partitions.

    Raises `NotApplicable` for a table that is not there.
    """
    kind = relkind(connection, table)
    if kind is None:
        raise NotApplicable(f"{table} does not exist")
    return sql_name(table) if kind == "p" else f"ONLY {sql_name(table)}"


def all_rows(connection: Connection, table: TableRef) -> str:
    """Return the FROM clause of all rows: NOT NULL, CHECK and types hold for children as well.

    Raises `NotApplicable` for a table that is not there.
    """
    if relkind(connection, table) is None:
        raise NotApplicable(f"{table} does not exist")
    return sql_name(table)


def key_columns(connection: Connection, table: TableRef) -> list[str]:
    """Return the columns of the primary key, in its order; none where there is no key."""
    found = rows(
        connection,
        "SELECT a.attname::text FROM pg_catalog.pg_index i"
        " CROSS JOIN LATERAL pg_catalog.unnest(i.indkey) WITH ORDINALITY AS k(attnum, position)"
        " JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
        " WHERE i.indrelid = pg_catalog.to_regclass(:name) AND i.indisprimary"
        " AND k.position <= i.indnkeyatts ORDER BY k.position",
        name=sql_name(table),
    )
    return [str(name) for (name,) in found]


def type_of(connection: Connection, table: TableRef, column: str) -> tuple[str, str]:
    """Return the type of a column and its category, as pg_type has it.

    Raises `NotApplicable` for a column that is not there.
    """
    found = rows(
        connection,
        "SELECT pg_catalog.format_type(a.atttypid, a.atttypmod)::text, t.typcategory::text"
        " FROM pg_catalog.pg_attribute a JOIN pg_catalog.pg_type t ON t.oid = a.atttypid"
        " WHERE a.attrelid = pg_catalog.to_regclass(:name) AND a.attname = :column"
        " AND NOT a.attisdropped",
        name=sql_name(table),
        column=column,
    )
    if not found:
        raise NotApplicable(f"{table}.{display_name(column)} does not exist")
    type_, category = found[0]
    return str(type_), str(category)


def shown(expressions: list[tuple[str, str]]) -> str:
    """Return a list of expressions as text, each under its name, long values cut."""
    return ", ".join(
        f"pg_catalog.left(CAST({expression} AS text), 60) AS {quote(name)}"
        for expression, name in expressions
    )
