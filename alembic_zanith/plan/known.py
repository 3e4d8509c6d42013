"""What the database has said of a plan's tables, for as long as it is true."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from types import MappingProxyType

from alembic_zanith.risk.assessment import Assessment, Finding
from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes.objects import CreateObject, RenameObject, ReplaceObject
from alembic_zanith.risk.changes.raw import SetSearchPath
from alembic_zanith.risk.changes.tables import AttachPartition, MoveTable, RenameTable
from alembic_zanith.risk.live_facts import Ceilings, IndexFacts, TableFacts, refine

# What runs triggers, or functions that nobody has read.
_WRITES = {"insert_rows", "update_rows", "backfill", "delete_rows", "raw_sql"}
# What may give an index that is there the name of one that is not.
_NAMES_INDEXES = {"rename_object", "move_table", "restore_table", "restore_column", "raw_sql"}


class Known:
    """What the database has said, as far as it still holds: each change may make it untrue."""

    def __init__(
        self,
        tables: Mapping[TableRef, TableFacts],
        indexes: Mapping[TableRef, IndexFacts] = MappingProxyType({}),
    ) -> None:
        self._tables = tables
        self._indexes = indexes
        # By name alone: a name without a schema may be that of any.
        self._filled = set[str]()
        self._is_elsewhere = False

    def refined(self, assessment: Assessment, ceilings: Ceilings) -> Assessment:
        """Return an assessment as far as the facts hold, one change after the other."""
        findings = list[Finding]()
        writes = False
        for finding in assessment.findings:
            tables = {} if finding.change.on is None else self._of(finding.change.on, writes)
            alone = replace(assessment, findings=(finding,))
            findings += refine(alone, tables, ceilings, self._indexes).findings
            self._note(finding)
            # What functions and triggers do on the way is not looked at again within a string.
            writes = writes or finding.change.kind in _WRITES
        return replace(assessment, findings=tuple(findings))

    def lose_track(self) -> None:
        """Take down that something happened that nobody knows: it may have filled any table."""
        self._filled.update(table.name for table in self._tables)
        self._indexes = {}

    def _of(self, table: TableRef, is_filled: bool) -> dict[TableRef, TableFacts]:
        facts = self._tables.get(table)
        if facts is None:
            return {}
        may_be_another = self._is_elsewhere and table.schema is None
        if may_be_another or (
            (is_filled or table.name in self._filled) and (facts.is_empty or not facts.exists)
        ):
            facts = replace(facts, exists=True, is_empty=None, rows=None)
        return {table: facts}

    def _note(self, finding: Finding) -> None:
        self._filled.update(table.name for table in _filled_by(finding.change))
        if finding.change.kind in _NAMES_INDEXES:
            self._indexes = {}
        if isinstance(finding.change, SetSearchPath):
            self._is_elsewhere = True
            self._indexes = {}


def _filled_by(change: Change) -> Iterator[TableRef]:
    """Yield the tables that may have rows afterwards, or another name."""
    if isinstance(change, CreateObject | ReplaceObject | RenameObject):
        # A view, say, whose rows are those of others.
        yield TableRef(change.name.rpartition(".")[2].strip('"'))
    on = change.on
    if on is None:
        return
    if change.kind in ("insert_rows", "rename_table", "move_table", "attach_partition"):
        yield on
    if isinstance(change, AttachPartition):
        yield change.table
    if isinstance(change, RenameTable):
        yield TableRef(change.new_name, on.schema)
    elif isinstance(change, MoveTable):
        yield TableRef(on.name, change.new_schema)
