"""Which snapshots of the schema a run takes."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from alembic_zanith.config import Settings
from alembic_zanith.errors import ZanithError
from alembic_zanith.failures import explained, reason_of
from alembic_zanith.sql import is_autocommit, run

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext

    from alembic_zanith.snapshots import Snapshot

log = logging.getLogger("alembic.zanith")

_PATIENCE = "200ms"


class Snapshots:
    """The schema before and after each revision, or of long runs before and after them all.

    The schema that one revision leaves behind is the one that the next begins with.
    """

    def __init__(self, context: MigrationContext, settings: Settings, revisions: int) -> None:
        self._context = context
        self._settings = settings
        self._left = revisions
        self._is_first = True
        self._takes_any = settings.snapshot_revisions > 0
        self._takes_all = revisions <= settings.snapshot_revisions
        self._schema = "public"
        self._last: str | None = None
        self._contents: dict[str, dict[str, Any]] = {}

    def before(self, schema: str) -> str | None:
        """Return the digest of the schema before a revision, None where it is not taken.

        `schema` holds the version table.
        """
        if self._is_first or (self._takes_all and self._last is None):
            self._is_first = False
            self._schema = schema
            self._last = self._take()
        return self._last

    def after(self) -> str | None:
        """Return the digest of the schema after a revision, None where it is not taken."""
        self._left -= 1
        self._last = self._take() if self._takes_all or self._left == 0 else None
        return self._last

    def contents(self, digests: Collection[str | None]) -> dict[str, dict[str, Any]]:
        """Return the schemas of these digests."""
        return {each: self._contents[each] for each in digests if each in self._contents}

    def _take(self) -> str | None:
        if not self._takes_any:
            return None
        from alembic_zanith.snapshots import take_snapshot

        context, connection = self._context, self._context.connection
        assert connection is not None
        options: dict[str, Any] = {
            "archive_schema": self._settings.archive_schema,
            "version_tables": [(self._schema, context.version_table)],
        }
        try:
            snapshot = _unhurried(connection, lambda: take_snapshot(connection, **options))
        except (SQLAlchemyError, ZanithError, UnicodeError) as error:
            if connection.invalidated and isinstance(error, DBAPIError):
                raise explained("The run of migrations", error) from error
            self._takes_any = False
            log.warning("No snapshot of the schema is taken: %s.", reason_of(error))
            return None
        self._contents[snapshot.digest] = snapshot.content
        return snapshot.digest


def _unhurried(connection: Connection, read: Callable[[], Snapshot]) -> Snapshot:
    """Read without waiting for anybody's lock, and without keeping one.

    The functions that write definitions lock what they look at for a moment:
    https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-CATALOG
    """
    if is_autocommit(connection):
        return read()
    with connection.begin_nested() as savepoint:
        run(connection, f"SET LOCAL lock_timeout = '{_PATIENCE}'")
        found = read()
        savepoint.rollback()
        return found
