"""A rehearsal for people."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from alembic_zanith.verification import Observation, Verdict, Verification

from .words import count, printable

_NO_LOCK = "none"


def verification_lines(found: Verification, *, verbose: bool = False) -> Iterator[str]:
    """Yield the lines of a report; the last one is the next step.

    `verbose` shows all operations, else those that are worth a look.
    """
    where = f" on {found.where}" if found.where else ""
    name = f"{found.database}: " if found.database else ""
    what = count(len(found.pending), "revision") if found.pending else "nothing that is pending"
    yield printable(f"{name}Rehearsal of {what}{where}")
    for number, stage in enumerate(found.stages, 1):
        note = f" ({stage.note})" if stage.note else ""
        yield f"  {number}. {stage.name:<24} {stage.seconds:7.2f} s{note}"
    yield from _sample(found)
    yield from _observed(found, verbose)
    if found.drift:
        yield ""
        yield "What the models have and the migrations do not lead to:"
        yield from (f"  {printable(line)}" for each in found.drift for line in each.splitlines())
    if found.findings:
        yield ""
        yield "Found:"
        for finding in found.findings:
            about = f"{finding.revision}: " if finding.revision else ""
            yield f"  - {printable(about + finding.text)} [{finding.kind}]"
    if found.failure:
        yield ""
        yield printable(found.failure)
    yield ""
    yield f"Verdict: {found.verdict.word}"
    if found.receipt is not None:
        yield printable(f"Receipt: {found.receipt}")
    if found.kept:
        yield printable(f"Shadow: {found.kept}")
    if found.verdict is not Verdict.OK or found.receipt is not None:
        yield f"Next: {found.next_step}"


def _sample(found: Verification) -> Iterator[str]:
    if not found.sample:
        return
    rows = sum(each.rows for each in found.sample)
    yield ""
    yield f"Sample: {count(rows, 'row')} of {count(len(found.sample), 'table')}"
    for each in found.sample:
        note = f" ({each.note})" if each.note else ""
        yield printable(f"  {each.table}: {each.rows:,}{note}")


def _observed(found: Verification, verbose: bool) -> Iterator[str]:
    """Yield what was predicted and what was seen, side by side."""
    shown = [each for each in found.observations if verbose or _is_worth_a_look(each)]
    if not found.observations:
        return
    yield ""
    yield "Operations, as predicted and as observed:"
    rows: list[tuple[str, ...]] = [
        ("Revision", "Operation", "Risk", "Predicted", "Observed", "Rows", "Time")
    ]
    rows += [_row(each) for each in shown]
    yield from (f"  {line}" for line in _table(rows))
    left = len(found.observations) - len(shown)
    if left:
        yield f"  and {left} more that take no lock on what was there before (--verbose)"


def _is_worth_a_look(each: Observation) -> bool:
    return bool(each.locks or each.rewritten or each.rows) or not each.is_observed


def _row(each: Observation) -> tuple[str, ...]:
    predicted = each.predicted_lock or _NO_LOCK
    if each.predicted_rewrite:
        predicted += ", rewrite"
    return (
        each.revision,
        printable(f"{each.kind} {each.object_name}".strip()),
        f"{each.level} ({each.score})",
        predicted,
        printable(_seen(each)),
        "" if each.rows is None else f"{each.rows:,}",
        f"{each.seconds * 1000:,.0f} ms",
    )


def _seen(each: Observation) -> str:
    if not each.is_observed:
        return "not observed: outside of a transaction"
    seen = [f"{lock.mode} on {lock.relation}" for lock in each.locks]
    seen += [f"rewrite of {table}" for table in each.rewritten]
    return ", ".join(seen) or _NO_LOCK


def _table(rows: Sequence[tuple[str, ...]]) -> Iterator[str]:
    widths = [max(len(row[n]) for row in rows) for n in range(len(rows[0]))]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(cells).rstrip()
