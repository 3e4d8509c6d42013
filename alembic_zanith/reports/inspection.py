"""What `zanith-recover inspect` says about one artifact."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table

from . import words
from .as_json import dumps
from .terminal import Terminal, cell

if TYPE_CHECKING:
    from alembic_zanith.recovery.report import Inspection


def show_inspection(inspection: Inspection, terminal: Terminal, now: dt.datetime) -> None:
    """Print the facts, the captured definition and the recovery plan.

    Definition and SQL are printed as they are, without a frame, so that they can be copied.
    """
    terminal.show(_facts(inspection, terminal, now))
    terminal.line("\nDefinition", "bold")
    terminal.line(dumps(inspection.artifact.definition))
    terminal.line("\nRecovery plan", "bold")
    terminal.line(inspection.plan_sql.rstrip() or "None: it is kept for inspection and export.")


def _facts(inspection: Inspection, terminal: Terminal, now: dt.datetime) -> RenderableType:
    artifact = inspection.artifact
    grid = Table.grid(padding=(0, 2))
    grid.add_column(no_wrap=True)
    grid.add_column(overflow="fold")
    expires = words.moment(artifact.expires_at)
    if artifact.expires_at is None:
        expires = "never: only purge removes it"
    else:
        expires += f" ({words.expiry(artifact.expires_at, now)})"
    facts = {
        "Id": artifact.id,
        "Source": artifact.source,
        "Kind": artifact.kind.value,
        "Status": artifact.status.value,
        "Parked as": artifact.parked,
        "Revision": artifact.revision or words.UNKNOWN,
        "Rows": words.count(artifact.row_count),
        "Size": words.size(inspection.size_bytes),
        "Parked at": f"{words.moment(artifact.created_at)}"
        f" ({words.duration(now - artifact.created_at)} ago)",
        "Expires": expires,
    }
    if artifact.restored_at is not None:
        facts["Restored at"] = words.moment(artifact.restored_at)
        facts["Restored as"] = artifact.restored_as or words.UNKNOWN
    if inspection.rows_back is not None:
        back = words.count(inspection.rows_back, "row")
        facts["Online restore"] = f"unfinished: {back} back; restore-column --online goes on"
    if artifact.is_being_archived:
        facts["Online archive"] = "unfinished: the upgrade goes on, restore-column gives it up"
    facts["Checksum"] = f"{artifact.checksum_algorithm} {inspection.expected_checksum}"
    for name, value in facts.items():
        grid.add_row(cell(name, "dim"), cell(value))
    verdict, style = _verdict(inspection)
    grid.add_row(cell("Integrity", "dim"), cell(verdict, style))
    if terminal.is_terminal:
        return Panel(Group(Padding(grid, (0, 1))), expand=False)
    return grid


def _verdict(inspection: Inspection) -> tuple[str, str]:
    if inspection.matches:
        return "matches: it is what was parked", "green"
    if inspection.actual_checksum is not None:
        return f"DOES NOT MATCH: it is {inspection.actual_checksum} now", "red"
    if inspection.artifact.restored_at is not None:
        return "nothing to check: it was restored", ""
    return "cannot be checked: the data is gone", "red"
