"""The batches of an online restore: values go back, and are set right where keys have changed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.catalog.relation import Relation, tree
from alembic_zanith.movement.estimate import row_estimate
from alembic_zanith.movement.progress import shown
from alembic_zanith.movement.ranges import Range
from alembic_zanith.movement.steps import tried_again
from alembic_zanith.movement.walk import BatchError, Pace, Position, Walk, going_on
from alembic_zanith.recovery.definition import Definition
from alembic_zanith.sql import unheard

from .beginning import Terms
from .correcting import Correcting
from .failing import Broken
from .journal import Journal
from .parts import Parts
from .returning import Filler, ReturningValues

log = logging.getLogger("alembic.zanith")

_OF_A_WALK = ("at", "walk", "read")

_MOST_ROUNDS = 5
"""How often values are set right, where others go on to change keys all the time."""


@dataclass(frozen=True)
class Filling:
    """The values of one column on their way back."""

    journal: Journal
    relation: Relation
    definition: Definition
    terms: Terms
    pace: Pace
    yield_to_locks: bool

    @property
    def _connection(self) -> Connection:
        return self.journal.store.connection

    def fill(self) -> None:
        """Give values to all rows that have none yet.

        Raises `BatchFailedError`.
        """
        self._walk(self._work(ReturningValues), from_the_first_row=False)

    def correct(self, parts: Parts | None = None) -> None:
        """Give rows whose keys were changed meanwhile what the archive has for those they have now.

        With `parts`, whose foreign keys are then checked again: no trigger has looked at what a
        batch writes.

        Raises `BatchFailedError`.
        """
        work = self._work(Correcting)
        source = self.journal.artifact.source
        for _ in range(_MOST_ROUNDS):
            wrong = self._count(work)
            if not wrong:
                return
            log.info("%s: keys of rows have changed; their values are set right.", source)
            if parts is not None:
                parts.reopen_foreign_keys()
            if wrong > self.pace.batch_size:
                self._walk(work, from_the_first_row=True)
            else:
                self._at_once(work)
            if parts is not None:
                parts.finish()
        if self._count(work):
            log.warning(
                "%s: others change keys all the time. Rows that got theirs in the last moments may "
                "have the value of the key that they had before.",
                source,
            )

    def _work(self, kind: Callable[..., ReturningValues]) -> ReturningValues:
        fill = self.journal.find().cursor["fill"]
        filler = Filler.of(self.definition, fill)
        return kind(self.relation.name, self.journal.artifact.parked_name, self.definition, filler)

    def _count(self, work: ReturningValues) -> int:
        """Count the rows that are not done, no more than one beyond a batch of them."""
        (found,) = map(
            int,
            self._sent(
                f"SELECT pg_catalog.count(*) FROM (SELECT FROM {self.relation.name}"
                f" WHERE {work.undone} LIMIT {self.pace.batch_size + 1}) AS wrong"
            ),
        )
        return found

    def _at_once(self, work: ReturningValues) -> None:
        try:
            self._sent(
                f"WITH _zanith_work AS ({work.statement(work.undone)})"
                " SELECT pg_catalog.count(*) FROM _zanith_work"
            )
        except DBAPIError as error:
            walk = self._walk_of(work, from_the_first_row=True)
            stopped = BatchError(Range(None, None), error, walk.rows_done)
            raise Broken(self.journal.artifact).at(stopped, walk) from error

    def _sent(self, statement: str) -> tuple[Any, ...]:
        def once() -> tuple[Any, ...]:
            with unheard():
                return tuple(self.terms.sending(self._connection, statement))

        return tried_again(self._connection, "A batch", self.pace.policy, once)

    def _walk(self, work: ReturningValues, *, from_the_first_row: bool) -> None:
        walk = self._walk_of(work, from_the_first_row=from_the_first_row)
        source = self.journal.artifact.source
        estimate = row_estimate(self._connection, self.relation)
        read = Position.of(walk.checkpoint.cursor).read
        with shown(f"restore of {source}", estimate, read) as progress:
            try:
                walk.run(progress)
            except BatchError as stopped:
                raise Broken(self.journal.artifact).at(stopped, walk) from stopped.error
        self.journal.find()

    def _walk_of(self, work: ReturningValues, *, from_the_first_row: bool) -> Walk:
        journal, key = self.journal, self.terms.key
        checkpoint = journal.find()
        about = {
            **{name: value for name, value in journal.cursor.items() if name not in _OF_A_WALK},
            "key": [column.name for column in key.columns],
            "types": [column.type for column in key.columns],
        }
        return Walk(
            self._connection,
            self.relation.name,
            key,
            work,
            journal.checkpoints,
            going_on(checkpoint, about, anew=from_the_first_row),
            about,
            self._pace(),
            self.terms.sending,
        )

    def _pace(self) -> Pace:
        oids: tuple[int, ...] = ()
        if self.yield_to_locks:
            with unheard():
                oids = tuple(member.oid for member in tree(self._connection, self.relation))
        return replace(self.pace, throttle=replace(self.pace.throttle, queue_on=oids))
