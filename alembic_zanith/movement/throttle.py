"""Holding back between two batches while standbys are behind, or others wait for the table."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass

from sqlalchemy import Connection

from alembic_zanith.locking.connections import pause
from alembic_zanith.sql import run

log = logging.getLogger("alembic.zanith")

_POLL = 0.5
_SAID_EVERY = 10.0

# Lag of what is sent and not yet applied; NULL where there was nothing to apply lately, and for a
# role that may not see it.
# https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-REPLICATION-VIEW
_LAG = """
SELECT application_name, CAST(1000 * extract(epoch FROM replay_lag) AS bigint) AS lag
  FROM pg_catalog.pg_stat_replication WHERE replay_lag IS NOT NULL
 ORDER BY replay_lag DESC LIMIT 1
"""

# https://www.postgresql.org/docs/current/view-pg-locks.html
_QUEUE = """
SELECT pid FROM pg_catalog.pg_locks
 WHERE NOT granted AND locktype = 'relation'
   AND database = (SELECT oid FROM pg_catalog.pg_database
                    WHERE datname = pg_catalog.current_database())
   AND relation = ANY (ARRAY[{oids}]::pg_catalog.oid[]) AND pid <> pg_catalog.pg_backend_pid()
 ORDER BY pid LIMIT 1
"""


@dataclass(frozen=True)
class Throttle:
    """What a walk waits for between two batches; nothing, unless it is told to.

    `max_lag_ms` is the longest time, in milliseconds, that any standby may be behind. `queue_on`
    are the oids of the tables on whose locks nobody may be waiting.
    """

    max_lag_ms: int | None = None
    queue_on: tuple[int, ...] = ()

    def wait(self, connection: Connection) -> None:
        """Return when nothing is in the way any more. What is waited for is logged."""
        last_said = None
        while (reason := self.reason(connection)) is not None:
            if last_said is None or time.monotonic() - last_said >= _SAID_EVERY:
                log.info("Waiting with the next batch: %s.", reason)
                last_said = time.monotonic()
            pause(connection, _POLL)

    def reason(self, connection: Connection) -> str | None:
        """Return why the next batch has to wait, if it has to."""
        if self.max_lag_ms is not None:
            found = run(connection, _LAG).first()
            if found is not None and found.lag > self.max_lag_ms:
                return (
                    f"standby {found.application_name!r} is {found.lag / 1000:.1f} s behind "
                    f"(max_replication_lag {self.max_lag_ms / 1000:g} s)"
                )
        if self.queue_on:
            waiting = run(connection, _QUEUE.format(oids=", ".join(map(str, self.queue_on))))
            pid = waiting.scalar()
            if pid is not None:
                return f"session {pid} waits for a lock on the table (yield_to_locks)"
        return None
