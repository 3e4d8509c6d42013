"""Where the artifacts of one database are kept, and which revision is running."""

from __future__ import annotations

from dataclasses import dataclass

from .identifiers import DEFAULT_ARCHIVE_SCHEMA


@dataclass(frozen=True)
class Workspace:
    """The places that every recovery function needs to know.

    `bookkeeping_schema` is the schema that holds `alembic_version` (`None`: the connection's
    current schema), `archive_schema` receives archives, `revision` is noted in new artifacts.

    >>> Workspace(archive_schema="attic").archive_schema
    'attic'
    """

    bookkeeping_schema: str | None = None
    archive_schema: str = DEFAULT_ARCHIVE_SCHEMA
    revision: str | None = None
