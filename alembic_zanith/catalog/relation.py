"""Tables and columns as values, and how to find them by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from alembic_zanith.errors import NotDroppableError, UnknownObjectError, did_you_mean
from alembic_zanith.identifiers import QualifiedName
from alembic_zanith.sql import callers_path, rows, scalar

_KINDS = {
    "v": "a view",
    "m": "a materialized view",
    "f": "a foreign table",
    "S": "a sequence",
    "i": "an index",
    "I": "an index",
    "c": "a composite type",
}


@dataclass(frozen=True)
class Relation:
    """A table, plain (`kind` r) or partitioned (p)."""

    oid: int
    name: QualifiedName
    kind: str
    is_partition: bool
    owner: str
    tablespace: str | None

    @property
    def is_partitioned(self) -> bool:
        return self.kind == "p"


@dataclass(frozen=True)
class Column:
    """A column with everything that belongs to it alone.

    `type` is the full type as SQL, with its modifier; `base_type` what a domain stands on, at the
    end of the chain, or the built-in type that an extension's type is binary-coercible with both
    ways, as citext is with text; `bare_type` is that, or else the type, without a modifier, and
    `is_builtin` tells whether it is PostgreSQL's.
    """

    number: int
    name: str
    type: str
    base_type: str | None
    is_builtin: bool
    collation: str | None
    not_null: bool
    generated: str
    identity: str
    statistics_target: int | None
    storage: str
    default_storage: str
    compression: str | None
    options: tuple[str, ...]
    comment: str | None
    is_local: bool
    inheritance_count: int
    is_collatable: bool = False
    type_oid: int | None = None
    bare_type: str | None = None

    @property
    def has_own_collation(self) -> bool:
        """Whether the collation is none of PostgreSQL itself, so that it could be dropped."""
        return self.collation is not None and not self.collation.startswith("pg_catalog.")

    @property
    def needs_stand_in(self) -> bool:
        """Whether the type or collation could be dropped, and another holds the same values."""
        return self.base_type is not None or self.has_own_collation

    @property
    def portable_type(self) -> str:
        """A type of PostgreSQL itself that holds every value of this column exactly.

        Built-in types stand for themselves and what is stored like one of them for that. All others
        (enums, composites, types of extensions) can be dropped by a later migration, so their
        values are kept as text, which every type reads back.
        """
        if self.is_builtin:
            return self.base_type or self.type
        return "text"


_RELATION = """
SELECT c.oid::bigint AS oid, n.nspname::text AS schema, c.relname::text AS name,
       c.relkind::text AS kind, c.relispartition AS is_partition,
       c.relpersistence::text AS persistence,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
       t.spcname::text AS tablespace
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_catalog.pg_tablespace t ON t.oid = c.reltablespace
"""


def server_version(connection: Connection) -> int:
    """Return the server's version number, for example 180006."""
    return int(scalar(connection, "SELECT pg_catalog.current_setting('server_version_num')"))


def _relation(row: Any) -> Relation:
    return Relation(
        oid=row.oid,
        name=QualifiedName(row.schema, row.name),
        kind=row.kind,
        is_partition=row.is_partition,
        owner=row.owner,
        tablespace=row.tablespace,
    )


def find_relation(connection: Connection, table: str, schema: str | None = None) -> Relation | None:
    """Return the table of that name, by `search_path` when no schema is given, or None."""
    row = _find(connection, table, schema)
    return _relation(row) if row is not None and row.kind in "rp" else None


_VISIBLE = "SELECT CAST(pg_catalog.to_regclass(pg_catalog.quote_ident(:table)) AS pg_catalog.oid)"


def _find(connection: Connection, table: str, schema: str | None) -> Any:
    if schema is None:
        with callers_path(connection):
            oid = scalar(connection, _VISIBLE, table=table)
        found = rows(connection, _RELATION + "WHERE c.oid = CAST(:oid AS oid)", oid=oid)
    else:
        where = "WHERE n.nspname = :schema AND c.relname = :table"
        found = rows(connection, _RELATION + where, table=table, schema=schema)
    return found[0] if found else None


def relations_named(connection: Connection, table: str) -> list[Relation]:
    """Return the tables of that name in all schemas, temporary ones left out."""
    where = "WHERE c.relname = :table AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'"
    return [_relation(row) for row in rows(connection, _RELATION + where, table=table)]


def relation_by_oid(connection: Connection, oid: int) -> Relation | None:
    """Return the table with that object id, or None."""
    found = rows(connection, _RELATION + "WHERE c.oid = CAST(:oid AS oid)", oid=oid)
    return _relation(found[0]) if found and found[0].kind in "rp" else None


def get_relation(connection: Connection, table: str, schema: str | None = None) -> Relation:
    """Return the table of that name.

    Raises `UnknownObjectError`, naming close ones, when there is none, and `NotDroppableError`
    for a view, a sequence, a temporary table or one of PostgreSQL itself.
    """
    row = _find(connection, table, schema)
    if row is None:
        raise UnknownObjectError(_no_table(connection, table, schema))
    if row.kind not in "rp":
        what = _KINDS.get(row.kind, "no table")
        raise NotDroppableError(
            f"{table!r} is {what}, not a table; only tables and their columns can be parked."
        )
    if row.persistence == "t":
        raise NotDroppableError(
            f"{table!r} is a temporary table; it ends with its session and cannot be parked."
        )
    if row.schema == "information_schema" or row.schema.startswith("pg_"):
        raise NotDroppableError(f"{table!r} belongs to PostgreSQL itself and cannot be parked.")
    return _relation(row)


def _no_table(connection: Connection, table: str, schema: str | None) -> str:
    known = {
        (row.schema, row.name)
        for row in rows(
            connection,
            _RELATION + "WHERE c.relkind IN ('r', 'p') AND n.nspname NOT LIKE 'pg\\_%'"
            " AND n.nspname <> 'information_schema' AND c.relname NOT LIKE '\\_zanith\\_%'",
        )
    }
    where = "on the search path" if schema is None else f"in schema {schema!r}"
    elsewhere = sorted(f"{found_in}.{name}" for found_in, name in known if name == table)
    if elsewhere:
        return (
            f"There is no table {table!r} {where}, but there is {' and '.join(elsewhere)}: "
            "pass schema=."
        )
    return f"There is no table {table!r} {where}." + did_you_mean(
        table, {name for found_in, name in known if schema in (None, found_in)}
    )


_COLUMNS = """
SELECT a.attnum::int AS number, a.attname::text AS name,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       base.type AS base_type, base.bare_type AS bare_type, base.is_builtin AS is_builtin,
       CASE WHEN a.attcollation <> t.typcollation
            THEN pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(co.collname)
       END AS collation,
       a.attnotnull AS not_null, a.attgenerated::text AS generated, a.attidentity::text AS identity,
       CASE WHEN a.attstattarget >= 0 THEN a.attstattarget::int END AS statistics_target,
       a.attstorage::text AS storage, t.typstorage::text AS default_storage,
       nullif(a.attcompression::text, '') AS compression,
       coalesce(a.attoptions, '{}')::text[] AS options,
       pg_catalog.col_description(a.attrelid, a.attnum) AS comment,
       a.attislocal AS is_local, a.attinhcount::int AS inheritance_count,
       a.attcollation <> 0 AS is_collatable, a.atttypid::bigint AS type_oid
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_collation co ON co.oid = a.attcollation
  LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace
 CROSS JOIN LATERAL (
       WITH RECURSIVE chain (oid, typmod, depth) AS (
            SELECT a.atttypid, a.atttypmod, 0
             UNION ALL
            SELECT d.typbasetype, d.typtypmod, chain.depth + 1
              FROM chain JOIN pg_catalog.pg_type d ON d.oid = chain.oid WHERE d.typtype = 'd')
       SELECT CASE WHEN depth > 0 OR twin.oid IS NOT NULL
                   THEN pg_catalog.format_type(coalesce(twin.oid, chain.oid), typmod) END AS type,
              pg_catalog.format_type(coalesce(twin.oid, chain.oid), -1) AS bare_type,
              (chain.oid < 16384 OR twin.oid IS NOT NULL)
                AND NOT EXISTS (SELECT FROM pg_catalog.pg_type e
                                 WHERE e.oid = chain.oid AND e.typname ~ '^_?reg[a-z]+$')
                AS is_builtin
         FROM chain
         LEFT JOIN LATERAL (
              SELECT there.casttarget AS oid FROM pg_catalog.pg_cast there
                JOIN pg_catalog.pg_cast back ON back.castsource = there.casttarget
                 AND back.casttarget = there.castsource AND back.castmethod = 'b'
               WHERE chain.oid >= 16384 AND there.castsource = chain.oid
                 AND there.castmethod = 'b' AND there.casttarget < 16384
               ORDER BY there.casttarget LIMIT 1) AS twin ON true
        ORDER BY depth DESC LIMIT 1) AS base
 WHERE a.attrelid = CAST(:oid AS oid) AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attnum
"""


def columns(connection: Connection, relation: Relation) -> list[Column]:
    """Return the columns of a table in order.

    Type and collation names come out qualified when `search_path` is pinned
    (see `alembic_zanith.integrity.pinned_settings`).
    """
    result = []
    for row in rows(connection, _COLUMNS, oid=relation.oid):
        values = dict(row._mapping)
        values["options"] = tuple(values["options"])
        result.append(Column(**values))
    return result


def get_column(connection: Connection, relation: Relation, name: str) -> Column:
    """Return one column.

    Raises `UnknownObjectError`, naming close ones, when the table has none of that name.
    """
    present = columns(connection, relation)
    for column in present:
        if column.name == name:
            return column
    hint = did_you_mean(name, {c.name for c in present if not c.name.startswith("_zanith_")})
    raise UnknownObjectError(f"Table {relation.name.display} has no column {name!r}.{hint}")


_DESCENDANTS = """
WITH RECURSIVE tree (oid, depth) AS (
     SELECT CAST(:oid AS oid), 0
      UNION
     SELECT i.inhrelid, tree.depth + 1
       FROM pg_catalog.pg_inherits i JOIN tree ON i.inhparent = tree.oid
)
SELECT oid::bigint AS oid, max(depth) AS depth FROM tree GROUP BY oid ORDER BY max(depth), oid
"""


def tree(connection: Connection, relation: Relation) -> list[Relation]:
    """Return the table, then its partitions and children, parents before their children."""
    found = [
        relation_by_oid(connection, row.oid)
        for row in rows(connection, _DESCENDANTS, oid=relation.oid)
    ]
    return [member for member in found if member is not None]
