"""Run a probe: bounded, and without a trace in the transaction that it runs in."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.failures import server_message, sqlstate
from alembic_zanith.risk.change import TableRef
from alembic_zanith.sql import is_autocommit, run

from .probe import NotApplicable, Probe, sql_name

MOST = 1000
"""Up to so many rows in the way are counted."""

_TIMED_OUT = {"57014", "55P03"}
_NOT_THERE = {"42P01", "42703", "3F000", "42501"}
# Class 22 is what values do: not fitting, out of range.
_BAD_DATA = "22"


class Found(Enum):
    """What a probe found out."""

    NOTHING = "nothing"
    """Nothing is in the way."""
    ROWS = "rows"
    """Rows are in the way."""
    UNFINISHED = "unfinished"
    """It took too long, or the role may not see all rows."""
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True)
class Outcome:
    """What a probe found; `note` says it in words where there are no rows to show."""

    probe: Probe
    found: Found
    count: int = 0
    sample: tuple[Mapping[str, str | None], ...] = ()
    note: str = ""
    query: str = ""

    @property
    def line(self) -> str:
        """The outcome in one line."""
        if self.found is Found.NOTHING:
            return f"{self.probe.promise}: yes"
        if self.found is Found.ROWS:
            return f"{self.probe.promise}: no, {self.note or self.amount}"
        return f"{self.probe.promise}: {self.found.value}, {self.note}"

    @property
    def amount(self) -> str:
        """How many there are: `3 groups of rows`, `at least 1,000 rows`."""
        least = "at least " if self.count > MOST else ""
        count = min(self.count, MOST)
        what = "group of rows" if self.probe.kind == "duplicates" else "row"
        many = what.replace("group", "groups") if "group" in what else "rows"
        return f"{least}{count:,} {what if count == 1 else many}"

    @property
    def message(self) -> str:
        """What is in the way, with a sample, and how to see all of it."""
        lines = [f"{self.line}."]
        lines += [
            ", ".join(
                f"{name} = {'NULL' if value is None else value}" for name, value in row.items()
            )
            for row in self.sample
        ]
        if self.query:
            lines.append(f"All of them: {self.query}")
        return "\n".join(lines)


def _shown(item: tuple[str, str | None]) -> str:
    name, value = item
    return f"{name} = {'NULL' if value is None else value}"


def run_probe(
    connection: Connection, probe: Probe, *, sample: int = 5, timeout_ms: int | None = 10_000
) -> Outcome:
    """Ask the database; nothing is written, and no setting or failed transaction stays.

    Example::

        (probe,) = probes_in("ALTER TABLE users ALTER email SET NOT NULL")
        run_probe(connection, probe).found is Found.NOTHING
    """
    query = ""
    try:
        with _bounded(connection, timeout_ms):
            hidden = [each for each in sorted(probe.reads) if _is_filtered(connection, each)]
            query = probe.query(connection)
            bounded = f"SELECT * FROM ({query}) AS found LIMIT {MOST + 1}"
            found = run(connection, bounded).mappings().all()
    except NotApplicable as reason:
        return Outcome(probe, Found.NOT_APPLICABLE, note=str(reason))
    except DBAPIError as error:
        return _failed(probe, error, query)
    if found:
        shown = tuple({str(k): v for k, v in row.items()} for row in found[:sample])
        return Outcome(probe, Found.ROWS, len(found), shown, query=query)
    if hidden:
        # https://www.postgresql.org/docs/current/ddl-rowsecurity.html
        note = f"row-level security of {hidden[0]} may hide rows from this role"
        return Outcome(probe, Found.UNFINISHED, note=note)
    return Outcome(probe, Found.NOTHING)


def _failed(probe: Probe, error: DBAPIError, query: str) -> Outcome:
    state, message = sqlstate(error), server_message(error)
    if state in _TIMED_OUT:
        note = "it took longer than preflight_timeout allows"
        return Outcome(probe, Found.UNFINISHED, note=note)
    if state in _NOT_THERE:
        return Outcome(probe, Found.NOT_APPLICABLE, note=message)
    if state.startswith(_BAD_DATA):
        return Outcome(probe, Found.ROWS, 1, note=message, query=query)
    return Outcome(probe, Found.UNFINISHED, note=message)


def _is_filtered(connection: Connection, table: TableRef) -> bool:
    name = sql_name(table).replace("'", "''")
    found = run(
        connection,
        "SELECT pg_catalog.row_security_active(c.oid) FROM pg_catalog.pg_class c"
        f" WHERE c.oid = pg_catalog.to_regclass('{name}')",
    ).scalar()
    return bool(found)


@contextmanager
def _bounded(connection: Connection, timeout_ms: int | None) -> Iterator[None]:
    if is_autocommit(connection):
        yield
        return
    with connection.begin_nested() as savepoint:
        if timeout_ms is not None:
            run(connection, f"SET LOCAL statement_timeout = {timeout_ms}")
            run(connection, f"SET LOCAL lock_timeout = {timeout_ms}")
        yield
        # Back to the settings from before.
        savepoint.rollback()
