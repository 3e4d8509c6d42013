"""What is in a database or in a schema, and how to drop it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from alembic_zanith.failures import sqlstate
from alembic_zanith.identifiers import quote
from alembic_zanith.sql import rows, run

if TYPE_CHECKING:
    from sqlalchemy import Connection

# Each catalog of things that are made by themselves, with the column that says in which schema.
_CATALOGS = {
    "pg_class": "relnamespace",
    "pg_type": "typnamespace",
    "pg_proc": "pronamespace",
    "pg_operator": "oprnamespace",
    "pg_opclass": "opcnamespace",
    "pg_opfamily": "opfnamespace",
    "pg_collation": "collnamespace",
    "pg_conversion": "connamespace",
    "pg_ts_parser": "prsnamespace",
    "pg_ts_dict": "dictnamespace",
    "pg_ts_template": "tmplnamespace",
    "pg_ts_config": "cfgnamespace",
    "pg_namespace": "",
    "pg_cast": "",
    "pg_transform": "",
    "pg_language": "",
    "pg_am": "",
    "pg_foreign_data_wrapper": "",
    "pg_foreign_server": "",
    "pg_publication": "",
    "pg_event_trigger": "",
}

# initdb gives numbers below this one: https://www.postgresql.org/docs/current/system-catalog-initial-data.html#SYSTEM-CATALOG-OID-ASSIGNMENT
_FIRST_OF_USERS = 16384


def _each(catalog: str, schema: str) -> str:
    of_users = f"x.oid >= {_FIRST_OF_USERS}"
    if catalog == "pg_class":
        of_users += " AND x.relkind NOT IN ('i', 'I', 't')"
    if catalog == "pg_namespace":
        # public by another name keeps its number.
        of_users = "x.nspname NOT IN ('pg_catalog', 'information_schema')"
    return (
        f"SELECT 'pg_catalog.{catalog}'::pg_catalog.regclass::oid, x.oid, "
        f"{f'x.{schema}' if schema else 'CAST(NULL AS oid)'} "
        f"FROM pg_catalog.{catalog} AS x WHERE {of_users}"
    )


# What belongs to an extension, and what PostgreSQL makes along with something else (the type of a
# table's rows, the sequence of an identity), comes and goes with that.
# https://www.postgresql.org/docs/current/catalog-pg-depend.html
_CONTENTS = f"""
WITH made(classid, objid, nsp) AS (
    {" UNION ALL ".join(_each(*each) for each in _CATALOGS.items())}
    UNION ALL
    SELECT 'pg_catalog.pg_largeobject'::pg_catalog.regclass::oid, m.oid, NULL
      FROM pg_catalog.pg_largeobject_metadata AS m
    UNION ALL
    SELECT 'pg_catalog.pg_subscription'::pg_catalog.regclass::oid, s.oid, NULL
      FROM pg_catalog.pg_subscription AS s
     WHERE s.subdbid = (SELECT oid FROM pg_catalog.pg_database
                         WHERE datname = pg_catalog.current_database())
)
SELECT i.type, i.identity, coalesce(n.nspname::text, '')
  FROM made
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = made.nsp
 CROSS JOIN LATERAL pg_catalog.pg_identify_object(made.classid, made.objid, 0) AS i
 WHERE i.type IS NOT NULL
   AND coalesce(n.nspname, '') !~ '^pg_(toast|temp)'
   AND NOT (i.type = 'schema' AND i.identity ~ '^pg_(toast|temp)')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend AS d
                    WHERE d.classid = made.classid AND d.objid = made.objid
                      AND d.objsubid = 0 AND d.deptype IN ('e', 'i'))
"""


@dataclass(frozen=True)
class Content:
    """One object: its type in PostgreSQL's words, its whole name, and the schema that it is in."""

    type: str
    identity: str
    schema: str

    def __str__(self) -> str:
        return f"{self.type} {self.identity}"


def contents(connection: Connection, schemas: Collection[str] | None = None) -> list[Content]:
    """Return all that users have made in a database, or in some schemas of it; tables first.

    The schema public counts as one that was always there.
    """
    found = (Content(*map(str, row)) for row in rows(connection, _CONTENTS))
    return sorted(
        (
            each
            for each in found
            if (schemas is None or each.schema in schemas)
            and not (each.type == "schema" and each.identity == "public")
        ),
        key=lambda each: (_PLACES.get(each.type, _USUAL), each.identity),
    )


_USUAL = 4
# What could stand in the way is dropped first, what others are in or made with last.
_PLACES = {
    "event trigger": 0,
    "subscription": 1,
    "publication": 2,
    "table": 3,
    "foreign table": 3,
    "server": 5,
    "foreign-data wrapper": 6,
    "access method": 6,
    "language": 6,
    "schema": 7,
}

_BATCH = 100
# Gone with something else, or named with something that is gone.
_IS_GONE = ("42704", "42883", "42P01", "3F000")


def drop(connection: Connection, found: Sequence[Content]) -> None:
    """Drop objects and what depends on them, in transactions of bounded size.

    One that drops thousands of tables needs more locks than a server has room for:
    https://www.postgresql.org/docs/current/runtime-config-locks.html#GUC-MAX-LOCKS-PER-TRANSACTION
    """
    for start in range(0, len(found), _BATCH):
        for each in found[start : start + _BATCH]:
            _drop_one(connection, each)
        connection.commit()


def _drop_one(connection: Connection, content: Content) -> None:
    try:
        with connection.begin_nested():
            for statement in _statements(content):
                run(connection, statement)
    except DBAPIError as error:
        if sqlstate(error) not in _IS_GONE:
            raise


def _statements(content: Content) -> list[str]:
    # PostgreSQL has quoted the names that it gives.
    identity = content.identity
    match content.type:
        case "large object":
            return [f"SELECT pg_catalog.lo_unlink({int(identity)})"]
        case "subscription":
            # Without its slot, which is on another server, it needs no connection to that one.
            return [
                f"ALTER SUBSCRIPTION {identity} DISABLE",
                f"ALTER SUBSCRIPTION {identity} SET (slot_name = NONE)",
                f"DROP SUBSCRIPTION IF EXISTS {identity} CASCADE",
            ]
        case "transform":
            of_type, language = identity.removeprefix("for ").rsplit(" on language ", 1)
            return [f"DROP TRANSFORM IF EXISTS FOR {of_type} LANGUAGE {language} CASCADE"]
        case "composite type" | "domain":
            return [f"DROP TYPE IF EXISTS {identity} CASCADE"]
    kind = content.type.replace("-", " ").upper()
    return [f"DROP {kind} IF EXISTS {identity} CASCADE"]


def drop_schema(connection: Connection, schema: str) -> None:
    """Drop one schema with all that is in it, in several transactions."""
    drop(connection, contents(connection, [schema]))
    run(connection, f"DROP SCHEMA IF EXISTS {quote(schema)} CASCADE")
    connection.commit()


# What hangs on a relation is where that one is: the rules of views, constraints, defaults…
_OUTSIDE = """
WITH of_schema(classid, objid) AS (
    SELECT d.classid, d.objid FROM pg_catalog.pg_depend AS d
     WHERE d.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
       AND d.refobjid = (SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = :schema)
), depending AS (
    SELECT DISTINCT d.classid, d.objid,
           coalesce((SELECT ev_class FROM pg_catalog.pg_rewrite AS x WHERE x.oid = d.objid
                        AND d.classid = 'pg_catalog.pg_rewrite'::pg_catalog.regclass),
                    (SELECT conrelid FROM pg_catalog.pg_constraint AS x WHERE x.oid = d.objid
                        AND d.classid = 'pg_catalog.pg_constraint'::pg_catalog.regclass),
                    (SELECT adrelid FROM pg_catalog.pg_attrdef AS x WHERE x.oid = d.objid
                        AND d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass),
                    (SELECT tgrelid FROM pg_catalog.pg_trigger AS x WHERE x.oid = d.objid
                        AND d.classid = 'pg_catalog.pg_trigger'::pg_catalog.regclass),
                    (SELECT polrelid FROM pg_catalog.pg_policy AS x WHERE x.oid = d.objid
                        AND d.classid = 'pg_catalog.pg_policy'::pg_catalog.regclass),
                    CASE WHEN d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                         THEN d.objid END) AS relation
      FROM pg_catalog.pg_depend AS d
      JOIN of_schema AS o ON o.classid = d.refclassid AND o.objid = d.refobjid
)
SELECT pg_catalog.pg_describe_object(d.classid, d.objid, 0)
  FROM depending AS d
  LEFT JOIN pg_catalog.pg_class AS c ON c.oid = d.relation
  LEFT JOIN pg_catalog.pg_depend AS place
         ON c.oid IS NULL AND place.classid = d.classid AND place.objid = d.objid
        AND place.refclassid = 'pg_catalog.pg_namespace'::pg_catalog.regclass
  JOIN pg_catalog.pg_namespace AS n ON n.oid = coalesce(c.relnamespace, place.refobjid)
 WHERE n.nspname <> :schema AND n.nspname !~ '^pg_(toast|temp)'
"""


def depending_from_outside(connection: Connection, schema: str) -> list[str]:
    """Return what in other schemas would be dropped along with a schema."""
    return sorted(str(row[0]) for row in rows(connection, _OUTSIDE, schema=schema))
