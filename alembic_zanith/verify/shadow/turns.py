"""One rehearsal at a time in a database that rehearsals share."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import Engine

from alembic_zanith.errors import ShadowUnreachableError
from alembic_zanith.identifiers import literal
from alembic_zanith.locking.connections import pause
from alembic_zanith.locking.sessions import SESSION_COLUMNS, Session, instant
from alembic_zanith.sql import rows, run

from .connecting import connected, shown

if TYPE_CHECKING:
    from sqlalchemy import Connection

SHADOW_LOCK_KEY = 0x7A616E6974680002
"""The key of the advisory lock: `zanith` in ASCII, and the number of this lock."""

_WAIT_SECONDS = 3.0
_POLL_SECONDS = 0.1
_TRY = f"SELECT pg_catalog.pg_try_advisory_xact_lock({SHADOW_LOCK_KEY})"

# A key of 64 bits is shown as two numbers of 32:
# https://www.postgresql.org/docs/current/view-pg-locks.html
_HOLDER = f"""
SELECT l.pid, {SESSION_COLUMNS}
  FROM pg_catalog.pg_locks AS l
  LEFT JOIN pg_catalog.pg_stat_activity AS a ON a.pid = l.pid
 WHERE l.locktype = 'advisory' AND l.granted AND l.objsubid = 1
   AND l.classid::bigint = {SHADOW_LOCK_KEY >> 32}
   AND l.objid::bigint = {SHADOW_LOCK_KEY & 0xFFFFFFFF}
   AND l.database = (SELECT oid FROM pg_catalog.pg_database
                      WHERE datname = pg_catalog.current_database())
"""

# The columns that tell what a session is are empty for who may not see them; these are not.
# https://www.postgresql.org/docs/current/monitoring-stats.html#MONITORING-PG-STAT-ACTIVITY-VIEW
_OTHERS = f"""
SELECT a.pid, {SESSION_COLUMNS}
  FROM pg_catalog.pg_stat_activity AS a
 WHERE a.datname = pg_catalog.current_database() AND a.usename IS NOT NULL
   AND coalesce(a.backend_type, 'client backend') = 'client backend'
   AND a.pid <> pg_catalog.pg_backend_pid()
"""


@contextmanager
def turn(engine: Engine, advice: str) -> Iterator[Connection]:
    """Hold the lock of a shadow while the block runs, and give the connection that has it.

    It is a connection of its own, in a transaction that has no snapshot: so no script can let go
    of the lock, and no CREATE INDEX CONCURRENTLY waits for it.

    Raises `ShadowUnreachableError` when another rehearsal has it for some seconds.
    """
    with connected(engine, advice) as connection:
        # Whatever level is the role's default: at any other the first question takes a snapshot.
        connection = connection.execution_options(isolation_level="READ COMMITTED")
        deadline = time.monotonic() + _WAIT_SECONDS
        while not run(connection, _TRY).scalar():
            if time.monotonic() >= deadline:
                raise ShadowUnreachableError(_held(engine, connection))
            connection.rollback()
            pause(connection, _POLL_SECONDS)
        name = f"alembic-zanith: rehearsal on {socket.gethostname()}"
        run(connection, f"SET LOCAL application_name = {literal(name)}")
        run(connection, "SET LOCAL idle_in_transaction_session_timeout = 0")
        if (connection.dialect.server_version_info or ()) >= (17,):
            run(connection, "SET LOCAL transaction_timeout = 0")
        yield connection


def _held(engine: Engine, connection: Connection) -> str:
    row = run(connection, _HOLDER).first()
    who = "another rehearsal"
    if row is not None:
        session = Session.of(row)
        since = f", since {instant(session.since)}" if session.since else ""
        who = f"another rehearsal, {session.name}{since}"
    return (
        f"The {shown(engine.url)} is in use by {who}. Nothing was done. Wait for it to end, name "
        "another database with --shadow-url (setting shadow_url), or use --topology database."
    )


def require_nobody_else(connection: Connection, lock: Connection) -> None:
    """Wait some seconds until nobody but us is connected to a database that is to be wiped.

    Raises `ShadowUnreachableError`: an application may take it for a database of its own.
    """
    ours = run(lock, "SELECT pg_catalog.pg_backend_pid()").scalar()
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        others = [Session.of(row) for row in rows(connection, _OTHERS) if row[0] != ours]
        connection.rollback()  # else the statistics stay as they were
        if not others:
            return
        if time.monotonic() >= deadline:
            raise ShadowUnreachableError(
                f"The {shown(connection.engine.url)} would be wiped, and somebody is connected to "
                f"it: {others[0].name}. Nothing was done. End that session, or name another "
                "database with --shadow-url (setting shadow_url)."
            )
        pause(connection, _POLL_SECONDS)
