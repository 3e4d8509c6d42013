"""What has run, for people and programs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

from alembic_zanith.audit.runs import Run, RunStep
from alembic_zanith.snapshots.differences import Change, Difference, column_text

from .words import UNKNOWN, printable

_SIGNS = {"succeeded": "✓", "failed": "✗", "refused": "⊘", "rolled_back": "↩", "not_run": "·"}
_PLAIN_SIGNS = {"succeeded": "+", "failed": "x", "refused": "!", "rolled_back": "<", "not_run": "."}
_HEADERS = ("Started (UTC)", "Revision", "", "Outcome", "Who", "Mode", "Took", "Description")
_LONGEST = 60


def history_lines(
    runs: Sequence[tuple[str, Run]],
    *,
    several: bool = False,
    verbose: bool = False,
    unicode: bool = True,
) -> Iterator[str]:
    """Yield a line for each run, of a database by its label; `verbose` adds its operations."""
    signs = _SIGNS if unicode else _PLAIN_SIGNS
    headers = ("Database", *_HEADERS) if several else _HEADERS
    rows: list[tuple[tuple[str, ...], Run | None]] = [(headers, None)]
    rows += [(_row(label if several else None, run, signs), run) for label, run in runs]
    widths = [max(len(cells[n]) for cells, _ in rows) for n in range(len(rows[0][0]))]
    for cells, run in rows:
        padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
        yield "  ".join(padded).rstrip()
        if run is not None:
            yield from _details(run, signs, verbose)


def _row(label: str | None, run: Run, signs: dict[str, str]) -> tuple[str, ...]:
    cells: tuple[str, ...] = (
        f"{run.started_at:%Y-%m-%d %H:%M:%S}",
        run.revision,
        run.direction,
        f"{signs.get(run.outcome, '?')} {run.outcome}",
        run.run_by or UNKNOWN,
        run.mode or UNKNOWN,
        took(run.elapsed_seconds),
        _short(run.description),
    )
    cells = cells if label is None else (label, *cells)
    return tuple(printable(cell) for cell in cells)


def _details(run: Run, signs: dict[str, str], verbose: bool) -> Iterator[str]:
    if run.overrides:
        yield printable(f"    overrides: {overrides_text(run)}")
    if run.error:
        yield printable(f"    {_first_line(run.error)}")
    if not verbose:
        return
    about = [f"by {run.database_role}@{run.host}" if run.host else ""]
    about += [f"application {run.application_version}" if run.application_version else ""]
    about += [f"PostgreSQL {run.server_version}" if run.server_version else ""]
    if any(about):
        yield printable(f"    {', '.join(each for each in about if each)}")
    for step in run.steps:
        yield printable(f"    {_step(step, signs)}")
        if step.error and step.error != run.error:
            yield printable(f"      {_first_line(step.error)}")


def _step(step: RunStep, signs: dict[str, str]) -> str:
    rows = "" if step.rows is None else f", {step.rows:,} rows"
    level = f"{step.level} ({step.score})" if step.score is not None else step.level
    time = "" if step.elapsed_seconds is None else f", {took(step.elapsed_seconds)}"
    what = f"{step.kind} {step.object_name}".strip()
    return f"{signs.get(step.status, '?')} {what}: {level}{rows}{time}"


def overrides_text(run: Run) -> str:
    """Name what let more pass than the mode does.

    >>> import datetime as dt
    >>> day = dt.datetime(2026, 1, 2)
    >>> overrides_text(Run(1, "a", "upgrade", "succeeded", day, overrides={"max_risk": 90}))
    'max_risk=90'
    """
    parts = list[str]()
    for name, value in run.overrides.items():
        if name == "suppressions":
            parts += [f"{each['code']} allowed in line {each['line']}" for each in value]
        elif value is True:
            parts.append(name)
        else:
            parts.append(f"{name}={'off' if value is False else value}")
    return ", ".join(parts)


def took(seconds: float | None) -> str:
    """Return a time as short text.

    >>> took(0.0123), took(75.2), took(None)
    ('12 ms', '1 min 15 s', '-')
    """
    if seconds is None:
        return UNKNOWN
    if seconds < 1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _first_line(text: str) -> str:
    return text.strip().partition("\n")[0]


def history_json(runs: Sequence[tuple[str, Run]]) -> str:
    """Return the runs as JSON."""
    found = [{"database": label, **_as_dict(run)} for label, run in runs]
    return json.dumps({"version": 1, "runs": found}, indent=2, ensure_ascii=False) + "\n"


def _as_dict(run: Run) -> dict[str, Any]:
    return {**asdict(run), "started_at": run.started_at.isoformat()}


# -- snapshots ---------------------------------------------------------------------------

_MARKS = {Change.ADDED: "+", Change.REMOVED: "-", Change.CHANGED: "~"}


def differences_lines(found: Sequence[Difference]) -> Iterator[str]:
    """Yield a line for each difference: what came, went, or is another one now."""
    if not found:
        yield "No difference."
    for each in found:
        line = f"{_MARKS[each.change]} {each.kind} {each.name}"
        if each.change is Change.CHANGED:
            line += f": {each.before or 'nothing'} -> {each.after or 'nothing'}"
        elif each.after or each.before:
            line += f": {each.after or each.before}"
        yield printable(" ".join(line.split()))


def differences_json(found: Sequence[Difference]) -> str:
    """Return the differences as JSON."""
    document = {"version": 1, "differences": [asdict(each) for each in found]}
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def schema_lines(content: dict[str, Any]) -> Iterator[str]:
    """Yield a schema as text: each thing below what it belongs to."""
    for name, schema in sorted(content["schemas"].items()):
        yield printable(f"schema {name}")
        for group in ("tables", "views"):
            for table, relation in sorted(schema[group].items()):
                yield printable(f"  {relation['kind']} {table}")
                yield from _relation(relation)
        for sequence, definition in sorted(schema["sequences"].items()):
            yield printable(f"  sequence {sequence} {definition}")
        for type_, found in sorted(schema["types"].items()):
            yield printable(f"  type {type_} {found['definition']}")
        for signature, found in sorted(schema["functions"].items()):
            yield printable(f"  {found['kind']} {signature}")
    for extension, version in sorted(content.get("extensions", {}).items()):
        yield printable(f"extension {extension} {version}")


def _relation(relation: dict[str, Any]) -> Iterator[str]:
    for column in relation["columns"]:
        yield printable(f"    {column['name']} {column_text(column)}")
    if "definition" in relation:
        yield from (printable(f"    {line}") for line in relation["definition"].splitlines())
    for group in ("constraints", "indexes", "triggers", "policies", "rules", "statistics"):
        for name, definition in sorted(relation.get(group, {}).items()):
            yield printable(f"    {name}: {' '.join(definition.split())}")
