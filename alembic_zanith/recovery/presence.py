"""Which artifacts still have their data, where, and how large it is: for many at once."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact
from alembic_zanith.identifiers import QualifiedName
from alembic_zanith.models import ArtifactKind
from alembic_zanith.sql import rows

from .carriers import carriers_of_all, choose, several


@dataclass(frozen=True)
class ParkedRelation:
    """The relation that holds the data of an artifact.

    `size_bytes` is None for the column of a live table, which has no size of its own. `unsure`
    names all tables that may be the one, where that cannot be told; this is the first of them.
    `row_estimate` is what the planner assumes, None for a table never analyzed.
    """

    oid: int
    name: QualifiedName
    kind: str
    row_estimate: int | None
    size_bytes: int | None
    unsure: tuple[QualifiedName, ...] = ()


# pg_total_relation_size says 0 for a partitioned table; pg_partition_tree has no rows for others:
# https://www.postgresql.org/docs/current/functions-admin.html#FUNCTIONS-INFO-PARTITION
_TABLES = """
SELECT n.nspname::text AS schema, c.relname::text AS name, c.oid::bigint AS oid,
       c.relkind::text AS kind, nullif(c.reltuples, -1)::bigint AS row_estimate,
       coalesce((SELECT sum(pg_catalog.pg_total_relation_size(t.relid))
                   FROM pg_catalog.pg_partition_tree(c.oid) t),
                pg_catalog.pg_total_relation_size(c.oid))::bigint AS size_bytes
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'
   AND c.relname = ANY (CAST(:names AS text[]))
"""


def find_all_parked(
    connection: Connection, artifacts: Collection[Artifact]
) -> Mapping[str, ParkedRelation]:
    """Return the relation of each artifact whose data exists, by artifact id.

    For a soft-dropped column that is its table, also when that was renamed or moved since. Where
    only others have the column by now, it is the first of them, with all of them as `unsure`.
    """
    artifacts = [artifact for artifact in artifacts if artifact.holds_data]
    soft_dropped = [a for a in artifacts if a.kind is ArtifactKind.SOFT_DROP_COLUMN]
    in_tables = [a for a in artifacts if a.kind is not ArtifactKind.SOFT_DROP_COLUMN]
    return {**_tables(connection, in_tables), **_columns(connection, soft_dropped)}


def find_parked(connection: Connection, artifact: Artifact) -> ParkedRelation | None:
    """Return the relation of one artifact, or None when its data is gone.

    Raises `AmbiguousTargetError` when several tables have a soft-dropped column.
    """
    found = find_all_parked(connection, [artifact]).get(artifact.id)
    if found is not None and found.unsure:
        raise several(artifact, found.unsure)
    return found


def _tables(connection: Connection, artifacts: Collection[Artifact]) -> dict[str, ParkedRelation]:
    if not artifacts:
        return {}
    by_name: dict[str, list[ParkedRelation]] = {}
    for row in rows(connection, _TABLES, names=[artifact.parked_table for artifact in artifacts]):
        by_name.setdefault(row.name, []).append(_parked_relation(row))
    found = {}
    for artifact in artifacts:
        candidates = by_name.get(artifact.parked_table, [])
        there = [each for each in candidates if each.name == artifact.parked_name] or candidates
        if len(there) == 1:
            found[artifact.id] = there[0]
    return found


def _columns(connection: Connection, artifacts: Collection[Artifact]) -> dict[str, ParkedRelation]:
    carriers = carriers_of_all(connection, artifacts)
    found = {}
    for artifact in artifacts:
        if candidates := carriers.get(artifact.id):
            chosen = choose(connection, artifact, candidates)
            unsure = tuple(each.name for each in candidates) if chosen is None else ()
            first = chosen or candidates[0]
            found[artifact.id] = ParkedRelation(
                first.oid, first.name, first.kind, first.row_estimate, None, unsure
            )
    return found


def _parked_relation(row: Any) -> ParkedRelation:
    name = QualifiedName(row.schema, row.name)
    return ParkedRelation(row.oid, name, row.kind, row.row_estimate, row.size_bytes)
