"""Which changes a statement makes: the registry of readers, by the grammar's own names."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import TypeVar

from alembic_zanith.risk.change import Change
from alembic_zanith.risk.changes.raw import RawSql

from .parser import Node, Statement, UnreadableSqlError, parse

Reader = Callable[[Statement], Iterable[Change]]
STATEMENTS: dict[str, Reader] = {}
"""The reader of each statement, by the name of its node."""

R = TypeVar("R", bound=Reader)


def statement(*names: str) -> Callable[[R], R]:
    """Register the reader of statements of these names."""

    def register(reader: R) -> R:
        for name in names:
            if name in STATEMENTS:
                raise ValueError(f"{name} has a reader already: {STATEMENTS[name].__name__}.")
            STATEMENTS[name] = reader
        return reader

    return register


@lru_cache(maxsize=4096)  # what is recorded first comes again when it is run
def changes_in(sql: str) -> tuple[Change, ...]:
    """Return what a string of SQL changes. What cannot be read is raw SQL, with the reason.

    >>> [(each.kind, each.subject) for each in changes_in("DROP TABLE a; DELETE FROM b")]
    [('drop_table', 'a'), ('delete_rows', 'b')]
    """
    try:
        statements = parse(sql)
    except UnreadableSqlError as error:
        return (RawSql(_short(sql), f"PostgreSQL's grammar does not read it: {error}"),)
    return tuple(change for each in statements for change in read(each))


def read(each: Statement) -> Iterator[Change]:
    """Yield what one statement changes."""
    reader = STATEMENTS.get(each.name)
    if reader is None:
        yield RawSql(_short(each.text), f"there is no entry for {each.name}")
        return
    yield from reader(each)


def read_node(name: str, node: Node, text: str) -> Iterator[Change]:
    """Yield what a statement inside another changes."""
    yield from read(Statement(name, node, text))


def _short(text: str) -> str:
    return " ".join(text.split())[:80]
