"""What a run holds while it lasts."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from sqlalchemy import Connection

from alembic_zanith.locking.advisory import RunLock
from alembic_zanith.locking.blockers import BlockerWatch
from alembic_zanith.locking.retrying import Retry, RetryPolicy, run_with_retries

log = logging.getLogger("alembic.zanith")


@dataclass
class Guards:
    """The lock that keeps other runs out, and who watches for sessions in the way."""

    lock: RunLock | None = None
    blockers: BlockerWatch | None = None
    policy: RetryPolicy = field(default_factory=lambda: RetryPolicy(attempts=1))
    _checked: float = 0.0

    def check(self) -> None:
        """Make sure that the lock is still held, once a second at most: migrations may be short.

        Raises `RunLockLostError`.
        """
        if self.lock is not None and time.monotonic() - self._checked > 1:
            self.lock.check()
            self._checked = time.monotonic()

    def migrate(
        self,
        connection: Connection,
        work: Callable[[], None],
        undo: Callable[[], None],
        why_not_again: Callable[[], str],
    ) -> None:
        """Run one migration, again if it had no lock; `undo` what is remembered of it before."""
        self.check()
        if self.blockers is None:
            work()
            return

        def on_retry(retry: Retry) -> None:
            undo()
            log.warning("%s", retry.message)

        run_with_retries(
            connection,
            work,
            policy=self.policy,
            watch=self.blockers,
            on_retry=on_retry,
            why_not_again=why_not_again,
        )
