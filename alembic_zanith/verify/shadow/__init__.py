"""Where migrations are rehearsed: a database or a schema that may be thrown away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from alembic_zanith.config import ShadowTopology
from alembic_zanith.errors import ShadowUnreachableError

from .given import given_database
from .model import Shadow, ShadowRequest
from .next_to import database_next_to
from .within import schema_within

if TYPE_CHECKING:
    from sqlalchemy import Connection

__all__ = ["Shadow", "ShadowRequest", "ShadowUnreachableError", "open_shadow"]

_TOPOLOGIES = {
    ShadowTopology.URL: given_database,
    ShadowTopology.DATABASE: database_next_to,
    ShadowTopology.SCHEMA: schema_within,
}


@contextmanager
def open_shadow(production: Connection, request: ShadowRequest) -> Iterator[Shadow]:
    """Give an empty shadow for the block; what was made for it goes with the block.

    `production` is read, nothing is written over it.

    Raises `ShadowUnreachableError` where there is none, or none that may be wiped.
    """
    topology = request.topology
    if topology is ShadowTopology.AUTO:
        topology = ShadowTopology.URL if request.url else ShadowTopology.DATABASE
    with _TOPOLOGIES[topology](production, replace(request, topology=topology)) as shadow:
        yield shadow
