"""Which tables have a soft-dropped column under its parked name, and which of them is meant."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact
from alembic_zanith.errors import AmbiguousTargetError
from alembic_zanith.identifiers import QualifiedName, quote
from alembic_zanith.models import MigrationArtifact
from alembic_zanith.sql import rows, scalar


@dataclass(frozen=True)
class Carrier:
    """A table that has a column of some parked name, and does not inherit it."""

    oid: int
    name: QualifiedName
    kind: str
    row_estimate: int | None


# The parked name alone does not tell: CREATE TABLE … AS and LIKE copy it, DETACH PARTITION and
# NO INHERIT leave it behind. Foreign tables are left out, because one may stand for the table
# itself, and temporary tables, because other sessions cannot use them. What a child inherits goes
# with its parent: https://www.postgresql.org/docs/current/ddl-inherit.html
_CARRIERS = """
SELECT a.attname::text AS column, n.nspname::text AS schema, c.relname::text AS name,
       c.oid::bigint AS oid, c.relkind::text AS kind,
       nullif(c.reltuples, -1)::bigint AS row_estimate
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE a.attname = ANY (CAST(:columns AS text[])) AND NOT a.attisdropped
   AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't' AND a.attinhcount = 0
 ORDER BY n.nspname, c.relname
"""


def carriers_of_all(
    connection: Connection, artifacts: Collection[Artifact]
) -> Mapping[str, list[Carrier]]:
    """Return the tables that carry the column of each soft drop, by artifact id."""
    names = {artifact.parked_column for artifact in artifacts if artifact.parked_column is not None}
    found: dict[str, list[Carrier]] = {}
    for row in rows(connection, _CARRIERS, columns=sorted(names)) if names else ():
        found.setdefault(row.column, []).append(_carrier(row))
    return {
        artifact.id: found[artifact.parked_column]
        for artifact in artifacts
        if artifact.parked_column in found
    }


def carriers_of(connection: Connection, artifact: Artifact) -> list[Carrier]:
    """Return the tables that carry the column of one soft drop."""
    return carriers_of_all(connection, [artifact]).get(artifact.id, [])


def choose(connection: Connection, artifact: Artifact, found: Sequence[Carrier]) -> Carrier | None:
    """Return the table whose column the artifact speaks of; None if that cannot be told.

    It is the one that was the source, whatever its name is now; else the one that has its name, as
    when batch mode made the table anew. In a restored dump, where OIDs are others, the only one
    will do as well.
    """
    oid = known_oid(connection, artifact)
    same = [carrier for carrier in found if carrier.oid == oid]
    named = [carrier for carrier in found if carrier.name == artifact.source_name]
    only = list(found) if oid is None and len(found) == 1 else []
    return next(iter(same or named or only), None)


def meant(connection: Connection, artifact: Artifact) -> list[Carrier]:
    """Return the table that `choose` chooses, or all that it may be."""
    found = carriers_of(connection, artifact)
    chosen = choose(connection, artifact, found)
    return found if chosen is None else [chosen]


def several(artifact: Artifact, names: Iterable[QualifiedName]) -> AmbiguousTargetError:
    """Return the error for an artifact whose column is in tables that may be copies."""
    listing = ", ".join(name.display for name in names)
    column = quote(str(artifact.parked_column))
    return AmbiguousTargetError(
        f"Nothing has changed: {artifact.source} (artifact {artifact.id}) is parked as the column "
        f"{artifact.parked_column}, and none of the tables that have it by now is "
        f"{artifact.source_name.display}: {listing}. They are copies of it, or were detached from "
        f"it. Where the values are to live on: ALTER TABLE … RENAME COLUMN {column} TO "
        f"{quote(str(artifact.source_column))}. Where not, drop the column."
    )


def left_behind(connection: Connection, artifact: Artifact, chosen: int) -> list[str]:
    """Return a warning for each other table that keeps the column under its parked name."""
    return [
        f"{carrier.name.display} has the column as well, under its parked name "
        f"{artifact.parked_column}: it was detached or copied from the table meanwhile. It was "
        "left as it is; rename or drop that column there."
        for carrier in carriers_of(connection, artifact)
        if carrier.oid != chosen
    ]


def copies_left(connection: Connection, artifact: Artifact) -> list[str]:
    """Return a warning for each table that keeps a column whose artifact was just purged."""
    return [
        f"{carrier.name.display} still has the column, detached or copied meanwhile. If that is to "
        f"go as well: ALTER TABLE {carrier.name} DROP COLUMN {quote(str(artifact.parked_column))}"
        for carrier in carriers_of(connection, artifact)
    ]


def known_oid(connection: Connection, artifact: Artifact) -> int | None:
    """Return the OID of the source, unless this is another database than it was parked in.

    In a restored dump the same number may be that of any other table.
    """
    database = artifact.definition.get("database_id")
    if database is None or database not in _databases(connection):
        return None
    return int(artifact.definition["relation_oid"])


DATABASES = (
    "SELECT s.system_identifier::text || '/' || d.oid::text || '/' || c.oid::text AS id"
    " FROM pg_catalog.pg_control_system() s, pg_catalog.pg_database d, pg_catalog.pg_class c"
    " WHERE d.datname = pg_catalog.current_database()"
    f" AND c.relname = '{MigrationArtifact.__tablename__}'"
)
"""What tells this database from every other, for each bookkeeping table in it.

The OID of that is part of it, for a dump that is restored into the database that it comes from.
"""


def database_id(connection: Connection, bookkeeping: QualifiedName) -> str | None:
    """Return what tells this database from every other, restored dumps and clones included.

    None where the server does not tell.
    """
    oid = scalar(
        connection, "SELECT pg_catalog.to_regclass(:name)::oid::text", name=str(bookkeeping)
    )
    found = (each for each in _databases(connection) if each.rpartition("/")[2] == oid)
    return next(found, None)


def _databases(connection: Connection) -> list[str]:
    # https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-CONTROLDATA
    may = "SELECT pg_catalog.has_function_privilege('pg_catalog.pg_control_system()', 'EXECUTE')"
    return [row.id for row in rows(connection, DATABASES)] if scalar(connection, may) else []


def _carrier(row: Any) -> Carrier:
    return Carrier(row.oid, QualifiedName(row.schema, row.name), row.kind, row.row_estimate)
