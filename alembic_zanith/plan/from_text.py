"""A plan from the text of scripts alone, for projects with `plan = static`."""

from __future__ import annotations

from collections.abc import Iterable

from alembic.script import Script

from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.plan_facts import PlanFacts

from .model import Plan, PlannedOperation, PlannedRevision
from .record import Recording
from .scripts import operation_name, source_of
from .source import reaches_around
from .static import operations_in
from .suppressions import read_suppressions


def read(scripts: Iterable[Script], recording: Recording) -> Plan:
    """Return what scripts would do, as far as their text says; nothing of them is called.

    Example::

        read(directory.walk_revisions(), Recording(postgresql.dialect()))
    """
    facts = PlanFacts(recording.default_schema)
    revisions = tuple(read_script(script, recording, facts) for script in scripts)
    return Plan(revisions, recording.is_downgrade)


def read_script(script: Script, recording: Recording, facts: PlanFacts) -> PlannedRevision:
    """Return the same of one script, after what `facts` tells of those before it."""
    source = source_of(script)
    suppressions = read_suppressions(source)
    found = operations_in(source, recording.function, script.path, recording.dialect)
    operations = []
    for each in found.operations:
        operation = recording.translated(each.operation, facts)
        changes = recording.changes_of(operation)
        name = "connection.execute" if each.is_statement else operation_name(operation)
        assessment = facts.refine(Assessment.of(name, changes), script.revision)
        allowed_by = suppressions.allowing(each.line, assessment)
        operations.append(
            PlannedOperation(
                assessment,
                each.sql,
                each.line,
                allowed_by=allowed_by,
                changes=changes,
                is_behind=found.ended is not None,
            )
        )
    used = {each for operation in operations for each in operation.allowed_by}
    return PlannedRevision(
        script.revision,
        script.path,
        script.doc,
        tuple(operations),
        found.ended,
        found.possible,
        suppressions.complaints(used if found.ended is None else suppressions.all),
        reaches_around(source, recording.function),
    )
