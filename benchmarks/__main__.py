"""The command line: `python -m benchmarks`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection, Iterator

import click
from rich.console import Console
from rich.table import Table

from devtools.postgres import LocalPostgres

from . import archiving, backfilling, classifying, exporting, parking, waiting
from .figures import Figure
from .lab import Lab
from .recording import measure_audit, measure_history, measure_snapshot
from .sample import TABLE, fill
from .upgrading import measure_plan, measure_upgrade

OF_HISTORIES = {
    "upgrade": measure_upgrade,
    "plan": measure_plan,
    "audit": measure_audit,
    "snapshot": measure_snapshot,
    "history": measure_history,
}
BENCHMARKS = (
    "classify",
    "soft-drop",
    "archive",
    "restore",
    "export",
    "backfill",
    "online",
    *OF_HISTORIES,
)
_LONG_ROUNDS = 2
"""At most so many for what takes minutes."""
_MISSED = 1


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--rows", default=3_000_000, show_default=True, help="Rows of the table.")
@click.option("--rounds", default=5, show_default=True, help="How often; the best one counts.")
@click.option("--only", multiple=True, type=click.Choice(BENCHMARKS), help="Leave out the others.")
@click.option("--driver", default="psycopg", type=click.Choice(["psycopg", "psycopg2"]))
@click.option("--check", is_flag=True, help="End with an error status when a limit is missed.")
def main(rows: int, rounds: int, only: Collection[str], driver: str, check: bool) -> None:
    """Print what the operations cost against bare SQL, on the same rows in the same run."""
    notes = Console(stderr=True, style="dim", highlight=False)
    start = time.monotonic()
    chosen = set(only or BENCHMARKS)
    figures: list[Figure] = []
    title = f"{os.cpu_count()} processors"
    if "classify" in chosen:
        notes.print("reading SQL")
        figures += classifying.measure(rounds)
    if chosen != {"classify"}:
        with LocalPostgres.start(settings={"autovacuum": "off"}) as server:
            figures += _figures(Lab(server, driver), rows, rounds, chosen, notes)
            title = f"{rows:,} rows, PostgreSQL {server.major}, {driver}, {title}"
    notes.print(f"{time.monotonic() - start:.0f} s in all")
    console = Console()
    # A table cut to the width of a pipe would lose figures.
    console.width = max(console.width, 116)
    console.print(_table(title, figures))
    if check and not all(figure.is_met for figure in figures):
        sys.exit(_MISSED)


def _figures(
    lab: Lab, rows: int, rounds: int, chosen: Collection[str], notes: Console
) -> Iterator[Figure]:
    for name, measure in OF_HISTORIES.items():
        if name in chosen:
            notes.print(name)
            yield from measure(lab, rounds)
    if not set(chosen) - OF_HISTORIES.keys() - {"classify"}:
        return
    notes.print(f"filling {TABLE} with {rows:,} rows")
    with lab.database() as base:
        fill(base.engine, rows)
        if "soft-drop" in chosen:
            notes.print("soft drops")
            yield from parking.measure(lab, base, rounds)
        if "archive" in chosen:
            notes.print("archive_column")
            yield from archiving.measure_archive(lab, base, rounds)
        if "backfill" in chosen:
            notes.print("backfill (each takes as long as an UPDATE of all rows)")
            yield from backfilling.measure(lab, base, min(rounds, _LONG_ROUNDS))
        if "online" in chosen:
            notes.print("waits of others during online operations (each takes a while)")
            yield from waiting.measure(lab, base, min(rounds, _LONG_ROUNDS))
        if not {"restore", "export"}.intersection(chosen):
            return
        with lab.database(base) as archived:
            archived.run(archiving.archive)
            if "restore" in chosen:
                notes.print("restore of an archived column (its bare UPDATE takes a while)")
                yield from archiving.measure_restore(lab, archived, min(rounds, _LONG_ROUNDS))
            if "export" in chosen:
                notes.print("export")
                yield from exporting.measure(lab, archived, rounds)


def _table(title: str, figures: list[Figure]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("what")
    for heading in ("alembic-zanith", "compared with", "measured", "at most"):
        table.add_column(heading, justify="right", no_wrap=True)
    table.add_column("")
    for figure in figures:
        digits = 2 if figure.unit == "x" else 0
        table.add_row(
            figure.what,
            figure.ours,
            figure.bare,
            f"{figure.measured:.{digits}f} {figure.unit}",
            f"{figure.limit:.{min(digits, 1)}f} {figure.unit}",
            "[green]pass[/]" if figure.is_met else "[bold red]MISS[/]",
        )
    return table


if __name__ == "__main__":
    main()
