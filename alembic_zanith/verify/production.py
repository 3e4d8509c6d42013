"""What a rehearsal needs to know of production."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from alembic_zanith.config import Settings
from alembic_zanith.workspace import Workspace

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext
    from alembic.script import ScriptDirectory
    from sqlalchemy import Connection


@dataclass(frozen=True)
class Production:
    """A database that env.py has connected to, and the project that it belongs to.

    `heads` are the revisions that it is at, `arguments` what env.py hands to the scripts.
    """

    context: MigrationContext
    connection: Connection
    settings: Settings
    workspace: Workspace
    scripts: ScriptDirectory
    heads: tuple[str, ...]
    arguments: Mapping[str, Any] = field(default_factory=dict)
    label: str | None = None
