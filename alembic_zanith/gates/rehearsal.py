"""What is known of a rehearsal afterwards, as values."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

OK = "ok"
"""The verdict of a rehearsal that went well; whatever else it may be, it did not."""


@dataclass(frozen=True)
class Rehearsed:
    """One script, as it was rehearsed.

    `down_revisions` are the revisions that it comes behind, `digest` is the SHA-256 of the bytes
    of its file, in hexadecimal.
    """

    revision: str
    down_revisions: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class Rehearsal:
    """One database of the project, and what was rehearsed for it.

    `database` is what env.py calls it (see `database_of`), None where it has no name there. `heads`
    is where it stood before, `scripts` are in the order in which they ran. `server_version` is
    that of the shadow, such as `17.2`. `findings` are a sentence each.
    """

    database: str | None
    heads: tuple[str, ...]
    scripts: tuple[Rehearsed, ...]
    server_version: str
    production_version: str
    verdict: str
    findings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Receipt:
    """What `alembic zanith-verify` leaves behind; `alembic_heads` are those of the scripts."""

    rehearsals: tuple[Rehearsal, ...]
    alembic_heads: tuple[str, ...]
    created_at: datetime
    package_version: str
