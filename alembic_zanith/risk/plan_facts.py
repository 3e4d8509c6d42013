"""What the plan itself tells about an operation: what an earlier one of it has made.

Nobody else can have rows in a table that the same run creates, so nothing is lost or held up there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .assessment import Assessment, Finding
from .change import Cost, Judgement, TableRef
from .changes.columns import AddColumn, AddGeneratedColumn, Default
from .changes.rows import Backfill, InsertRows, UpdateRows
from .changes.tables import CreateTable, DropTable, MoveTable, RenameTable
from .levels import Level


@dataclass
class PlanFacts:
    """What the operations so far have made, in the order of the plan.

    >>> from alembic_zanith.risk.statements import changes_in
    >>> facts = PlanFacts()
    >>> script = ["CREATE TABLE t (a int)", "DROP TABLE t"]
    >>> plan = [Assessment.of("op.execute", changes_in(sql)) for sql in script]
    >>> [facts.refine(each, "1a2b").level.word for each in plan]
    ['safe', 'safe']
    """

    tables: dict[TableRef, str] = field(default_factory=dict)
    """Each table that the plan has created, with the revision that did."""
    columns: dict[TableRef, dict[str, str]] = field(default_factory=dict)
    """Each column without values that the plan has added, with the revision that did."""

    def copied(self) -> PlanFacts:
        """Return another one that knows the same."""
        columns = {table: dict(names) for table, names in self.columns.items()}
        return PlanFacts(dict(self.tables), columns)

    def refine(self, assessment: Assessment, revision: str) -> Assessment:
        """Return the assessment as the plan makes it, and note what it makes itself."""
        findings = []
        for each in assessment.findings:
            findings.append(self._refined(each))
            self._note(each, revision)
        return replace(assessment, findings=tuple(findings))

    def _refined(self, finding: Finding) -> Finding:
        change, on = finding.change, finding.change.on
        if on in self.tables and not isinstance(change, CreateTable):
            fact = f"{on} is created by the same plan, in revision {self.tables[on]}"
            found = finding.judgement
            safe = Judgement(Level.SAFE, found.reasons, found.lock, Cost.NOTHING)
            return replace(finding.refined(fact, safe), is_on_new=True)
        if isinstance(change, UpdateRows) and on is not None:
            new = self.columns.get(on, {})
            if change.columns and set(change.columns) <= set(new):
                names = ", ".join(change.columns)
                revision = new[change.columns[0]]
                backfill = Backfill(change.table)
                fact = f"{names} had no values before: added by the same plan, in {revision}"
                return finding.refined(fact, backfill.judge(), backfill)
        return finding

    def _note(self, finding: Finding, revision: str) -> None:
        change = finding.change
        if isinstance(change, CreateTable):
            # With IF NOT EXISTS it may have been there all along.
            if not change.if_not_exists:
                self.tables[change.table] = revision
        elif isinstance(change, DropTable):
            self.tables.pop(change.table, None)
            self.columns.pop(change.table, None)
        elif isinstance(change, AddColumn | AddGeneratedColumn):
            if isinstance(change, AddColumn) and change.default is Default.NONE:
                self.columns.setdefault(change.table, {})[change.column] = revision
        elif isinstance(change, RenameTable):
            self._move(change.table, TableRef(change.new_name, change.table.schema))
        elif isinstance(change, MoveTable):
            self._move(change.table, TableRef(change.table.name, change.new_schema))
        elif isinstance(change, InsertRows):
            # Its rows may have values in the new columns, which an UPDATE then overwrites.
            self.columns.pop(change.table, None)

    def _move(self, old: TableRef, new: TableRef) -> None:
        if old in self.tables:
            self.tables[new] = self.tables.pop(old)
        if old in self.columns:
            self.columns[new] = self.columns.pop(old)
