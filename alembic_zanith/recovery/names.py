"""Find names for what comes back: the old ones where they are free."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import Connection

from alembic_zanith.catalog.column_parts import Identity, OwnedSequence
from alembic_zanith.catalog.constraints import (
    Constraint,
    ExtendedStatistics,
    Index,
    IndexAttachment,
)
from alembic_zanith.catalog.parts import CycledSequence, Grants, Part, Renamed
from alembic_zanith.identifiers import fit
from alembic_zanith.sql import rows

from .definition import Definition, Holding

_TAKEN = """
SELECT c.relname::text AS name FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = :schema
 UNION
SELECT s.stxname::text FROM pg_catalog.pg_statistic_ext s
  JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace WHERE n.nspname = :schema
"""


def taken_names(connection: Connection, schema: str) -> set[str]:
    """Return the names in a schema that a table, index, sequence or statistics object has."""
    return {row.name for row in rows(connection, _TAKEN, schema=schema)}


def with_free_names(
    definition: Definition, taken: Collection[str], artifact_id: str
) -> tuple[Definition, tuple[tuple[str, str], ...]]:
    """Give each subordinate object whose name is taken another one; return what was renamed.

    An index "sessions_pkey" whose name is taken becomes "sessions_pkey_a4c09f1e".
    """
    wanted = {
        str(getattr(part, "name", ""))
        for holding in definition.holdings
        for part in holding.parts
        if _needs_own_name(part)
    }
    changed = {name: fit("", name, f"_{artifact_id}") for name in sorted(wanted & set(taken))}
    if not changed:
        return definition, ()
    holdings = tuple(
        replace(holding, parts=tuple(_renamed(part, changed) for part in holding.parts))
        for holding in definition.holdings
    )
    return replace(definition, holdings=holdings), tuple(changed.items())


def _needs_own_name(part: Part) -> bool:
    """Whether a part's name is one of its schema, not one of its table alone."""
    if isinstance(part, Constraint):
        return part.traits is not None
    return isinstance(part, Renamed | Index | ExtendedStatistics | Identity | OwnedSequence)


def _renamed(part: Part, changed: dict[str, str]) -> Part:
    if isinstance(part, IndexAttachment):
        parent = changed.get(part.parent, part.parent)
        return replace(part, name=changed.get(part.name, part.name), parent=parent)
    follows = isinstance(part, CycledSequence | Grants)
    if (_needs_own_name(part) or follows) and part.name in changed:  # type: ignore[attr-defined]
        return replace(part, name=changed[part.name])  # type: ignore[attr-defined, call-arg]
    return part


def existing(definition: Definition, present: Collection[tuple[str, str]]) -> Definition:
    """Leave out partitions that are gone by now."""
    kept: list[Holding] = [
        holding
        for holding in definition.holdings
        if holding is definition.root or (holding.name.schema, holding.name.name) in present
    ]
    return replace(definition, holdings=tuple(kept))
