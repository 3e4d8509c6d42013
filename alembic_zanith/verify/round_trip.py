"""The way back, and the way there once more."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from alembic_zanith.errors import ZanithError
from alembic_zanith.failures import reason_of
from alembic_zanith.redaction import without_passwords
from alembic_zanith.snapshots import Snapshot, differences
from alembic_zanith.verification import Finding, FindingKind

from .project import ShadowedProject
from .rehearse import in_words
from .replay import ScriptFailedError

if TYPE_CHECKING:
    from alembic.script import Script


def there_and_back(
    project: ShadowedProject, scripts: Sequence[Script], before: Snapshot, after: Snapshot
) -> Iterator[Finding]:
    """Run the downgrades, and the upgrades again; yield what is not as it was.

    `before` and `after` are the schemas around the first upgrade.

    Raises `ZanithError` where the shadow is lost.
    """
    failed = _run(project, lambda: project.run(project.downgrades(scripts)))
    if failed is not None:
        revision = failed.script.revision if isinstance(failed, ScriptFailedError) else None
        text = f"There is no way back: {_reason(failed)}."
        yield Finding(FindingKind.DOWNGRADE_FAILS, text, revision)
        return
    back = differences(before, project.snapshot())
    if back:
        text = f"The downgrade does not lead back to where it began: {in_words(back)}."
        yield Finding(FindingKind.DOWNGRADE_DIFFERS, text)
    failed = _run(project, lambda: project.run(project.upgrades(scripts)))
    if failed is not None:
        text = f"After the downgrade the upgrade does not run any more: {_reason(failed)}."
        yield Finding(FindingKind.UPGRADE_DIFFERS, text)
        return
    again = differences(after, project.snapshot())
    if again:
        text = f"Upgrade, downgrade, upgrade leads elsewhere than one upgrade: {in_words(again)}."
        yield Finding(FindingKind.UPGRADE_DIFFERS, text)


def _reason(failed: ZanithError) -> str:
    return without_passwords(reason_of(failed))


def _run(project: ShadowedProject, run: Callable[[], None]) -> ZanithError | None:
    try:
        run()
    except ZanithError as error:
        cause = error.__cause__
        is_lost = isinstance(cause, DBAPIError) and cause.connection_invalidated
        if is_lost or project.shadow.connection.invalidated:
            raise
        return error
    return None
