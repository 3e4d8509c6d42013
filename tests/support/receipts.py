"""Scripts, and receipts of rehearsals that have never been: only what they say counts here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic.script import Script, ScriptDirectory

from alembic_zanith.gates.receipt import Receipt, Rehearsal, rehearsed, why_not, write_receipt
from tests.support.project import Project

NOW = datetime(2031, 5, 1, 12, tzinfo=UTC)
HOUR = 3_600_000
"""Milliseconds, as settings have them."""


@dataclass(frozen=True)
class Folder:
    """A folder of scripts without a project."""

    root: Path

    def write(self, revision: str, *down: str, more: str = "") -> Path:
        """Write a script that comes behind others."""
        path = self.root / "versions" / f"{revision}_step.py"
        path.parent.mkdir(exist_ok=True)
        behind: object = down if len(down) > 1 else down[0] if down else None
        path.write_text(
            f"revision = {revision!r}\ndown_revision = {behind!r}\n\n\n"
            f"def upgrade() -> None:\n    pass\n\n\ndef downgrade() -> None:\n    pass\n{more}"
        )
        return path

    def directory(self, **options: Any) -> ScriptDirectory:
        """The folder as Alembic reads it, which is now."""
        return ScriptDirectory(str(self.root), **options)

    def pending(
        self, target: str = "heads", heads: Sequence[str] = (), **options: Any
    ) -> list[Script]:
        """The scripts of an upgrade, in the order in which they run."""
        steps = self.directory(**options)._upgrade_revs(target, tuple(heads))  # type: ignore[arg-type]
        return [step.revision for step in steps]


def rehearsal(scripts: Sequence[Script], *heads: str, **values: Any) -> Rehearsal:
    """One that went well."""
    good = Rehearsal(None, heads, rehearsed(scripts), "18.1", "18.0", "ok", ())
    return replace(good, **values)


def receipt(*rehearsals: Rehearsal, **values: Any) -> Receipt:
    """The receipt of some rehearsals, written at `NOW`."""
    return replace(Receipt(rehearsals, ("c",), NOW, "0.2.0"), **values)


def reason(path: Path, pending: Sequence[Script], *heads: str, **values: Any) -> str | None:
    """Why it is not good for these scripts, an hour later on the same server."""
    given = {"max_age_ms": 24 * HOUR, "now": NOW, "server_version": "18.3", **values}
    return why_not(path, pending, heads, **given)


def pending_in(project: Project, target: str = "heads", *heads: str) -> list[Script]:
    """The scripts of an upgrade of a project, in the order in which they run."""
    directory = ScriptDirectory.from_config(project.config())
    steps = directory._upgrade_revs(target, heads)  # type: ignore[arg-type]
    return [step.revision for step in steps]


def write_for(
    project: Project, target: str = "heads", *heads: str, at: str = "", **values: Any
) -> Path:
    """Write the receipt of a project on a database that is at `heads`, as of right now.

    `values` are those of the rehearsal, `at` is a path in the project's folder.
    """
    scripts = pending_in(project, target, *heads)
    version = str(project.database.scalar("SHOW server_version"))
    path = project.root / (at or "zanith-verify.json")
    rehearsed_now = rehearsal(scripts, *heads, **{"server_version": version, **values})
    write_receipt(path, receipt(rehearsed_now, created_at=datetime.now(UTC)))
    return path
