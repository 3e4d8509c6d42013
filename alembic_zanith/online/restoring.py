"""The entry to an online restore: what is asked for, and what needs no batches."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.locking.retrying import RetryPolicy
from alembic_zanith.models import ArtifactKind
from alembic_zanith.movement.steps import in_transaction
from alembic_zanith.movement.throttle import Throttle
from alembic_zanith.movement.walk import Pace
from alembic_zanith.recovery.looking import Asked
from alembic_zanith.recovery.pick import COLUMN_KINDS, pick
from alembic_zanith.recovery.report import RestoreReport
from alembic_zanith.recovery.restore import restore_column
from alembic_zanith.recovery.taken import refuse_unusable_name
from alembic_zanith.workspace import Workspace

from .bringing_back import OnlineRestore
from .sessions import one_at_a_time, require_autocommit

DEFAULT_BATCH_SIZE = 10_000

_SOFT_DROPPED = (
    "It was soft-dropped, so its values were in the table all the time: it comes back at once, and "
    "--online makes no difference."
)


def restore_column_online(
    connection: Connection,
    target: str,
    *,
    artifact: str | None = None,
    as_name: str | None = None,
    fill: str | None = None,
    relax: bool = False,
    force: bool = False,
    dry_run: bool = False,
    batch_size: int = DEFAULT_BATCH_SIZE,
    pause: float = 0.0,
    policy: RetryPolicy | None = None,
    max_lag_ms: int | None = None,
    yield_to_locks: bool = False,
    workspace: Workspace | None = None,
) -> RestoreReport:
    """Bring back the newest live artifact of a column while others read and write its table.

    As `restore_column`, with the same result, but in steps that are each committed: the values of
    an archive go back in batches, indexes are built concurrently and constraints checked without
    keeping anybody from writing. The table is locked for moments only. Broken off at any point,
    it goes on there when it is called again, and begins anew where it is called with another
    `fill`. A soft-dropped column comes back at once.

    Each statement has to commit by itself on `connection`. `batch_size` is how many rows a batch
    reads, `pause` seconds between two; `policy` is how often to try again what was not given a
    lock. Between two batches it waits while a standby is more than `max_lag_ms` milliseconds
    behind, and with `yield_to_locks` while others wait for the table. All else is as in
    `restore_column`.

    Raises what `restore_column` does, and `AutocommitRequiredError`, `NotOnlineError` for what
    PostgreSQL cannot do with the table in use, `BusyError` while another session is at it,
    and `BatchFailedError` where a batch fails. What is done by then stays, and is taken away by an
    ordinary restore or a purge.

    Example::

        with engine.connect() as connection:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            restore_column_online(connection, "orders.fax_number")
    """
    require_autocommit(connection, "restore_column_online")
    refuse_unusable_name(as_name)
    store = ArtifactStore(connection, workspace)
    pace = Pace(batch_size, pause, Throttle(max_lag_ms), policy or RetryPolicy())
    asked = Asked(as_name, fill, relax, force, dry_run)

    def find() -> Artifact | RestoreReport:
        found = pick(store, target, artifact, COLUMN_KINDS, lock=not dry_run)
        if isinstance(found, Artifact) and found.kind is ArtifactKind.SOFT_DROP_COLUMN:
            report = restore_column(
                connection,
                target,
                artifact=artifact,
                as_name=as_name,
                fill=fill,
                relax=relax,
                force=force,
                dry_run=dry_run,
                workspace=workspace,
            )
            return replace(report, warnings=(*report.warnings, _SOFT_DROPPED))
        return found

    found = in_transaction(connection, f"Restoring {target}", pace.policy, find)
    if isinstance(found, RestoreReport):
        return found
    restore = OnlineRestore(store, found, asked, pace, yield_to_locks)
    if dry_run:
        return restore.foresee()
    with one_at_a_time(connection, found):
        return restore.run()
