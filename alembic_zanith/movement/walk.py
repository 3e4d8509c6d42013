"""The walk: a table is worked through by its key, each batch committed with its checkpoint.

It is for connections on which each statement commits by itself.

A walk meets each row once, unless its key changes behind its back, and misses one that is inserted
behind it. So the work says which rows are not done yet, whatever their key: a batch does no others,
and when the walk has come to the end it is asked whether any are left. Few are done by one
statement over the whole table, which sees all that is there at one moment; for many it is walked
again. A row that is left by that statement again and again is one that the database keeps as it is.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from sqlalchemy import Connection, Row
from sqlalchemy.exc import DBAPIError

from alembic_zanith.errors import ZanithError
from alembic_zanith.identifiers import QualifiedName
from alembic_zanith.locking.connections import pause
from alembic_zanith.locking.retrying import RetryPolicy
from alembic_zanith.sql import count_rows, run, unheard

from .checkpoints import Checkpoint, Checkpoints, CheckpointStatus
from .keys import Key
from .progress import Progress
from .ranges import Place, Range, next_range
from .steps import tried_again
from .throttle import Throttle

log = logging.getLogger("alembic.zanith")

_MOST_WALKS = 5
"""After so many the rest is one statement, however many rows others go on to write."""
_MOST_TRIES = 5
"""So often rows that are left are asked for, when others go on to write some."""
_SAMPLE = 100


class Work(Protocol):
    """What is done to the rows of a table."""

    @property
    def undone(self) -> str:
        """The condition of rows that are to be done and are not yet."""

    def statement(self, conditions: str) -> str:
        """Return the statement that does rows, RETURNING a row for each; conditions are SQL."""


@dataclass(frozen=True)
class Position:
    """Where a walk stands: behind `at`, in the walk of this number, after so many rows read."""

    at: Place | None = None
    walk: int = 1
    read: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "at": None if self.at is None else list(self.at),
            "walk": self.walk,
            "read": self.read,
        }

    @classmethod
    def of(cls, value: Mapping[str, Any]) -> Position:
        at = value.get("at")
        return cls(None if at is None else tuple(at), value.get("walk", 1), value.get("read", 0))


def going_on(found: Checkpoint, about: Mapping[str, Any], *, anew: bool = False) -> Checkpoint:
    """Return a checkpoint to go on from: from the first row, where its key is another one now."""
    same_key = all(found.cursor.get(name) == about[name] for name in ("key", "types"))
    if same_key and not anew:
        return found
    return replace(found, cursor={**found.cursor, **Position().as_json()})


class BatchError(Exception):
    """A batch has failed; the error of the database is the cause."""

    def __init__(self, failed: Range, error: DBAPIError, rows_done: int) -> None:
        super().__init__(str(error))
        self.failed = failed
        self.error = error
        self.rows_done = rows_done


class KeptRowsError(ZanithError):
    """Rows stay as they are, whatever is done to them. `row` is the key of one of them."""

    def __init__(self, table: QualifiedName, row: str, rows_done: int) -> None:
        super().__init__(
            f"Rows of {table.display} stay as they are, such as {row}: an UPDATE does nothing to "
            f"them and no error is raised. {rows_done:,} rows are done and stay so. See which "
            "trigger, rule or policy keeps them, and run the upgrade again."
        )
        self.row = row
        self.rows_done = rows_done


@dataclass(frozen=True)
class Pace:
    """How fast a walk may go: rows that a batch reads, seconds between two, and what else holds."""

    batch_size: int
    pause_seconds: float = 0.0
    throttle: Throttle = field(default_factory=Throttle)
    policy: RetryPolicy = field(default_factory=RetryPolicy)


Send = Callable[[Connection, str], Row[Any]]
"""Sends one statement of a walk and commits it; returns the row that it returns."""


def send_alone(connection: Connection, statement: str) -> Row[Any]:
    """Send a statement as it is."""
    return run(connection, statement).one()


@dataclass
class Walk:
    """One walk. `about` is what its checkpoint's cursor says beside the position, `send` how the
    statement of a batch is sent where it needs more around it than itself.
    """

    connection: Connection
    table: QualifiedName
    key: Key
    work: Work
    checkpoints: Checkpoints
    checkpoint: Checkpoint
    about: Mapping[str, Any]
    pace: Pace
    send: Send = send_alone

    def __post_init__(self) -> None:
        self.rows_done = self.checkpoint.rows_done
        self._is_first = True
        self._first_walk = Position.of(self.checkpoint.cursor).walk

    def run(self, progress: Progress) -> int:
        """Do what is left to do, and return how many rows are done, those of before included.

        Raises `BatchError` where a batch fails for another reason than what others do, and
        `KeptRowsError` where rows are left that are not to be done.
        """
        position = Position.of(self.checkpoint.cursor)
        while True:
            done = self.rows_done
            position = self._walked(position, progress)
            left = self._left()
            # One that goes on where an earlier run has ended says nothing of all rows.
            is_in_vain = self.rows_done == done and position.walk > self._first_walk
            if left <= self.pace.batch_size or position.walk >= _MOST_WALKS or is_in_vain:
                self._finish(position, left)
                return self.rows_done
            log.info(
                "%s: more than %s rows were written meanwhile; walking again.",
                self.table.display,
                f"{self.pace.batch_size:,}",
            )
            position = Position(None, position.walk + 1, position.read)

    def _walked(self, position: Position, progress: Progress) -> Position:
        while (batch := self._next(position)) is not None:
            position = Position(batch.upto, position.walk, position.read + batch.size)
            self._do(batch, self.checkpoints.committing(*self._committing(batch, position)))
            progress.moved(position.read)
            self._wait()
        return position

    def _next(self, position: Position) -> Range | None:
        with unheard():
            behind = Range(position.at, None)
            return next_range(
                self.connection, str(self.table), self.key, behind, self.pace.batch_size
            )

    def _committing(self, batch: Range, position: Position) -> tuple[str, str, dict[str, Any]]:
        conditions = " AND ".join([*batch.conditions(self.key), self.work.undone])
        cursor = {**self.about, **position.as_json()}
        return self.checkpoint.id, self.work.statement(conditions), cursor

    def _left(self) -> int:
        """Count the rows that are not done, no more than one beyond a batch of them."""
        with unheard():
            (found,) = self.send(
                self.connection,
                f"SELECT pg_catalog.count(*) FROM (SELECT FROM {self.table}"
                f" WHERE {self.work.undone} LIMIT {self.pace.batch_size + 1}) AS left_over",
            )
            return int(found)

    def _finish(self, position: Position, left: int) -> None:
        cursor = {**self.about, **position.as_json()}
        if left:
            self._do_what_is_left(cursor)
        with unheard():
            self.checkpoints.mark(self.checkpoint.id, CheckpointStatus.DONE, cursor)

    def _do_what_is_left(self, cursor: Mapping[str, Any]) -> None:
        """Do the rest by one statement, again where rows are left: others may have written them.

        Raises `KeptRowsError` where the same rows are left each time, as a trigger that returns
        NULL has it: https://www.postgresql.org/docs/current/trigger-definition.html
        """
        work = self.work.statement(self.work.undone)
        statement = self.checkpoints.committing(self.checkpoint.id, work, cursor)
        kept: list[Place] | None = None
        for _ in range(_MOST_TRIES):
            done = self._do(Range(None, None), statement)
            if not self._left():
                return
            is_first, undone = kept is None, self._undone()
            kept = undone if kept is None else [row for row in kept if row in undone]
            if kept and not is_first and not done:
                break
        if kept:
            raise KeptRowsError(self.table, self.key.shown(kept[0]), self.rows_done)

    def _undone(self) -> list[Place]:
        """Return the keys of some rows that are not done, the first ones."""
        names = [f"k{number}" for number, _ in enumerate(self.key.columns, 1)]
        texts = ", ".join(f"CAST(left_over.{name} AS pg_catalog.text)" for name in names)
        with unheard():
            (found,) = self.send(
                self.connection,
                f"SELECT CAST(pg_catalog.json_agg(pg_catalog.json_build_array({texts}))"
                f" AS pg_catalog.text) FROM (SELECT {self.key.order} FROM {self.table}"
                f" WHERE {self.work.undone} ORDER BY {self.key.order} LIMIT {_SAMPLE})"
                f" AS left_over ({', '.join(names)})",
            )
        return [tuple(each) for each in json.loads(found or "[]")]

    def _do(self, batch: Range, statement: str) -> int:
        try:
            result = self._sent(statement)
        except DBAPIError as error:
            raise BatchError(batch, error, self.rows_done) from error
        done, self.rows_done = map(int, result)
        count_rows(done)
        return done

    def _sent(self, statement: str) -> Row[Any]:
        def once() -> Row[Any]:
            if self._is_first:
                self._is_first = False
                return self.send(self.connection, statement)
            with unheard():
                return self.send(self.connection, statement)

        what = f"A batch of {self.table.display}"
        return tried_again(self.connection, what, self.pace.policy, once)

    def _wait(self) -> None:
        if self.pace.pause_seconds:
            pause(self.connection, self.pace.pause_seconds)
        with unheard():
            self.pace.throttle.wait(self.connection)
