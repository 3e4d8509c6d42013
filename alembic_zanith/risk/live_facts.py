"""What a database tells about an operation: how many rows it concerns, and if any at all.

Takes values; asking the database for them is `alembic_zanith.plan.live`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from .assessment import Assessment, Finding
from .change import Cost, Judgement, Lock, TableRef
from .changes.columns import SetNullable, SetType
from .changes.indexes import DropIndex
from .changes.rows import DeleteRows, TruncateTable
from .levels import Level
from .reasons import Reason


@dataclass(frozen=True)
class ColumnFacts:
    """A column as it is."""

    type: str
    is_not_null: bool = False
    is_checked_not_null: bool = False
    """Whether a valid CHECK says that it is not NULL."""


@dataclass(frozen=True)
class TableFacts:
    """A table as it is. `rows` and `size` (in bytes) are estimates; None where nobody knows."""

    exists: bool = True
    is_empty: bool | None = None
    rows: int | None = None
    size: int | None = None
    columns: Mapping[str, ColumnFacts] = field(default_factory=dict)
    deleted_with: Sequence[str] = ()
    """The tables whose rows ON DELETE CASCADE deletes along with its rows."""

    def __str__(self) -> str:
        if self.rows is None:
            return "nobody knows how many rows"
        size = "" if self.size is None else f", {_bytes(self.size)}"
        return f"about {self.rows:,} {'row' if self.rows == 1 else 'rows'}{size}"


@dataclass(frozen=True)
class IndexFacts:
    """An index as it is."""

    exists: bool = True
    is_valid: bool = True
    is_unique: bool = False


@dataclass(frozen=True)
class Ceilings:
    """Most rows that an operation may rewrite, read under a lock, or lose; None for no limit."""

    max_rewrite_rows: int | None = None
    max_scan_rows: int | None = None
    max_lost_rows: int | None = None


STOPS_WRITERS = frozenset({Lock.SHARE, Lock.SHARE_ROW_EXCLUSIVE, Lock.ACCESS_EXCLUSIVE})
"""The locks that writers wait for.

https://www.postgresql.org/docs/current/explicit-locking.html
"""


def refine(
    assessment: Assessment,
    facts: Mapping[TableRef, TableFacts],
    ceilings: Ceilings,
    indexes: Mapping[TableRef, IndexFacts] = MappingProxyType({}),
) -> Assessment:
    """Return the assessment as the tables that are there make it.

    >>> from alembic_zanith.risk.statements import changes_in
    >>> drop = Assessment.of("op.execute", changes_in("DROP TABLE t"))
    >>> found = refine(drop, {TableRef("t"): TableFacts(is_empty=True, rows=0)}, Ceilings())
    >>> found.level.word, found.findings[0].facts
    ('safe', ('t is empty',))
    """
    findings = tuple(
        _as_the_index_is(_refined(each, facts, ceilings), indexes) for each in assessment.findings
    )
    return replace(assessment, findings=findings)


def _as_the_index_is(finding: Finding, indexes: Mapping[TableRef, IndexFacts]) -> Finding:
    """Return what dropping an index amounts to: nothing if a build of it has failed, say."""
    change, found = finding.change, finding.judgement
    if not isinstance(change, DropIndex) or found.level is Level.SAFE:
        return finding
    known = indexes.get(change.index)
    if known is None:
        return finding
    if not known.exists:
        fact = f"{change.subject} does not exist"
        return finding.refined(fact, Judgement(Level.SAFE, found.reasons, found.lock))
    if not known.is_valid:
        # https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY
        fact = f"{change.subject} is INVALID, so that no query uses it"
        return finding.refined(fact, Judgement(Level.SAFE, found.reasons, found.lock))
    if known.is_unique:
        reasons = (*found.reasons, Reason.DROPS_UNIQUE_CONSTRAINT)
        return finding.refined(f"{change.subject} is unique", replace(found, reasons=reasons))
    return finding


def _refined(finding: Finding, facts: Mapping[TableRef, TableFacts], ceilings: Ceilings) -> Finding:
    table = finding.change.on
    known = None if table is None else facts.get(table)
    if table is None or known is None or finding.judgement.level is Level.SAFE:
        return finding
    if getattr(finding.change, "cascade", False):
        # What goes along is that of others: rows that refer to it, columns of its row type.
        known = replace(known, is_empty=None) if known.exists else known
        if isinstance(finding.change, TruncateTable):
            return finding
    if not known.exists:
        return _harmless(finding, f"{table} does not exist")
    finding = _as_the_column_is(finding, known)
    if known.deleted_with and isinstance(finding.change, DeleteRows):
        others = ", ".join(known.deleted_with)
        finding = finding.noted(f"ON DELETE CASCADE: rows of {others} go along")
    if finding.judgement.cost is Cost.NOTHING:
        return finding
    if known.is_empty:
        return _harmless(finding, f"{table} is empty")
    if known.rows is None:
        return finding
    return _under_ceilings(
        finding.refined(f"{table} has {known}", finding.judgement), known.rows, ceilings
    )


def _harmless(finding: Finding, fact: str) -> Finding:
    """Without rows there is nothing to lose; what waits for the lock waits for a moment."""
    found = finding.judgement
    if found.cost is Cost.NOTHING:
        return finding
    level = Level.SAFE if found.cost is Cost.LOSES else min(found.level, Level.LOW)
    return finding.refined(fact, Judgement(level, found.reasons, found.lock))


def _under_ceilings(finding: Finding, rows: int, ceilings: Ceilings) -> Finding:
    found = finding.judgement
    name = {
        Cost.REWRITES: "max_rewrite_rows",
        Cost.LOSES: "max_lost_rows",
        Cost.SCANS: "max_scan_rows" if found.lock in STOPS_WRITERS else None,
        Cost.NOTHING: None,
    }[found.cost]
    limit = None if name is None else getattr(ceilings, name)
    if limit is None or rows <= limit:
        return finding
    fact = f"that is more than {name} = {limit:,}"
    return finding.refined(fact, replace(found, level=Level.BLOCKED))


def _as_the_column_is(finding: Finding, table: TableFacts) -> Finding:
    change = finding.change
    column = table.columns.get(getattr(change, "column", ""))
    if column is None:
        return finding
    if isinstance(change, SetType):
        # The database knows better than the script what the type was.
        known = replace(change, old=column.type)
        fact = f"{change.subject} is {column.type} now"
        return finding.refined(fact, known.judge(), known)
    if isinstance(change, SetNullable) and not change.nullable:
        found = finding.judgement
        if column.is_not_null:
            fact = f"{change.subject} is NOT NULL already"
            return finding.refined(fact, Judgement(Level.SAFE, found.reasons, found.lock))
        if column.is_checked_not_null:
            # https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL
            fact = f"a valid CHECK says that {change.subject} is not NULL, so no row is read"
            return finding.refined(fact, Judgement(Level.LOW, found.reasons, found.lock))
    return finding


def _bytes(size: int) -> str:
    """Return a size as people read it.

    >>> _bytes(900), _bytes(35_000_000)
    ('900 bytes', '33 MB')
    """
    units = ["bytes", "kB", "MB", "GB", "TB"]
    amount, unit = float(size), 0
    while amount >= 1024 and unit < len(units) - 1:
        amount, unit = amount / 1024, unit + 1
    return f"{amount:.0f} {units[unit]}"
