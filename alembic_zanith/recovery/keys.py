"""The key by which archived values find their rows again."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact
from alembic_zanith.catalog.relation import Relation, columns
from alembic_zanith.errors import KeyChangedError, UnknownObjectError
from alembic_zanith.identifiers import quote
from alembic_zanith.sql import one, rows, run

from .definition import Definition

_COMPARABLE = """
SELECT pg_catalog.format_type(a.atttypid, a.atttypmod) AS archived,
       pg_catalog.format_type(t.atttypid, t.atttypmod) AS live,
       a.atttypid = base.oid
       OR EXISTS (SELECT FROM pg_catalog.pg_cast c
                   WHERE c.castsource = base.oid AND c.casttarget = a.atttypid
                     AND c.castmethod = 'b' AND c.castcontext = 'i')
       OR EXISTS (SELECT FROM pg_catalog.pg_amop o
                    JOIN pg_catalog.pg_am m ON m.oid = o.amopmethod AND m.amname = 'btree'
                   WHERE o.amopstrategy = 3 AND o.amoplefttype = a.atttypid
                     AND o.amoprighttype = base.oid
                     AND (o.amoplefttype = CAST('timestamptz' AS regtype))
                       = (o.amoprighttype = CAST('timestamptz' AS regtype))) AS comparable,
       a.atttypid = ANY (CAST('{timestamptz,timestamp,date}' AS regtype[]))
         AND base.oid = ANY (CAST('{timestamptz,timestamp,date}' AS regtype[])) AS needs_time_zone
  FROM pg_catalog.pg_attribute a, pg_catalog.pg_attribute t
 CROSS JOIN LATERAL (
       WITH RECURSIVE chain (oid, depth) AS (
            SELECT t.atttypid, 0
             UNION ALL
            SELECT d.typbasetype, chain.depth + 1
              FROM chain JOIN pg_catalog.pg_type d ON d.oid = chain.oid WHERE d.typtype = 'd')
       SELECT chain.oid FROM chain ORDER BY depth DESC LIMIT 1) AS base
 WHERE a.attrelid = pg_catalog.to_regclass(:archive) AND a.attname = :archived
   AND t.attrelid = pg_catalog.to_regclass(:relation) AND t.attname = :live
"""
"""Whether PostgreSQL looks a live key up in the index of the archive: of the same type, or of one
that the index's operator family compares with it, as bigint with integer. Not one with a time zone
and one without, though: which moment is meant then is for whoever changed the type to say.
https://www.postgresql.org/docs/current/btree.html"""

_ZONE = (
    "with the time zone that the table's own column was converted in, and with --force, because "
    "the checksum is of the archive as it was.\n"
)


def require_key(
    connection: Connection, artifact: Artifact, definition: Definition, relation: Relation
) -> None:
    """Make sure that the values of an archive can find their rows.

    Raises `UnknownObjectError` when the table no longer has the key, and `KeyChangedError` when
    it has another type by now.
    """
    present = {column.name for column in columns(connection, relation)}
    lost = [key.name for key in definition.key if key.name not in present]
    if lost:
        raise UnknownObjectError(
            f"{artifact.source} cannot come back: its values are found by {', '.join(lost)}, which "
            f"{relation.name.display} no longer has. Nothing has changed, and the archive "
            f"{artifact.parked} is intact. Restore or rename the key column back first, or export "
            f"the values: `alembic zanith-recover export {artifact.id} --format csv`"
        )
    for number, key in enumerate(definition.key, 1):
        if not key.stored_as_text:
            _require_comparable(connection, artifact, relation, key.name, f"key_{number}")


def _require_comparable(
    connection: Connection, artifact: Artifact, relation: Relation, live: str, archived: str
) -> None:
    (found,) = rows(
        connection,
        _COMPARABLE,
        archive=str(artifact.parked_name),
        archived=archived,
        relation=str(relation.name),
        live=live,
    )
    if found.comparable:
        return
    value = f"CAST(CAST({archived} AS text) AS {found.live})"
    if found.needs_time_zone:
        value = f"{archived} AT TIME ZONE 'UTC'"
    raise KeyChangedError(
        f"{artifact.source} cannot come back: its values are found by {live}, which was "
        f"{found.archived} when they were archived and is {found.live} now. Nothing has changed. "
        "Give the archive the same type, then restore again:\n"
        f"  ALTER TABLE {artifact.parked_name} ALTER COLUMN {archived} TYPE {found.live}"
        f" USING {value};\n"
        f"{_ZONE if found.needs_time_zone else ''}"
        f"Or export the values: `alembic zanith-recover export {artifact.id} --format csv`"
    )


def count_unmatched(
    connection: Connection, artifact: Artifact, definition: Definition, relation: Relation
) -> tuple[int, int]:
    """Count live rows without an archived value, and archived rows without a live row."""
    joined = " AND ".join(
        f"a.key_{i} = {key.live(f't.{quote(key.name)}')}" for i, key in enumerate(definition.key, 1)
    )
    live, matched = one(
        connection,
        f"SELECT pg_catalog.count(*), pg_catalog.count(a.key_1) FROM {relation.name} AS t"
        f" LEFT JOIN {artifact.parked_name} AS a ON {joined}",
    )
    archived = run(connection, f"SELECT pg_catalog.count(*) FROM {artifact.parked_name}").scalar()
    return int(live) - int(matched), int(archived or 0) - int(matched)
