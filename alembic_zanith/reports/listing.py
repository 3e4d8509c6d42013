"""The table of `zanith-recover list`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from . import words
from .terminal import Terminal, cell

if TYPE_CHECKING:
    from alembic_zanith.recovery.report import ArtifactSummary


def listing(
    summaries: Sequence[tuple[str, ArtifactSummary]],
    terminal: Terminal,
    now: dt.datetime,
    *,
    show_status: bool = False,
    show_database: bool = False,
) -> Table:
    """Return a table of (database, artifact), in the order given."""
    table = terminal.table("Source", "Kind", "Rows", "Size", "Age", "Expires", "Id")
    for position in (2, 3, 4, 5):
        table.columns[position].justify = "right"
    # The id is what gets copied into the next command: it is never cut.
    table.columns[6].no_wrap, table.columns[6].min_width = True, 8
    if show_status:
        table.add_column("Status", overflow="fold")
    if show_database:
        table.add_column("Database", overflow="fold")
    for database, summary in summaries:
        artifact = summary.artifact
        row = [
            cell(_source(summary), "bold"),
            cell(artifact.kind.value),
            cell(_rows(summary)),
            _size(summary),
            cell(words.duration(now - artifact.created_at)),
            cell(words.expiry(artifact.expires_at, now)),
            cell(artifact.id, "cyan"),
        ]
        if show_status:
            row.append(cell(_status(summary, now)))
        if show_database:
            row.append(cell(database))
        table.add_row(*row)
    return table


def _source(summary: ArtifactSummary) -> str:
    """Return what it was, and what is going on with it online and has not come to its end."""
    unfinished = "" if summary.rows_back is None else " (coming back)"
    if summary.artifact.is_being_archived:
        unfinished = " (being archived)"
    return f"{summary.artifact.source}{unfinished}"


def _rows(summary: ArtifactSummary) -> str:
    if summary.artifact.row_count is None and summary.row_estimate is not None:
        return f"~{words.count(summary.row_estimate)}"
    return words.count(summary.artifact.row_count)


def _size(summary: ArtifactSummary) -> Text:
    if summary.present or summary.artifact.restored_at is not None:
        return cell(words.size(summary.size_bytes))
    return cell("data gone", "red")


def _status(summary: ArtifactSummary, now: dt.datetime) -> str:
    artifact = summary.artifact
    if artifact.restored_at is None:
        return artifact.status.value
    name = f" as {artifact.restored_as}" if artifact.restored_as else ""
    return f"{artifact.status.value} {words.duration(now - artifact.restored_at)} ago{name}"
