"""What a restore, an export or a purge did, in a few lines."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from . import words
from .words import printable

if TYPE_CHECKING:
    from alembic_zanith.artifacts import Artifact
    from alembic_zanith.recovery.report import ExportReport, PurgeReport, RestoreReport


def restore_lines(report: RestoreReport) -> Iterator[str]:
    """Yield a line on the outcome, then one for everything that is not as it was."""
    artifact = report.artifact
    name, source = printable(report.restored_as), printable(artifact.source)
    if report.already_restored:
        yield f"{source} is restored already, as {name}; nothing was done."
        return
    renaming = "" if name == source else f" as {name}"
    yield f"Restored {source}{renaming} from {_origin(artifact)}."
    yield from deviations(report)


def deviations(report: RestoreReport) -> Iterator[str]:
    """Yield what differs from the state before the drop."""
    for key in report.not_valid:
        sample = f", for example {', '.join(key.sample)}" if key.sample else ""
        yield printable(
            f"Foreign key {key.name} came back NOT VALID: "
            f"{words.count(key.count, 'row')} without a parent{sample}."
        )
    for constraint in report.left_out:
        yield printable(f"Left out (--relax): {constraint}.")
    for old, new in report.renamed:
        yield printable(f"{old} is now named {new}: its name was taken.")
    for warning in report.warnings:
        yield printable(warning)


def plan_lines(report: RestoreReport) -> Iterator[str]:
    """Yield the SQL of a dry run, with what a person should know as SQL comments."""
    source, name = printable(report.artifact.source), printable(report.restored_as)
    if report.already_restored:
        yield f"-- {source} is restored already, as {name}; nothing would be done."
        return
    yield f"-- Would restore {source} as {name} from {_origin(report.artifact)}."
    yield from (f"-- {line}" for line in deviations(report))
    yield from (statement.rstrip().removesuffix(";") + ";" for statement in report.statements)


def purge_lines(report: PurgeReport) -> Iterator[str]:
    """Yield a line on a purge, then one for everything to know about it."""
    yield _purge_line(report)
    yield from map(printable, report.warnings)


def _purge_line(report: PurgeReport) -> str:
    artifact = report.artifact
    about = f"{printable(artifact.source)} ({', '.join(_facts(report))})"
    if report.error is not None:
        return f"Not purged: {about}: {printable(report.error)}"
    if report.dry_run:
        return f"Would purge {about}"
    return f"Purged {about}"


def export_line(report: ExportReport, file: str) -> str:
    """Return the one line of an export to a file."""
    return (
        f"Exported {words.count(report.rows, 'row')} of {printable(report.artifact.source)} "
        f"({words.size(report.bytes)}) to {printable(file)}."
    )


def purge_question(artifact: Artifact, database: str | None) -> str:
    """Return the question to ask before a purge."""
    where = "" if database is None else f" in database {printable(database)}"
    rows = "" if artifact.row_count is None else f", {words.count(artifact.row_count, 'row')}"
    return (
        f"Purge {printable(artifact.source)}{where} ({_origin(artifact)}{rows}, parked "
        f"{words.moment(artifact.created_at)})? Its data is dropped for good."
    )


def _facts(report: PurgeReport) -> Iterator[str]:
    yield _origin(report.artifact)
    if report.rows is not None:
        yield words.count(report.rows, "row")
    if report.size_bytes is not None:
        yield words.size(report.size_bytes)
    if not (report.dropped or report.dry_run or report.error):
        yield "no data was left"


def _origin(artifact: Artifact) -> str:
    return f"{artifact.kind.value} {artifact.id}"
