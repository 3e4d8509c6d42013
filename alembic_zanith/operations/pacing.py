"""What the operations that work in batches are told: how much at a time, how fast, by which key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from alembic_zanith.errors import ConfigurationError
from alembic_zanith.sql import unheard

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from alembic_zanith.catalog.relation import Relation
    from alembic_zanith.config import Settings
    from alembic_zanith.movement.walk import Pace

DEFAULT_BATCH_SIZE = 10_000


def checked_batch_size(kind: str, table_name: str, given: object) -> int:
    """Return the number of rows of a batch, or refuse what is none."""
    if isinstance(given, int) and not isinstance(given, bool) and 0 < given < 2**31:
        return given
    raise _wrong(kind, table_name, f"batch_size={given!r} is not a number of rows, 1 or more")


def checked_pause(kind: str, table_name: str, given: object) -> float:
    """Return the seconds between two batches, or refuse what are none."""
    if isinstance(given, int | float) and not isinstance(given, bool) and 0 <= given <= 86_400:
        return given
    raise _wrong(kind, table_name, f"pause={given!r} is not a number of seconds, 0 to 86400")


def checked_key(kind: str, table_name: str, given: object) -> tuple[str, ...] | None:
    """Return the columns of a key, or refuse what are none."""
    if given is None:
        return None
    names = (given,) if isinstance(given, str) else given
    if isinstance(names, Sequence) and names and all(map(_is_text, names)):
        return tuple(str(name) for name in names)
    raise _wrong(kind, table_name, f"key={given!r} is not the name of a column, or several")


def _wrong(kind: str, table_name: str, what: str) -> ConfigurationError:
    return ConfigurationError(f"{kind}({str(table_name)!r}): {what}.")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def pace_of(
    settings: Settings,
    connection: Connection,
    relation: Relation,
    batch_size: int,
    pause: float,
) -> Pace:
    """Return how fast work on a table may go."""
    # Here, because most runs do nothing in batches.
    from alembic_zanith.catalog.relation import tree
    from alembic_zanith.locking.retrying import RetryPolicy
    from alembic_zanith.movement.throttle import Throttle
    from alembic_zanith.movement.walk import Pace

    with unheard():
        members = tuple(member.oid for member in tree(connection, relation))
    return Pace(
        batch_size,
        pause,
        Throttle(settings.max_replication_lag, members if settings.yield_to_locks else ()),
        RetryPolicy(attempts=settings.lock_retries + 1),
    )
