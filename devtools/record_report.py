"""Makes docs/report.html's picture: a page of a year of migrations, shot in a browser.

    python -m devtools.record_report [CHROMIUM]

The runs are made up, the page is the real one.
"""

from __future__ import annotations

import datetime as dt
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from alembic_zanith.artifacts import Artifact
from alembic_zanith.audit.runs import KindTimes, Run, RunStep
from alembic_zanith.models import ArtifactKind, ArtifactStatus
from alembic_zanith.recovery.report import ArtifactSummary
from alembic_zanith.reports.html_report import HistoryReport, history_page

PICTURE = Path(__file__).resolve().parent.parent / "docs" / "report.png"
_NOW = dt.datetime(2026, 11, 20, 9, 30, tzinfo=dt.UTC)
_KINDS = {
    "add_column": ("safe", 5),
    "create_table": ("safe", 5),
    "add_index": ("low", 15),
    "soft_drop_column": ("medium", 35),
    "archive_column": ("medium", 35),
    "alter_column_type": ("high", 60),
    "drop_table": ("destructive", 80),
}
_WORDS = ("orders", "customers", "invoices", "shipments", "prices", "stock", "returns")
_PEOPLE = ("deploy-bot", "deploy-bot", "deploy-bot", "ada", "grace")


def main(chromium: str = "chromium") -> None:
    """Write the page and shoot it."""
    random.seed(7)
    runs = [*_runs()]
    report = HistoryReport("shop", _NOW, runs, [*_kinds()], [*_artifacts()])
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "report.html"
        page.write_text(history_page([report]), encoding="utf-8")
        command = [
            chromium,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            "--no-first-run",
            "--disable-background-networking",
            "--hide-scrollbars",
            f"--user-data-dir={folder}/profile",
            f"--screenshot={PICTURE}",
            "--window-size=1120,1500",
            page.as_uri(),
        ]
        subprocess.run(command, check=True, capture_output=True)


def _runs() -> Iterator[Run]:
    when = _NOW - dt.timedelta(hours=20)
    for number in range(64, 0, -1):
        outcome = random.choices(("succeeded", "failed", "refused", "rolled_back"), (52, 4, 4, 1))[
            0
        ]
        if number == 63:
            outcome = "refused"
        if number == 61:
            outcome = "failed"
        steps = tuple(_steps())
        table = random.choice(_WORDS)
        overrides = {"allow_destructive": True} if number in (58, 41, 20) else {}
        yield Run(
            number,
            f"{random.getrandbits(48):012x}",
            "upgrade",
            outcome,
            when,
            description=f"{steps[0].kind.replace('_', ' ').capitalize()} on {table}",
            mode="staging" if overrides else "production",
            run_by=random.choice(_PEOPLE),
            overrides=dict(overrides),
            error=_ERRORS.get(outcome, ""),
            elapsed_seconds=random.lognormvariate(-1, 1.6),
            steps=steps,
        )
        when -= dt.timedelta(hours=random.expovariate(1 / 110))


_ERRORS = {
    "failed": "canceling statement due to lock timeout",
    "refused": "it scores 80 (destructive), and at most 60 is allowed (max_risk, mode production)",
}


def _steps() -> Iterator[RunStep]:
    weights = (30, 18, 20, 8, 4, 3, 1)
    for position, kind in enumerate(random.choices([*_KINDS], weights, k=random.randint(1, 5)), 1):
        level, score = _KINDS[kind]
        name = f"{random.choice(_WORDS)}"
        yield RunStep(position, kind, kind, name, "", level, score, (), "succeeded", None, 0.01, "")


def _kinds() -> Iterator[KindTimes]:
    yield KindTimes("archive_column", 9, 41.7, 12.2, 110.1)
    yield KindTimes("alter_column_type", 6, 18.4, 7.9, 47.3)
    yield KindTimes("add_index", 44, 9.2, 0.9, 39.8)
    yield KindTimes("backfill", 3, 12.0, 6.1, 18.4)
    yield KindTimes("add_column", 61, 0.4, 0.02, 1.3)


def _artifacts() -> Iterator[ArtifactSummary]:
    for number, (table, column, rows, size, days, kind) in enumerate(
        (
            ("customers", "legacy_uuid", 482_113, None, 22, ArtifactKind.SOFT_DROP_COLUMN),
            ("orders", "old_total", 3_120_004, 214_000_000, 17, ArtifactKind.ARCHIVE_COLUMN),
            ("audit_log", None, 20_412, 3_200_000, 9, ArtifactKind.SOFT_DROP_TABLE),
            ("sessions_2024", None, 913_220, 88_400_000, 2, ArtifactKind.ARCHIVE_TABLE),
        )
    ):
        artifact = Artifact(
            f"{0xA4C09F1E + number * 7919:08x}",
            kind,
            ArtifactStatus.LIVE,
            "public",
            table,
            column,
            "public",
            table,
            column,
            None,
            rows,
            "",
            "",
            {},
            "",
            _NOW - dt.timedelta(days=30 - days),
            _NOW + dt.timedelta(days=days),
        )
        yield ArtifactSummary(artifact, size, True)


if __name__ == "__main__":
    main(*sys.argv[1:])
