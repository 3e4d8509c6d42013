"""What a rehearsal that was killed has left, known by its name and its comment."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from alembic_zanith.identifiers import quote
from alembic_zanith.sql import scalar

from .connecting import log

if TYPE_CHECKING:
    from sqlalchemy import Connection

PREFIX = "_zanith_shadow_"
COMMENT = "Made by a rehearsal of alembic-zanith, to be thrown away. "
"""What the comment on each such database or schema begins with; the moment follows."""

# A rehearsal that is going on has left nothing.
_OLD = dt.timedelta(hours=1)
_NOW = "SELECT pg_catalog.to_char(pg_catalog.now() AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS')"


def comment_of_now(connection: Connection) -> str:
    """Return what a shadow that is being made is known by."""
    return f"{COMMENT}{scalar(connection, _NOW)} UTC"


def mention_left_ones(kind: str, found: Iterable[Any], connection: Connection) -> None:
    """Log how to drop databases or schemas that are older than an hour, by name and comment."""
    now = dt.datetime.fromisoformat(str(scalar(connection, _NOW)))
    for name, comment in found:
        made = re.fullmatch(re.escape(COMMENT) + r"(\S+ \S+) UTC", comment or "")
        if made is not None and now - dt.datetime.fromisoformat(made[1]) > _OLD:
            cascade = " CASCADE" if kind == "schema" else ""
            log.warning(
                "The %s %s is left from a rehearsal of %s UTC that was killed, or kept. When "
                "nobody needs it any more: DROP %s %s%s;",
                kind,
                name,
                made[1],
                kind.upper(),
                quote(name),
                cascade,
            )
