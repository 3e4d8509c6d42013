"""Find names for what comes back: the old ones where they are free."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from typing import NamedTuple

from sqlalchemy import Connection

from alembic_zanith.catalog.column_parts import Identity, OwnedSequence, SequenceFill
from alembic_zanith.catalog.constraints import (
    Constraint,
    ForeignKey,
    Index,
    IndexAttachment,
    NamedNotNull,
)
from alembic_zanith.catalog.grants import Grants
from alembic_zanith.catalog.parts import Part, Renamed
from alembic_zanith.catalog.statistics_parts import ExtendedStatistics
from alembic_zanith.identifiers import fit
from alembic_zanith.sql import rows

from .definition import Definition, Holding
from .plan import Place

RELATION, TYPE, STATISTICS, CONSTRAINT = "relation", "type", "statistics", "constraint"


class Name(NamedTuple):
    """A name and what it has to be unique among.

    Tables, indexes and sequences (`RELATION`), types and statistics objects each are among their
    like in one schema; constraints among those of one table, so their `schema` stays empty.
    """

    space: str
    schema: str
    name: str


_TAKEN = f"""
SELECT '{RELATION}' AS space, n.nspname::text AS schema, c.relname::text AS name
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = ANY (CAST(:schemas AS text[]))
 UNION ALL
SELECT '{TYPE}', n.nspname::text, t.typname::text
  FROM pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
 WHERE n.nspname = ANY (CAST(:schemas AS text[]))
 UNION ALL
SELECT '{STATISTICS}', n.nspname::text, s.stxname::text
  FROM pg_catalog.pg_statistic_ext s
  JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
 WHERE n.nspname = ANY (CAST(:schemas AS text[]))
 UNION ALL
SELECT '{CONSTRAINT}', '', con.conname::text
  FROM pg_catalog.pg_constraint con
  JOIN pg_catalog.pg_class c ON c.oid = con.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE (n.nspname, c.relname) IN (SELECT * FROM unnest(CAST(:table_schemas AS text[]),
                                                       CAST(:tables AS text[])))
"""


def with_free_names(
    connection: Connection, definition: Definition, place: Place, artifact_id: str
) -> tuple[Definition, tuple[tuple[str, str], ...]]:
    """Give everything whose name is taken another one; return what was renamed, as (old, new).

    An index `sessions_pkey` whose name is taken becomes `sessions_pkey_a4c09f1e`. The table or
    column itself is not looked at: its name is for the user to choose.
    """
    found = _names_in_use(connection, definition, place)
    changed = _new_names(definition, place, found, artifact_id)
    pairs = sorted({(name.name, new) for name, new in changed.items()})
    return _under_names(definition, place, found, changed), tuple(pairs)


def free_names(
    connection: Connection, definition: Definition, place: Place, artifact_id: str
) -> dict[Name, str]:
    """Return what `with_free_names` would call otherwise, for `under_names` to do so later."""
    found = _names_in_use(connection, definition, place)
    return _new_names(definition, place, found, artifact_id)


def under_names(definition: Definition, place: Place, changed: dict[Name, str]) -> Definition:
    """Give the parts of a column the names that were found for them."""
    return _under_names(definition, place, (), changed)


def _new_names(
    definition: Definition, place: Place, found: Collection[Name], artifact_id: str
) -> dict[Name, str]:
    taken_before = set(found)
    taken, changed = set(found), dict[Name, str]()
    for names in _names_wanted(definition, place, found):
        known = {changed[name] for name in names if name in changed}
        if known or not taken_before.isdisjoint(names):
            new = known.pop() if known else _free(names, taken, artifact_id)
            changed |= dict.fromkeys(names, new)
            taken |= {name._replace(name=new) for name in names}
    return changed


def _under_names(
    definition: Definition, place: Place, found: Collection[Name], changed: dict[Name, str]
) -> Definition:
    if not changed:
        return definition
    holdings = tuple(
        _renamed_holding(holding, place, definition, found, changed)
        for holding in definition.holdings
    )
    return replace(definition, holdings=holdings)


def _names_in_use(connection: Connection, definition: Definition, place: Place) -> set[Name]:
    """Return the names in every schema that something comes back to or is parked in."""
    schemas = {place.relation.schema}
    for holding in definition.holdings:
        schemas |= {holding.name.schema, holding.parked.schema}
        schemas |= {p.schema for p in holding.parts if isinstance(p, ExtendedStatistics | Renamed)}
    tables = []
    if definition.column is not None:
        tables = [place.relation, *(holding.name for holding in definition.holdings[1:])]
    found = rows(
        connection,
        _TAKEN,
        schemas=sorted(schemas),
        table_schemas=[table.schema for table in tables],
        tables=[table.name for table in tables],
    )
    return {Name(row.space, row.schema, row.name) for row in found}


def _names_wanted(
    definition: Definition, place: Place, found: Collection[Name]
) -> Iterator[tuple[Name, ...]]:
    """Yield what each part, and each partition of a table, is about to be called."""
    for holding in definition.holdings:
        schema = _schema(holding, definition, place)
        if definition.column is None and holding is not definition.root and holding.has_moved:
            yield Name(RELATION, schema, holding.name.name), Name(TYPE, schema, holding.name.name)
        for part in holding.parts:
            if names := _names(part, schema, holding.parked.schema, found):
                yield names


def _schema(holding: Holding, definition: Definition, place: Place) -> str:
    return place.relation.schema if holding is definition.root else holding.name.schema


def _names(
    part: Part, schema: str, parked_schema: str, found: Collection[Name]
) -> tuple[Name, ...]:
    """Return what a part's name has to be unique among; nothing for parts without such a name."""
    match part:
        case Constraint(name=name, traits=traits) if traits is not None:
            return Name(CONSTRAINT, "", name), Name(RELATION, schema, name)
        case Constraint(name=name) | NamedNotNull(name=name) | ForeignKey(name=name):
            return (Name(CONSTRAINT, "", name),)
        case Renamed(object_kind="constraint", name=name, parked=parked):
            if Name(RELATION, parked_schema, parked) in found:  # it is one with an index
                return Name(CONSTRAINT, "", name), Name(RELATION, schema, name)
            return (Name(CONSTRAINT, "", name),)
        case Renamed(object_kind="statistics", schema=own, name=name):
            return (Name(STATISTICS, own, name),)
        case ExtendedStatistics(schema=own, name=name):
            return (Name(STATISTICS, own, name),)
        case Renamed(name=name) | Index(name=name) | Identity(name=name) | OwnedSequence(name=name):
            return (Name(RELATION, schema, name),)
    return ()


def _free(names: tuple[Name, ...], taken: Collection[Name], artifact_id: str) -> str:
    """Return a name that is free wherever it has to be; a number tells long names apart."""
    for suffix in (f"_{artifact_id}", *(f"_{artifact_id}_{n}" for n in range(2, len(taken) + 3))):
        new = fit("", names[0].name, suffix)
        if not any(name._replace(name=new) in taken for name in names):
            return new
    raise AssertionError("there are more candidates than names taken")


def _renamed_holding(
    holding: Holding,
    place: Place,
    definition: Definition,
    found: Collection[Name],
    changed: dict[Name, str],
) -> Holding:
    schema = _schema(holding, definition, place)

    def new(relation: str, in_schema: str = schema) -> str:
        return changed.get(Name(RELATION, in_schema, relation), relation)

    def renamed(part: Part) -> Part:
        names = _names(part, schema, holding.parked.schema, found)
        if names and names[0] in changed:
            return replace(part, name=changed[names[0]])  # type: ignore[call-arg]  # it has one
        if isinstance(part, IndexAttachment):
            return replace(part, name=new(part.name), parent=new(part.parent, part.parent_schema))
        if isinstance(part, Grants) and part.name is not None:
            return replace(part, name=new(part.name))
        if isinstance(part, SequenceFill):
            return replace(part, sequence=new(part.sequence))
        return part

    parts = tuple(renamed(part) for part in holding.parts)
    name = holding.name
    if definition.column is None and holding is not definition.root:
        name = name.renamed(new(name.name))
    return replace(holding, name=name, parts=parts)
