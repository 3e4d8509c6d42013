"""What an operation amounts to: the findings on each of its changes, and the worst of them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

from .change import Change, Judgement, Lock
from .levels import Level
from .reasons import Reason

_LOCKS = list(Lock)

WRITTEN_AS_SQL = frozenset({"execute", "connection.execute", "cursor.execute"})
"""The operations and calls that are given SQL."""


@dataclass(frozen=True)
class Finding:
    """One change, its judgement, and the facts that the judgement was refined by."""

    change: Change
    judgement: Judgement
    facts: tuple[str, ...] = ()

    @classmethod
    def of(cls, change: Change) -> Finding:
        """Return the finding before any fact is known."""
        return cls(change, change.judge())

    def noted(self, fact: str) -> Finding:
        """Return the finding with a fact that does not change its judgement."""
        return replace(self, facts=(*self.facts, fact))

    def refined(self, fact: str, judgement: Judgement, change: Change | None = None) -> Finding:
        """Return the finding as a fact makes it."""
        return replace(
            self,
            change=change or self.change,
            judgement=judgement,
            facts=(*self.facts, fact),
        )


@dataclass(frozen=True)
class Assessment:
    """All findings on one operation, or on one string of SQL.

    >>> from alembic_zanith.risk.statements import changes_in
    >>> found = Assessment.of("op.execute", changes_in("DROP TABLE a; SELECT 1"))
    >>> found.kind, found.level.word, [str(reason) for reason in found.reasons]
    ('drop_table', 'destructive', ['drops_table_with_data'])
    """

    operation: str
    findings: tuple[Finding, ...]
    is_raw: bool = False
    """Whether the SQL is written by hand, which is a reason of its own."""

    @classmethod
    def of(cls, operation: str, changes: Iterable[Change], *, is_raw: bool = False) -> Assessment:
        """Return the assessment before any fact is known."""
        return cls(operation, tuple(Finding.of(change) for change in changes), is_raw)

    @cached_property
    def worst(self) -> Finding | None:
        """The first of the findings with the highest level; None where nothing changes."""
        return max(self.findings, key=lambda each: each.judgement.level, default=None)

    @property
    def kind(self) -> str:
        """The kind of the worst change."""
        return self.worst.change.kind if self.worst else "harmless"

    @property
    def only_kind(self) -> str:
        """The kind of all changes, or nothing where there are several."""
        kinds = {each.change.kind for each in self.findings}
        return kinds.pop() if len(kinds) == 1 else ""

    @property
    def level(self) -> Level:
        """The level of the worst change."""
        return self.worst.judgement.level if self.worst else Level.SAFE

    @property
    def score(self) -> int:
        """The score of the worst change, 5 to 95."""
        return self.level.score

    @property
    def reasons(self) -> tuple[Reason, ...]:
        """The reasons of all changes, those of the worst first, each once.

        What is written as SQL has one more: nothing but its text says what it does.
        """
        found = self.reasons_of_changes
        is_written = self.is_raw or self.operation in WRITTEN_AS_SQL
        is_written = is_written and self.level is not Level.SAFE
        return (*found, Reason.RAW_SQL) if is_written and Reason.RAW_SQL not in found else found

    @property
    def reasons_of_changes(self) -> tuple[Reason, ...]:
        """The same without that one more."""
        ranked = sorted(self.findings, key=lambda each: -each.judgement.level)
        return tuple(dict.fromkeys(r for each in ranked for r in each.judgement.reasons))

    @property
    def lock(self) -> Lock:
        """The strongest lock that is taken."""
        return max(
            (each.judgement.lock for each in self.findings), key=_LOCKS.index, default=Lock.NONE
        )
