"""How a part of a column comes back while others read and write."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Short:
    """Statements of one short transaction: they change the catalog alone."""

    statements: tuple[str, ...]


@dataclass(frozen=True)
class Alone:
    """A statement by itself that reads the whole table and keeps nobody from writing meanwhile.

    Where it builds an index, `index` is that, as SQL, in `tablespace`. One that was broken off is
    there and not valid.
    https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
    """

    statement: str
    index: str | None = None
    tablespace: str | None = None


@dataclass(frozen=True)
class Online:
    """The way back of one part.

    `first` comes with the column itself, which has no values yet. `guard` comes when all rows have
    theirs, and binds new ones from then on; `then` is for the end. `undo` takes away again what of
    these is there, if the part turns out to be impossible.
    """

    first: tuple[str, ...] = ()
    guard: tuple[str, ...] = ()
    then: tuple[Short | Alone, ...] = ()
    undo: tuple[Short | Alone, ...] = ()


def dropping_constraint(relation: object, name: str) -> tuple[Short, ...]:
    """Return the way to take a constraint away again; both are SQL."""
    return (Short((f"ALTER TABLE {relation} DROP CONSTRAINT IF EXISTS {name}",)),)


def dropping_index(index: object) -> tuple[Alone, ...]:
    """Return the way to take an index away again, which is SQL."""
    return (Alone(f"DROP INDEX CONCURRENTLY IF EXISTS {index}"),)


def validating(relation: object, name: str) -> Alone:
    """Return the check of all rows against a constraint; both are SQL.

    https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-VALIDATE-CONSTRAINT
    """
    return Alone(f"ALTER TABLE {relation} VALIDATE CONSTRAINT {name}")
