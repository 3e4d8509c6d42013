"""Steps on a connection on which each statement commits by itself: done again if others were in
the way, and several statements in a transaction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from alembic_zanith.failures import server_message, sqlstate
from alembic_zanith.locking.connections import pause
from alembic_zanith.locking.retrying import RetryPolicy
from alembic_zanith.sql import run, unheard

log = logging.getLogger("alembic.zanith")

T = TypeVar("T")

# No lock in time, a deadlock, or another transaction in between: all is undone, and can be sent
# again. https://www.postgresql.org/docs/current/errcodes-appendix.html
PASSING = ("55P03", "40P01", "40001")

_LOCK_TIMEOUT = """
SELECT pg_catalog.set_config('lock_timeout', '5s', true)
 WHERE pg_catalog.current_setting('lock_timeout') = '0'
"""


def tried_again(connection: Connection, what: str, policy: RetryPolicy, work: Callable[[], T]) -> T:
    """Do work that is undone as a whole when it fails, and once more if others were in the way.

    `what` is for the log.
    """
    attempt = 1
    while True:
        try:
            return work()
        except DBAPIError as error:
            is_lost = error.connection_invalidated
            if is_lost or sqlstate(error) not in PASSING or attempt >= policy.attempts:
                raise
            wait = policy.wait_after(attempt)
            log.warning(
                "%s was not done (%s), attempt %d of %d. Nothing of it is left; it is tried again "
                "in %.1f seconds.",
                what,
                server_message(error),
                attempt,
                policy.attempts,
                wait,
            )
            pause(connection, wait)
            attempt += 1


def in_transaction(
    connection: Connection,
    what: str,
    policy: RetryPolicy,
    work: Callable[[], T],
    level: str = "READ COMMITTED",
) -> T:
    """Do work in a transaction of its own, and once more if others were in the way.

    A lock is waited for no longer than five seconds, where nobody has said how long. `what` is for
    the log.
    """
    return tried_again(connection, what, policy, lambda: _once(connection, work, level))


def _once(connection: Connection, work: Callable[[], T], level: str) -> T:
    with unheard():
        run(connection, f"BEGIN ISOLATION LEVEL {level}")
    try:
        with unheard():
            run(connection, _LOCK_TIMEOUT)
        result = work()
    except BaseException:
        # The connection may be lost, and the transaction with it.
        with unheard(), suppress(SQLAlchemyError):
            run(connection, "ROLLBACK")
        raise
    with unheard():
        run(connection, "COMMIT")
    return result
