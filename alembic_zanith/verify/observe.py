"""What each operation really does on the shadow: locks, rewrites, rows, time."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alembic_zanith.identifiers import display_name
from alembic_zanith.locking.connections import quietly
from alembic_zanith.models import BOOKKEEPING_TABLES
from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.change import Cost, Lock, TableRef
from alembic_zanith.sql import is_autocommit
from alembic_zanith.steps import Step
from alembic_zanith.verification import Finding, FindingKind, HeldLock, Observation

if TYPE_CHECKING:
    from sqlalchemy import Connection

_ACCESS_EXCLUSIVE = "AccessExclusiveLock"
_STRONGEST_FIRST = [
    f"{''.join(word.capitalize() for word in each.value.split())}Lock" for each in reversed(Lock)
]
_HAVE_ROWS = ("r", "p", "m")
_TELLING = (*_HAVE_ROWS, "v", "f")

# Locks of a transaction are held until it ends, so those that are new since the last look are of
# what came in between: https://www.postgresql.org/docs/current/view-pg-locks.html
# A table that is written anew gets another file:
# https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-ADMIN-DBLOCATION
_LOOK = """
SELECT pg_catalog.json_build_object(
  'locks', (
    SELECT pg_catalog.json_agg(pg_catalog.json_build_array(l.relation::bigint, l.mode))
      FROM pg_catalog.pg_locks l
     WHERE l.pid = pg_catalog.pg_backend_pid() AND l.locktype = 'relation' AND l.granted),
  'relations', (
    SELECT pg_catalog.json_agg(pg_catalog.json_build_array(
             c.oid::bigint, n.nspname, c.relname, c.relkind,
             pg_catalog.pg_relation_filenode(c.oid),
             ARRAY(SELECT i.inhparent::bigint FROM pg_catalog.pg_inherits i
                    WHERE i.inhrelid = c.oid)))
      FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
       AND c.relkind IN ('r', 'p', 'm', 'v', 'f')),
  'written', (
    SELECT coalesce(sum(n_tup_ins + n_tup_upd + n_tup_del), 0)
      FROM pg_catalog.pg_stat_xact_user_tables WHERE NOT relname = ANY ({bookkeeping}))
)::text
"""


@dataclass(frozen=True)
class _Relation:
    schema: str
    name: str
    kind: str
    file: int | None
    parents: list[int]

    @property
    def shown(self) -> str:
        parts = [self.name] if self.schema == "public" else [self.schema, self.name]
        return ".".join(display_name(part) for part in parts)

    def is_meant_by(self, table: TableRef) -> bool:
        return self.name == table.name and table.schema in (None, self.schema)


@dataclass(frozen=True)
class _Look:
    """The state of the session and its database at one moment."""

    locks: frozenset[tuple[int, str]] = frozenset()
    relations: dict[int, _Relation] = field(default_factory=dict)
    written: int = 0


class Observer:
    """Looks at the database after each step; a listener of `Steps`.

    Asked are what the driver's cursor is sent: nobody hears it.
    """

    def __init__(self, connection: Connection, ignored: Collection[str] = ()) -> None:
        self._connection = connection
        self._ignored = {*BOOKKEEPING_TABLES, *ignored}
        self.observations = list[Observation]()
        self.findings = list[Finding]()
        self._revision = ""
        self._last = _Look()
        self._there = frozenset[int]()

    def begin(self, revision: str) -> None:
        """Begin with a revision. What there is before the first is what locks are watched on."""
        self._revision = revision
        self._last = self._look()
        if not self.observations and not self._there:
            self._there = frozenset(self._last.relations)

    def began(self, step: Step) -> None:
        """Hear that a step has begun."""

    def sending(self, step: Step, statement: str) -> None:
        """Hear of a statement."""

    def ended(self, step: Step) -> None:
        """Look at what a step has done."""
        assessment = step.assessment
        if step.error is not None or assessment is None:
            return
        before, now = self._last, self._look()
        self._last = now
        is_observed = not is_autocommit(self._connection)
        taken = [*self._taken(before, now)] if is_observed else []
        rewritten = [*_rewritten(before, now)]
        observed = Observation(
            self._revision,
            step.operation,
            assessment.kind,
            _subject(assessment),
            assessment.level.word,
            assessment.score,
            assessment.lock.value,
            tuple(HeldLock(relation.shown, _words(mode)) for relation, mode in taken),
            any(each.judgement.cost is Cost.REWRITES for each in assessment.findings),
            tuple(each.shown for each in rewritten),
            self._rows(step, before, now),
            step.elapsed_seconds,
            is_observed,
        )
        self.observations.append(observed)
        self.findings += self._surprises(assessment, taken, rewritten)

    def _look(self) -> _Look:
        names = ", ".join(f"'{name}'" for name in sorted(BOOKKEEPING_TABLES))
        found: Any = json.loads(
            quietly(self._connection, _LOOK.format(bookkeeping=f"ARRAY[{names}]::name[]"))
        )
        return _Look(
            frozenset((oid, mode) for oid, mode in found["locks"] or ()),
            {oid: _Relation(*rest) for oid, *rest in found["relations"] or ()},
            int(found["written"]),
        )

    def _taken(self, before: _Look, now: _Look) -> Iterator[tuple[_Relation, str]]:
        """Yield the strongest lock on each table that was there before the migrations."""
        relations = before.relations | now.relations
        strongest = dict[int, str]()
        for oid, mode in now.locks - before.locks:
            relation = relations.get(oid)
            if relation is None or oid not in self._there or relation.name in self._ignored:
                continue
            if mode in _STRONGEST_FIRST:
                strongest[oid] = min(mode, strongest.get(oid, mode), key=_STRONGEST_FIRST.index)
        for oid, mode in sorted(strongest.items(), key=lambda each: relations[each[0]].shown):
            yield relations[oid], mode

    def _rows(self, step: Step, before: _Look, now: _Look) -> int | None:
        """Return how many rows were written: counted by the server, or told by the driver."""
        counted = now.written - before.written if now.written >= before.written else now.written
        return counted if counted > 0 else step.rows

    def _surprises(
        self,
        assessment: Assessment,
        taken: Collection[tuple[_Relation, str]],
        rewritten: Collection[_Relation],
    ) -> Iterator[Finding]:
        what = f"{assessment.operation} {_subject(assessment)}".strip()
        for relation, mode in taken:
            if mode == _ACCESS_EXCLUSIVE and not self._is_told(
                assessment, relation, _predicts_lock
            ):
                yield Finding(
                    FindingKind.UNPREDICTED_LOCK,
                    f"{what} takes ACCESS EXCLUSIVE on {relation.shown}, which the plan does not "
                    "say: nobody can read that table until the transaction ends.",
                    self._revision,
                )
        for relation in rewritten:
            if not self._is_told(assessment, relation, _predicts_rewrite):
                yield Finding(
                    FindingKind.UNPREDICTED_REWRITE,
                    f"{what} writes {relation.shown} anew, which the plan does not say: that takes "
                    "as long as the table is big.",
                    self._revision,
                )

    def _is_told(self, assessment: Assessment, relation: _Relation, predicts: _Predicts) -> bool:
        """Whether the plan tells it of a table, or of one that hands it on to its partitions."""
        above = (self._last.relations.get(oid) for oid in relation.parents)
        return predicts(assessment, relation) or any(
            self._is_told(assessment, each, predicts) for each in above if each is not None
        )


_Predicts = Callable[[Assessment, _Relation], bool]


def _rewritten(before: _Look, now: _Look) -> Iterator[_Relation]:
    for oid, relation in now.relations.items():
        was = before.relations.get(oid)
        if was is not None and relation.kind in _HAVE_ROWS and was.file != relation.file:
            yield relation


def _predicts_lock(assessment: Assessment, relation: _Relation) -> bool:
    return any(
        each.judgement.lock is Lock.ACCESS_EXCLUSIVE
        and (each.change.on is None or relation.is_meant_by(each.change.on))
        for each in assessment.findings
    )


def _predicts_rewrite(assessment: Assessment, relation: _Relation) -> bool:
    return any(
        each.judgement.cost in (Cost.REWRITES, Cost.LOSES)
        and (each.change.on is None or relation.is_meant_by(each.change.on))
        for each in assessment.findings
    )


def _subject(assessment: Assessment) -> str:
    return "" if assessment.worst is None else assessment.worst.change.subject


def _words(mode: str) -> str:
    """Return a mode as the documentation writes it.

    >>> _words("ShareUpdateExclusiveLock")
    'SHARE UPDATE EXCLUSIVE'
    """
    words = "".join(f" {c}" if c.isupper() else c for c in mode.removesuffix("Lock"))
    return words.strip().upper()
