"""Functions, triggers and rules that the plan defines: they count where they run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from alembic_zanith.risk.assessment import Finding
from alembic_zanith.risk.change import Change, TableRef
from alembic_zanith.risk.changes import rows
from alembic_zanith.risk.changes.defined import Routine, Trigger
from alembic_zanith.risk.changes.objects import DropObject, ObjectChange
from alembic_zanith.risk.changes.raw import Harmless, RawSql

from .names import Names

_EVENTS: dict[type[Change], str] = {
    rows.InsertRows: "insert",
    rows.UpdateRows: "update",
    rows.Backfill: "update",
    rows.DeleteRows: "delete",
    rows.TruncateTable: "truncate",
}


@dataclass
class Code:
    """What the plan has defined to run, each with the revision that defines it."""

    names: Names
    routines: dict[TableRef, dict[str, tuple[Routine, str]]] = field(default_factory=dict)
    """By name and then by arguments: a call does not say which of several is meant."""
    triggers: dict[tuple[TableRef, str], tuple[Trigger, str]] = field(default_factory=dict)

    def note(self, change: Change, revision: str) -> None:
        """Take down what a change defines, or takes away."""
        if isinstance(change, ObjectChange):
            if isinstance(change.defines, Routine):
                key = self.names.key(change.defines.name)
                known = self.routines.setdefault(key, {})
                known[change.defines.arguments] = (change.defines, revision)
            elif isinstance(change.defines, Trigger):
                trigger = change.defines
                key = self.names.key(trigger.table)
                self.triggers[key, trigger.name] = (trigger, revision)
        if isinstance(change, DropObject) and change.table is not None:
            name = change.name.removesuffix(f" of {change.table}")
            self.triggers.pop((self.names.key(change.table), name), None)

    def expanded(self, finding: Finding) -> Iterator[Finding]:
        """Yield a finding with all that runs because of it; a call, as what it runs."""
        if not self.routines and not self.triggers:
            yield finding
            return
        yield from self._expanded(finding, frozenset())

    def _expanded(self, finding: Finding, running: frozenset[object]) -> Iterator[Finding]:
        change = finding.change
        if isinstance(change, RawSql) and change.calls is not None:
            known = self.routines.get(self.names.key(change.calls))
            if known is not None:
                yield from self._called(finding, change.calls, running)
                return
        triggers = list(self._fired(change, running))
        facts = tuple(_by_trigger(trigger, revision) for trigger, revision in triggers)
        yield replace(finding, facts=(*finding.facts, *facts))
        for (trigger, _), fact in zip(triggers, facts, strict=True):
            inner = running | {trigger}
            yield from self._run(trigger.does, fact, inner)
            if trigger.calls is not None:
                for routine, _ in self._routines(trigger.calls):
                    yield from self._run(routine.does, fact, inner)

    def _called(
        self, finding: Finding, name: TableRef, running: frozenset[object]
    ) -> Iterator[Finding]:
        found: list[Finding] = []
        by = f"the function {name}"
        for routine, revision in self._routines(name):
            by = f"the function {name} does it, which the same plan defines in revision {revision}"
            if routine not in running:
                found += self._run(routine.does, by, running | {routine})
        yield from found or [Finding.of(Harmless(f"{name}()")).noted(by)]

    def _run(
        self, does: tuple[Change, ...], fact: str, running: frozenset[object]
    ) -> Iterator[Finding]:
        for change in does:
            # Of those that are derived from it some say where names are looked up.
            if type(change) is not Harmless:
                yield from self._expanded(Finding.of(change).noted(fact), running)

    def _routines(self, name: TableRef) -> list[tuple[Routine, str]]:
        return list(self.routines.get(self.names.key(name), {}).values())

    def _fired(self, change: Change, running: frozenset[object]) -> Iterator[tuple[Trigger, str]]:
        event = _EVENTS.get(type(change))
        if event is None or change.on is None:
            return
        on = self.names.key(change.on)
        for (table, _), (trigger, revision) in self.triggers.items():
            if table == on and event in trigger.events and trigger not in running:
                yield trigger, revision


def _by_trigger(trigger: Trigger, revision: str) -> str:
    does = f", and runs {trigger.calls}" if trigger.calls is not None else ""
    return f"{trigger.name} of {trigger.table} fires{does}: the plan makes it in {revision}"
