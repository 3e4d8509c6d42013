"""The key by which archived values find their rows again."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog.relation import Column, Relation, columns, tree
from alembic_zanith.catalog.unique_keys import unique_keys
from alembic_zanith.errors import KeyChangedError, UnknownObjectError
from alembic_zanith.identifiers import QualifiedName, quote
from alembic_zanith.models import ArtifactKind, ArtifactStatus
from alembic_zanith.sql import one, rows, run

from .carriers import known_oid
from .definition import ArchiveKey, Definition

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
    store: ArtifactStore,
    artifact: Artifact,
    definition: Definition,
    relation: Relation,
    *,
    force: bool = False,
) -> None:
    """Make sure that the values of an archive can find their rows.

    Raises `UnknownObjectError` when the table no longer has the key, and `KeyChangedError` when
    it has another type by now, tells rows apart no more, or is another column. `force` goes by the
    text of another type, and by another column.
    """
    if not definition.lookup_key:
        return
    connection = store.connection
    present = {column.name: column for column in columns(connection, relation)}
    lost = [key.name for key in definition.lookup_key if key.name not in present]
    if lost:
        raise UnknownObjectError(
            f"{artifact.source} cannot come back: its values are found by {', '.join(lost)}, which "
            f"{relation.name.display} no longer has. Nothing has changed, and the archive "
            f"{artifact.parked} is intact. Restore or rename the key column back first, or export "
            f"the values: `alembic zanith-recover export {artifact.id} --format csv`"
        )
    if not force and known_oid(connection, artifact) == relation.oid:
        for key in definition.lookup_key:
            number = present[key.name].number
            if key.number is not None and _now(store, definition, key.number) != number:
                raise _another_column(artifact, relation, key.name)
    _require_one_row_each(connection, artifact, definition, relation)
    for number, key in enumerate(definition.lookup_key, 1):
        if not key.stored_as_text:
            _require_comparable(connection, artifact, relation, key.name, f"key_{number}")
        elif not force and not _prints_the_same(connection, artifact, key, present[key.name]):
            raise _another_type(artifact, relation, key, present[key.name])


def _now(store: ArtifactStore, definition: Definition, number: int) -> int:
    """Return the number of a column by now: another, if it was archived itself and came back."""
    since = {
        each.definition["column"]["number"]: (each.restore_report or {}).get("column_number")
        for each in store.all([ArtifactStatus.RESTORED])
        if each.kind is ArtifactKind.ARCHIVE_COLUMN
        and each.definition["database_id"] == definition.database_id
        and each.definition["relation_oid"] == definition.relation_oid
    }
    while (then := since.pop(number, None)) is not None:
        number = then
    return number


def _another_column(artifact: Artifact, relation: Relation, key: str) -> KeyChangedError:
    return KeyChangedError(
        f"{artifact.source} cannot come back by itself: its values are found by {key}, and "
        f"{relation.name.display}.{key} is another column than it was then, which was dropped or "
        "renamed. Nothing has changed, and the archive is intact. If the new column has the same "
        "value in each row, --force (in a revision: force=True) goes by it; `alembic "
        f"zanith-recover export {artifact.id} --format csv` shows the values."
    )


_TEXT = ("text", "character varying", "character")


def _prints_the_same(
    connection: Connection, artifact: Artifact, key: ArchiveKey, live: Column
) -> bool:
    """Whether a key that was archived as text has its type still, under whatever name, or is text.

    The type of an extension that stands for text, as citext does, has that as its base.
    """
    if key.type in (None, live.type) or (live.base_type or live.type).partition("(")[0] in _TEXT:
        return True
    same_type = key.type_oid is not None and key.type_oid == live.type_oid
    return same_type and known_oid(connection, artifact) is not None


def _another_type(
    artifact: Artifact, relation: Relation, key: ArchiveKey, live: Column
) -> KeyChangedError:
    return KeyChangedError(
        f"{artifact.source} cannot come back by itself: its values are found by the text of "
        f"{key.name}, and {relation.name.display}.{key.name}, which was {key.type} when they were "
        f"archived, is {live.type} now. Nothing has changed, and the archive is intact. If each "
        "key has the same text as then, --force (in a revision: force=True) goes by it. If not, "
        f"change the keys of {artifact.parked_name} to the new ones first, or export the values: "
        f"`alembic zanith-recover export {artifact.id} --format csv`"
    )


def _require_one_row_each(
    connection: Connection, artifact: Artifact, definition: Definition, relation: Relation
) -> None:
    """The key must still tell rows apart: by an index that holds for all of them, or in fact."""
    names = [key.name for key in definition.lookup_key]
    has_heirs = not relation.is_partitioned and len(tree(connection, relation)) > 1
    if not has_heirs and any(
        {*each.columns} <= {*names} for each in unique_keys(connection, relation)
    ):
        return
    if found := rows(connection, f"{same_key_sql(definition, relation.name)} LIMIT 1"):
        example = ", ".join(map(str, found[0]))
        raise KeyChangedError(
            f"{artifact.source} cannot come back: its values are found by {', '.join(names)}, and "
            f"{relation.name.display}, with the tables that inherit from it, has several rows "
            f"with the same ({example}). Nothing has changed, and the archive is intact. Make the "
            "key unique again, or export the values: `alembic zanith-recover export "
            f"{artifact.id} --format csv`"
        )


def same_key_sql(definition: Definition, table: QualifiedName) -> str:
    """Return the query for keys of archived values that several rows of a table have."""
    names = [quote(key.name) for key in definition.lookup_key]
    listing = ", ".join(names)
    given = " AND ".join(f"{name} IS NOT NULL" for name in names)
    return (
        f"SELECT {listing} FROM {table} WHERE {given}"
        f" GROUP BY {listing} HAVING pg_catalog.count(*) > 1"
    )


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
        f"a.key_{i} = {key.live(f't.{quote(key.name)}')}"
        for i, key in enumerate(definition.lookup_key, 1)
    )
    live, matched = one(
        connection,
        f"SELECT pg_catalog.count(*), pg_catalog.count(a.key_1) FROM {relation.name} AS t"
        f" LEFT JOIN {artifact.parked_name} AS a ON {joined}",
    )
    archived = run(connection, f"SELECT pg_catalog.count(*) FROM {artifact.parked_name}").scalar()
    return int(live) - int(matched), int(archived or 0) - int(matched)
