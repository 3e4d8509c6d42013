"""Whether a probe would tell something that is no longer true when its operation runs."""

from __future__ import annotations

from collections.abc import Iterable

from alembic_zanith.risk.change import Change, TableRef

from .probe import Probe

# They leave the rows and the names of a table alone.
_LEAVES_ROWS = frozenset(
    {
        "add_check",
        "add_exclusion",
        "add_foreign_key",
        "add_index",
        "add_primary_key",
        "add_unique",
        "alter_column_default",
        "alter_column_nullable",
        "alter_column_options",
        "alter_constraint",
        "alter_table_options",
        "change_privileges",
        "create_policy",
        "disable_rls",
        "drop_check",
        "drop_constraint",
        "drop_foreign_key",
        "drop_index",
        "drop_policy",
        "drop_unique",
        "enable_rls",
        "harmless",
        "validate_constraint",
    }
)
# Nobody knows what they touch.
_OPAQUE = frozenset({"raw_sql", "drop_container"})


def is_stale(probe: Probe, earlier: Iterable[Change]) -> bool:
    """Tell whether an earlier change of the plan makes the answer of a probe untrue.

    >>> from alembic_zanith.risk.statements import changes_in
    >>> from .reading import probes_in
    >>> (probe,) = probes_in("ALTER TABLE t ALTER c SET NOT NULL")
    >>> [is_stale(probe, changes_in(sql)) for sql in ("UPDATE t SET c = 0", "DROP TABLE u")]
    [True, False]
    """
    return any(_touches(change, probe.reads) for change in earlier)


def _touches(change: Change, tables: frozenset[TableRef]) -> bool:
    if change.kind in _OPAQUE:
        return True
    if change.kind in _LEAVES_ROWS or change.on is None:
        return False
    # A name without a schema may be that of any.
    named = {change.on}
    if "new_name" in vars(change) and change.kind == "rename_table":
        named.add(TableRef(vars(change)["new_name"], change.on.schema))
    if "new_schema" in vars(change):
        named.add(TableRef(change.on.name, vars(change)["new_schema"]))
    return any(_may_be_one(a, b) for a in named for b in tables)


def _may_be_one(a: TableRef, b: TableRef) -> bool:
    return a.name == b.name and (a.schema is None or b.schema is None or a.schema == b.schema)
