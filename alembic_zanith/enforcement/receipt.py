"""What the gates are told of the receipt of a rehearsal."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from alembic_zanith.config import Settings, ShadowCheck
from alembic_zanith.gates.check import receipt_asked
from alembic_zanith.gates.receipt import edited_since, why_not

if TYPE_CHECKING:
    from alembic.runtime.migration import RevisionStep


def wrong_with_receipt(
    settings: Settings,
    steps: Sequence[RevisionStep],
    heads: Sequence[str] | None,
    server_version: str | None,
    database: str | None,
) -> str | None:
    """Return what is wrong with the receipt, as far as the settings ask for one; else None.

    Where a rehearsal is only recommended, most upgrades have none, and the receipt that lies there
    is of another database or of last week. So all that is told is what nobody would expect: a
    script is not what was rehearsed any more.
    """
    scripts = [step.revision for step in steps]
    # As Alembic's own paths: from the current folder.
    path = Path(settings.receipt)
    asked = receipt_asked(settings, is_downgrade=not steps[0].is_upgrade)
    if asked is ShadowCheck.REQUIRED:
        return why_not(
            path,
            scripts,
            heads,
            max_age_ms=settings.receipt_max_age,
            now=datetime.now(UTC),
            server_version=server_version,
            database=database,
        )
    return edited_since(path, scripts) if asked is ShadowCheck.RECOMMENDED else None
