"""A shadow, and what is asked for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alembic_zanith.config import ShadowTopology

if TYPE_CHECKING:
    from sqlalchemy import Connection


@dataclass(frozen=True)
class ShadowRequest:
    """What kind of shadow, and whether it is kept for looking at."""

    topology: ShadowTopology = ShadowTopology.AUTO
    # It may hold a password.
    url: str | None = field(default=None, repr=False)
    keep: bool = False


@dataclass(frozen=True)
class Shadow:
    """An empty place for migrations; `connection` has no transaction open.

    `schema` is the only one on its search_path where the shadow is one. `where` and `how_to_look`
    are for people, and hold no password.
    """

    topology: ShadowTopology
    connection: Connection = field(repr=False)
    where: str
    schema: str | None
    server_version: str
    how_to_look: str
    is_on_productions_server: bool = True
