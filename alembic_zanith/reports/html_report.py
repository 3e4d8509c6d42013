"""The history as one page of HTML that needs nothing but itself."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape

from alembic_zanith.audit.runs import KindTimes, Run
from alembic_zanith.recovery.report import ArtifactSummary

from . import words
from .history import overrides_text, took
from .html_style import STYLE

_LEVELS = ("safe", "low", "medium", "high", "destructive", "blocked")
_OUTCOMES = {
    "succeeded": "succeeded",
    "failed": "failed",
    "refused": "refused",
    "rolled_back": "rolled back",
}
_WEEK = dt.timedelta(days=7)
_ROWS = 50
_WIDTH, _ROW, _LEFT = 960, 34, 8


@dataclass(frozen=True)
class HistoryReport:
    """What the page is about: one database of a project."""

    title: str
    made_at: dt.datetime
    runs: Sequence[Run]
    """Newest first."""
    kinds: Sequence[KindTimes]
    artifacts: Sequence[ArtifactSummary]


def history_page(reports: Sequence[HistoryReport]) -> str:
    """Return the page. Names and errors are what others have written: all of it is escaped."""
    bodies = "".join("".join(_Body(each).parts()) for each in reports)
    title = ", ".join(each.title for each in reports)
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="color-scheme" content="light dark">'
        f"<title>Migrations of {escape(title)}</title><style>{STYLE}</style></head>"
        f"<body>{bodies}</body></html>\n"
    )


@dataclass(frozen=True)
class _Body:
    report: HistoryReport

    def parts(self) -> Iterator[str]:
        report = self.report
        yield '<header><p class="kicker">alembic-zanith · history of migrations</p>'
        yield f"<h1>{escape(report.title)}</h1>"
        yield f'<p class="muted">as of {report.made_at:%Y-%m-%d %H:%M} UTC</p></header><main>'
        yield from self._tiles()
        yield from self._timeline()
        yield from self._profile()
        yield from self._slowest()
        yield from self._failed()
        yield from self._overridden()
        yield from self._artifacts()
        yield from self._all_runs()
        yield "</main>"

    # -- numbers -------------------------------------------------------------------------

    def _tiles(self) -> Iterator[str]:
        runs = self.report.runs
        week = self._this_week()
        bad = [run for run in week if run.outcome in ("failed", "refused")]
        size = sum(each.size_bytes or 0 for each in self.report.artifacts)
        last = runs[0].started_at.strftime("%Y-%m-%d %H:%M") if runs else "never"
        tiles = (
            ("runs recorded", words.count(len(runs)), ""),
            ("last run (UTC)", last, ""),
            ("failed or refused this week", words.count(len(bad)), "bad" if bad else "good"),
            ("artifacts that can be restored", words.count(len(self.report.artifacts)), ""),
            ("space that they hold", words.size(size), ""),
        )
        yield '<section class="tiles">'
        for label, value, tone in tiles:
            yield f'<div class="tile {tone}"><b>{escape(value)}</b>'
            yield f"<span>{escape(label)}</span></div>"
        yield "</section>"

    def _this_week(self) -> list[Run]:
        since = self.report.made_at - _WEEK
        return [run for run in self.report.runs if run.started_at >= since]

    # -- pictures ------------------------------------------------------------------------

    def _timeline(self) -> Iterator[str]:
        yield "<section><h2>Timeline</h2>"
        runs = [*reversed(self.report.runs)]
        if not runs:
            yield '<p class="muted">Nothing is recorded yet.</p></section>'
            return
        first, last = runs[0].started_at, runs[-1].started_at
        span = max((last - first).total_seconds(), 1.0)
        longest = max(run.elapsed_seconds or 0 for run in runs) or 1.0
        height = 150
        yield f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="Runs over time">'
        yield f'<line class="axis" x1="{_LEFT}" y1="120" x2="{_WIDTH - _LEFT}" y2="120"/>'
        for run in runs:
            share = (run.started_at - first).total_seconds() / span
            x = _LEFT + share * (_WIDTH - 2 * _LEFT)
            tall = 12 + 90 * ((run.elapsed_seconds or 0) / longest) ** 0.5
            yield (
                f'<g class="{_class(run.outcome)}"><title>{escape(_told(run))}</title>'
                f'<line x1="{x:.1f}" y1="120" x2="{x:.1f}" y2="{120 - tall:.1f}"/>'
                f'<circle cx="{x:.1f}" cy="{120 - tall:.1f}" r="4.5"/></g>'
            )
        yield f'<text x="{_LEFT}" y="142">{first:%Y-%m-%d}</text>'
        yield f'<text x="{_WIDTH - _LEFT}" y="142" text-anchor="end">{last:%Y-%m-%d}</text></svg>'
        yield '<p class="legend">'
        yield " ".join(f'<span class="{_class(k)}">● {v}</span>' for k, v in _OUTCOMES.items())
        yield '<span class="muted">the taller, the longer it took</span></p></section>'

    def _profile(self) -> Iterator[str]:
        counts = Counter(step.level for run in self.report.runs for step in run.steps)
        yield "<section><h2>Risk profile</h2>"
        yield '<p class="muted">Operations by their level of risk.</p>'
        biggest = max(counts.values(), default=1)
        height = _ROW * len(_LEVELS)
        yield f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-label="Operations by level">'
        for number, level in enumerate(_LEVELS):
            y = number * _ROW
            wide = 700 * counts[level] / biggest
            yield f'<text x="110" y="{y + 22}" text-anchor="end">{level}</text>'
            yield (
                f'<rect class="{level}" x="122" y="{y + 6}" width="{max(wide, 2):.1f}" height="22" '
                f'rx="4"><title>{counts[level]:,} {level}</title></rect>'
            )
            yield f'<text x="{132 + max(wide, 2):.1f}" y="{y + 22}">{counts[level]:,}</text>'
        yield "</svg></section>"

    # -- tables --------------------------------------------------------------------------

    def _slowest(self) -> Iterator[str]:
        yield "<section><h2>Slowest kinds of operations</h2>"
        rows = (
            (each.kind, words.count(each.operations), took(each.longest), took(each.average),
             took(each.in_all))
            for each in self.report.kinds
        )  # fmt: skip
        yield from _table(
            ("Kind", "Operations", "Longest", "On average", "In all"), rows, numbers=1
        )
        yield "</section>"

    def _failed(self) -> Iterator[str]:
        bad = [run for run in self._this_week() if run.outcome in ("failed", "refused")]
        yield "<section><h2>Failed or refused this week</h2>"
        rows = (
            (_when(run), run.revision, _outcome(run), run.run_by, run.error.partition("\n")[0])
            for run in bad
        )
        yield from _table(("When", "Revision", "Outcome", "Who", "Why"), rows)
        yield "</section>"

    def _overridden(self) -> Iterator[str]:
        yield "<section><h2>Who overrode a gate</h2>"
        rows = (
            (_when(run), run.revision, run.run_by, run.mode, overrides_text(run))
            for run in self.report.runs
            if run.overrides
        )
        yield from _table(("When", "Revision", "Who", "Mode", "Overrides"), rows)
        yield "</section>"

    def _artifacts(self) -> Iterator[str]:
        yield "<section><h2>What can be restored</h2>"
        rows = (
            (
                each.artifact.source,
                each.artifact.kind.value,
                words.count(each.artifact.row_count or each.row_estimate),
                words.size(each.size_bytes),
                f"{each.artifact.created_at:%Y-%m-%d}",
                words.expiry(each.artifact.expires_at, self.report.made_at),
                each.artifact.id,
            )
            for each in self.report.artifacts
        )
        headers = ("Source", "Kind", "Rows", "Size", "Parked", "Expires", "Artifact")
        yield from _table(headers, rows)
        yield "</section>"

    def _all_runs(self) -> Iterator[str]:
        yield "<section><h2>Runs</h2>"
        rows = (
            (
                _when(run),
                run.revision,
                run.description,
                run.direction,
                _outcome(run),
                run.run_by,
                took(run.elapsed_seconds),
                words.count(len(run.steps)),
            )
            for run in self.report.runs[:_ROWS]
        )
        headers = ("When", "Revision", "What", "", "Outcome", "Who", "Took", "Operations")
        yield from _table(headers, rows)
        left = len(self.report.runs) - _ROWS
        if left > 0:
            yield f'<p class="muted">and {left:,} before these: alembic zanith-history --limit</p>'
        yield "</section>"


@dataclass(frozen=True)
class _Badge:
    """A cell with a colour of its own."""

    text: str
    kind: str


def _outcome(run: Run) -> _Badge:
    return _Badge(_OUTCOMES.get(run.outcome, run.outcome), _class(run.outcome))


def _class(outcome: str) -> str:
    return outcome.replace("_", "-") if outcome in _OUTCOMES else "other"


def _when(run: Run) -> str:
    return f"{run.started_at:%Y-%m-%d %H:%M}"


def _told(run: Run) -> str:
    what = f"{run.revision} {run.description}".strip()
    return f"{_when(run)} {run.direction} {what}: {run.outcome}, {took(run.elapsed_seconds)}"


def _table(
    headers: Sequence[str], rows: Iterable[Sequence[str | _Badge]], numbers: int | None = None
) -> Iterator[str]:
    """Yield a table, or that there is nothing in it; from column `numbers` on it has numbers."""
    found = [*rows]
    if not found:
        yield '<p class="none">Nothing.</p>'
        return
    yield '<div class="scroll"><table><thead><tr>'
    for place, header in enumerate(headers):
        is_number = numbers is not None and place >= numbers
        yield f'<th scope="col"{_right(is_number)}>{escape(header)}</th>'
    yield "</tr></thead><tbody>"
    for row in found:
        yield "<tr>"
        for place, cell in enumerate(row):
            is_number = numbers is not None and place >= numbers
            if isinstance(cell, _Badge):
                yield f'<td><span class="badge {cell.kind}">{escape(cell.text)}</span></td>'
            else:
                yield f"<td{_right(is_number)}>{escape(words.printable(cell))}</td>"
        yield "</tr>"
    yield "</tbody></table></div>"


def _right(is_number: bool) -> str:
    return ' class="number"' if is_number else ""
