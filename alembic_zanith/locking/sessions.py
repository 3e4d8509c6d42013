"""A session of PostgreSQL as others see it, and how it is named in messages."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import Any

from alembic_zanith.redaction import one_line
from alembic_zanith.sql import moment

SESSION_COLUMNS = (
    "a.usename, a.application_name, pg_catalog.host(a.client_addr), a.state, a.backend_type, "
    "CAST(extract(epoch FROM a.xact_start) * 1000000 AS bigint), a.query"
)
"""Columns of `pg_stat_activity AS a` that `Session.of` reads after the pid. Those of other roles'
sessions are partly empty for a role that may not see them:
https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW"""


@dataclass(frozen=True)
class Session:
    """One session; None stands for what PostgreSQL does not tell or does not know."""

    pid: int
    user: str | None = None
    application: str | None = None
    address: str | None = None
    state: str | None = None
    kind: str | None = None
    since: dt.datetime | None = None
    query: str | None = None

    @classmethod
    def of(cls, row: Any) -> Session:
        """Read a row of a pid and `SESSION_COLUMNS`."""
        pid, user, application, address, state, kind, since, query = row
        began = None if since is None else moment(since)
        return cls(pid, user, application or None, address, state, kind, began, query or None)

    @property
    def is_prepared_transaction(self) -> bool:
        """Whether it is none, but a transaction that waits for COMMIT PREPARED."""
        return self.pid == 0

    @property
    def name(self) -> str:
        """Which session it is: `session 4242 (user app, application web, address 10.0.0.7)`."""
        if self.is_prepared_transaction:
            return "a prepared transaction (see pg_prepared_xacts)"
        parts = [f"user {self.user}" if self.user else self.kind or ""]
        if self.application:
            parts.append(f"application {self.application}")
        if self.address:
            parts.append(f"address {self.address}")
        about = ", ".join(part for part in parts if part)
        return f"session {self.pid} ({about})" if about else f"session {self.pid}"

    @property
    def described(self) -> str:
        """Its name, what it does, since when, and its last query, in one line."""
        doing = f", {self.state}" if self.state else ""
        since = f", in its transaction since {instant(self.since)}" if self.since else ""
        query = f": {one_line(self.query)}" if self.query else ""
        return f"{self.name}{doing}{since}{query}"


def instant(moment: dt.datetime) -> str:
    """Write a moment as messages do.

    >>> instant(dt.datetime(2026, 1, 2, 3, 4, 5, tzinfo=dt.UTC))
    '2026-01-02 03:04:05 UTC'
    """
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"
