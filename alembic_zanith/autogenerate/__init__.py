"""Autogenerate: what vanished is parked, renames are offered, and what is declared is made.

Nothing of ours ever shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.util import DispatchPriority, PriorityDispatchResult

from alembic_zanith.config import settings_of
from alembic_zanith.hooks import add_name_filter, autogenerate_plugin

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations.ops import UpgradeOps

PLUGIN = "alembic.autogenerate.zanith"
"""Its name, by which a project may leave it out: `autogenerate_plugins=["~alembic…zanith"]`."""

_SUBGROUP = "zanith"


def register() -> None:
    """Add the comparators to Alembic's autogenerate, for PostgreSQL."""
    plugin = autogenerate_plugin(PLUGIN)
    for comparator, priority in (
        (hide_names, DispatchPriority.FIRST),
        (swap_dropped, DispatchPriority.LAST),
        (add_declared, DispatchPriority.LAST),
    ):
        plugin.add_autogenerate_comparator(
            comparator,
            "autogenerate",
            _SUBGROUP,
            qualifier="postgresql",
            priority=priority,
        )


def hide_names(context: AutogenContext, upgrade_ops: UpgradeOps) -> PriorityDispatchResult:
    """Before Alembic compares: hide what is ours and what is another application's."""
    # Here and below, because upgrades compare nothing.
    from .own_objects import OwnObjects
    from .synced_columns import SyncedColumns
    from .unknown_tables import UnknownTableFilter

    settings = settings_of(context.migration_context)
    add_name_filter(context, OwnObjects(settings.archive_schema))
    add_name_filter(context, UnknownTableFilter(context, settings))
    add_name_filter(context, SyncedColumns(context))
    return PriorityDispatchResult.CONTINUE


def swap_dropped(context: AutogenContext, upgrade_ops: UpgradeOps) -> PriorityDispatchResult:
    """After all have compared: offer renames, and park what would have been dropped."""
    from .renames import offer_renames
    from .swap import swap_drops

    offer_renames(context, upgrade_ops)
    swap_drops(context, upgrade_ops)
    return PriorityDispatchResult.CONTINUE


def add_declared(context: AutogenContext, upgrade_ops: UpgradeOps) -> PriorityDispatchResult:
    """After the order of all else is found: make extensions and row security as declared."""
    from .declared import compare_declared

    compare_declared(context, upgrade_ops)
    return PriorityDispatchResult.CONTINUE
