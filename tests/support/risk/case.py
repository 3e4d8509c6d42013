"""One kind of changes in a risky case, with all that is said of it, and in a milder one."""

from __future__ import annotations

from dataclasses import dataclass

from alembic.operations import MigrateOperation

from alembic_zanith.risk.change import Change

Step = str | MigrateOperation | Change
"""SQL, an operation, or what neither makes yet."""


@dataclass(frozen=True)
class Case:
    """The last step of `risky` is judged so; the last of `ok` comes to `then`."""

    kind: str
    risky: tuple[Step, ...]
    level: str
    subject: str
    reasons: tuple[str, ...]
    lock: str
    instead: str
    ok: tuple[Step, ...]
    then: str
