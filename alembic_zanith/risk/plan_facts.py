"""What the plan itself tells about an operation: what an earlier one of it has made or defined.

Nobody else can have rows in a table that the same run creates, so nothing is lost or held up there.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .assessment import Assessment
from .change import TableRef
from .facts.code import Code
from .facts.made import Made
from .facts.names import Names
from .facts.noting import note
from .facts.refining import refined


@dataclass
class PlanFacts:
    """What the operations so far have made, in the order of the plan.

    `default_schema` is where names without a schema are looked up: what `SELECT current_schema()`
    says, or `public` as long as nobody has asked.

    >>> from alembic_zanith.risk.statements import changes_in
    >>> facts = PlanFacts()
    >>> script = ["CREATE TABLE t (a int)", "DROP TABLE t"]
    >>> plan = [Assessment.of("op.execute", changes_in(sql)) for sql in script]
    >>> [facts.refine(each, "1a2b").level.word for each in plan]
    ['safe', 'safe']
    """

    default_schema: str | None = "public"
    _made: Made = field(init=False, repr=False)
    _code: Code = field(init=False, repr=False)
    _revision: str = field(init=False, repr=False, default="")

    def __post_init__(self) -> None:
        names = Names(self.default_schema)
        self._made = Made(names)
        self._code = Code(names)

    def lose_track(self) -> None:
        """Take down that something happened that nobody knows: a script was not read to its end."""
        for known in self._made.columns.values():
            for column in known.values():
                column.is_filled = True

    def end_transaction(self, *, rolled_back: bool = False) -> None:
        """Take down that the transaction has ended; `rolled_back`, or a part of it was undone."""
        if rolled_back:
            self._made.take_back()
        else:
            self._made.end_transaction()

    def has_made(self, table: TableRef, revision: str = "") -> bool:
        """Whether the plan has created a table, as its name is understood in a revision."""
        return self._made.table(table, revision) is not None

    def refine(self, assessment: Assessment, revision: str) -> Assessment:
        """Return the assessment as the plan makes it, and note what it makes itself."""
        if revision != self._revision and self._made.outer_schema:
            # Whether the transaction goes on, the plan does not know.
            self._made.set_path(None)
        self._revision = revision
        findings = []
        for each in assessment.findings:
            for finding in self._code.expanded(each):
                findings.append(refined(self._made, finding, revision))
                note(self._made, finding.change, revision)
                self._code.note(finding.change, revision)
        return replace(assessment, findings=tuple(findings))
