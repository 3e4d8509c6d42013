"""What hung on a column, brought back step by step once its values are there."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.catalog.column_parts import Identity
from alembic_zanith.catalog.constraints import Constraint, ForeignKey, Index
from alembic_zanith.catalog.grants import Grants
from alembic_zanith.catalog.online import Alone, Online, Short
from alembic_zanith.catalog.parts import Part
from alembic_zanith.errors import ConstraintConflictError
from alembic_zanith.failures import sqlstate
from alembic_zanith.identifiers import QualifiedName
from alembic_zanith.movement.steps import tried_again
from alembic_zanith.recovery.conflicts import (
    can_be_left_out,
    conflict,
    conflict_ahead,
    is_about_the_part,
    without_working_name,
)
from alembic_zanith.recovery.definition import Definition
from alembic_zanith.sql import run, scalar

from .failing import GOES_ON
from .journal import Journal
from .sessions import alone_settings, as_one, keep_vacuum_out, pinned_transaction

log = logging.getLogger("alembic.zanith")

_FOREIGN_KEY_VIOLATION = "23503"

_PARTITIONED = (
    "its index would be built on all partitions at once with writes locked out, as the table has "
    "partitions that it did not have then"
)


@dataclass(frozen=True)
class Way:
    """The way back of one part of a table."""

    relation: QualifiedName
    part: Part
    online: Online

    @property
    def name(self) -> str:
        """What tells it from the others of an artifact, whenever that is looked at."""
        own = getattr(self.part, "name", None) or getattr(self.part, "column", "")
        return f"{self.part.kind} {self.relation} {own}"


def ways(definition: Definition) -> Iterator[Way | str]:
    """Yield the way back of each part, or the reason why there is none online."""
    identities = {
        (holding.name, part.name)
        for holding, part in definition.parts()
        if isinstance(part, Identity)
    }
    for holding, part in definition.parts():
        has_index = isinstance(part, Index) or (
            isinstance(part, Constraint) and part.traits is not None
        )
        found = part.online(holding.name)
        if has_index and holding.is_partitioned and not getattr(part, "is_partitioned", False):
            found = _PARTITIONED
        if isinstance(part, Grants) and (holding.name, part.name) in identities:
            # Its sequence is made with the identity, in the end.
            found = Online(then=(Short(tuple(part.restore(holding.name))),))
        yield f"{part.label}: {found}" if isinstance(found, str) else Way(holding.name, part, found)


@dataclass(frozen=True)
class Parts:
    """The parts of one column, in the order in which they come back."""

    journal: Journal
    ways: tuple[Way, ...]
    relax: bool

    @property
    def _connection(self) -> Connection:
        return self.journal.store.connection

    def guard(self) -> None:
        """Have constraints hold for what is written from now on.

        Rows that stand in the way are looked for before: each UPDATE of them would fail.

        Raises `ConstraintConflictError`.
        """
        for way in self.ways:
            if not way.online.guard or self._is_over(way, "guard"):
                continue
            in_the_way = self._ahead(way)
            if in_the_way is not None:
                if not self._may_leave_out(way):
                    raise in_the_way
                self._leave_out(way)
                continue
            try:
                self._short(way, "guard", Short(way.online.guard))
            except DBAPIError as error:
                self._give_up(way, error, undo=False)

    def finish(self) -> None:
        """Build and check what there is to build and check.

        Raises `ConstraintConflictError`.
        """
        for way in self.ways:
            for number, step in enumerate(way.online.then):
                if self._is_over(way, str(number)):
                    continue
                try:
                    if isinstance(step, Short):
                        self._short(way, str(number), step)
                    else:
                        self._alone(way, str(number), step)
                except DBAPIError as error:
                    if self._stays_invalid(way, error):
                        self._note(way, str(number))
                    else:
                        self._give_up(way, error, undo=True)

    def reopen_foreign_keys(self) -> None:
        """Take foreign keys away that are back, for `finish` to bring them back once more."""
        for way in self.ways:
            if isinstance(way.part, ForeignKey) and not self.journal.is_done(_left_out(way)):
                self._undo(way)

    # -- steps ---------------------------------------------------------------------------

    def _is_over(self, way: Way, step: str) -> bool:
        names = (f"{way.name} {step}", _left_out(way))
        return any(map(self.journal.is_done, names))

    def _short(self, way: Way, step: str, short: Short) -> None:
        what = f"Bringing back {way.part.label}"

        def work() -> None:
            if short.statements:
                keep_vacuum_out(self._connection, way.relation)
                run(self._connection, as_one(short.statements))

        self.journal.step(what, f"{way.name} {step}", work)

    def _note(self, way: Way, step: str) -> None:
        self.journal.step("A note", f"{way.name} {step}", lambda: None)

    def _alone(self, way: Way, step: str, alone: Alone) -> None:
        doing = "checking" if alone.index is None else "building"
        log.info("%s: %s %s.", self.journal.artifact.source, doing, self._shown(way))

        def work() -> None:
            if alone.index is not None and self._has_index(way.relation, alone.index):
                return
            with self._patience(alone.tablespace):
                run(self._connection, alone.statement)

        tried_again(self._connection, self._shown(way), self.journal.policy, work)
        self._note(way, step)

    def _shown(self, way: Way) -> str:
        return without_working_name(self.journal.artifact, way.part.label)

    def _patience(self, tablespace: str | None = None) -> AbstractContextManager[None]:
        """Wait for a lock as long as it takes: it is one that keeps nobody out meanwhile."""
        memory = scalar(
            self._connection,
            "SELECT CASE WHEN pg_catalog.pg_size_bytes(now) < pg_catalog.pg_size_bytes('256MB')"
            " THEN '256MB' ELSE now END"
            " FROM pg_catalog.current_setting('maintenance_work_mem') AS now",
        )
        values = {
            "lock_timeout": "0",
            "maintenance_work_mem": str(memory),
            "default_tablespace": tablespace or "",
        }
        return alone_settings(self._connection, values)

    def _has_index(self, relation: QualifiedName, index: str) -> bool:
        """Whether an index is built; one that was broken off is dropped.

        The server may be at it still, for a client that is gone. The lock of a build tells.
        """
        is_valid = self._is_valid(relation, index)
        if is_valid is False:

            def wait() -> None:
                run(self._connection, "SET LOCAL lock_timeout = 0")
                run(self._connection, f"LOCK TABLE {relation} IN SHARE UPDATE EXCLUSIVE MODE")

            pinned_transaction(self._connection, "Waiting", self.journal.policy, wait)
            is_valid = self._is_valid(relation, index)
        if is_valid is False:
            with self._patience():
                run(self._connection, f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
        return bool(is_valid)

    def _is_valid(self, relation: QualifiedName, index: str) -> bool | None:
        found: bool | None = scalar(
            self._connection,
            "SELECT i.indisvalid FROM pg_catalog.pg_index i"
            " WHERE i.indexrelid = pg_catalog.to_regclass(:index)"
            " AND i.indrelid = pg_catalog.to_regclass(:relation)",
            index=index,
            relation=str(relation),
        )
        return found

    # -- what is impossible --------------------------------------------------------------

    def _stays_invalid(self, way: Way, error: DBAPIError) -> bool:
        """Whether it is a foreign key of which some rows have no parent, as in any restore."""
        is_key = isinstance(way.part, ForeignKey)
        return is_key and sqlstate(error) == _FOREIGN_KEY_VIOLATION

    @property
    def _outlook(self) -> str:
        return f"The values that are back stay. {GOES_ON}"

    def _ahead(self, way: Way) -> ConstraintConflictError | None:
        def work() -> ConstraintConflictError | None:
            return conflict_ahead(
                self._connection, self.journal.artifact, way.part, way.relation, self._outlook
            )

        return pinned_transaction(self._connection, "Looking", self.journal.policy, work)

    def _may_leave_out(self, way: Way) -> bool:
        return self.relax and can_be_left_out(way.part)

    def _give_up(self, way: Way, error: DBAPIError, *, undo: bool) -> None:
        """Leave a part out, or raise why it cannot come back, with nothing left of it."""
        if not is_about_the_part(error):
            raise error
        artifact = self.journal.artifact

        def explained() -> ConstraintConflictError:
            relation = way.relation
            return conflict(self._connection, artifact, way.part, relation, error, self._outlook)

        if undo:
            self._undo(way)
        if not self._may_leave_out(way):
            raise pinned_transaction(
                self._connection, "Looking", self.journal.policy, explained
            ) from error
        self._leave_out(way)

    def _leave_out(self, way: Way) -> None:
        self.journal.leave_out(self._shown(way), _left_out(way))

    def _undo(self, way: Way) -> None:
        shorts = [each for each in way.online.undo if isinstance(each, Short)]
        steps = ["guard", *(str(number) for number, _ in enumerate(way.online.then))]
        self.journal.undo(
            f"Taking {way.part.label} away",
            [f"{way.name} {step}" for step in steps],
            [as_one(short.statements) for short in shorts],
            way.relation,
        )
        for step in way.online.undo:
            if isinstance(step, Alone):
                with self._patience():
                    run(self._connection, step.statement)


def _left_out(way: Way) -> str:
    return f"{way.name} left out"
