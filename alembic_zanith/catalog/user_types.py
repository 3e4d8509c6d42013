"""Types of the user's own that a parked column still has.

A later migration may drop or change such a type, which PostgreSQL would refuse while the parked
column uses it. So once nothing live uses the type any more, it gets a parked name, and a clone of
it takes the old one: whatever happens to that name now concerns the clone alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from alembic_zanith.identifiers import QualifiedName, is_zanith_name, literal, parked_name, quote
from alembic_zanith.sql import rows, run_all

from .parts import Part, comment_on
from .relation import Relation
from .retyping import fixed_columns
from .type_shapes import FIELDS, EnumLabels, labels_of


@dataclass(frozen=True)
class HeldType(Part):
    """The enum, composite or range type of a parked column, under the name that it had.

    On restore a parked type takes its name back from an unchanged and unused clone. Where the name
    is in use, the values go over to the type that has it now, by way of their text. A type that was
    in use all the time is left as it is by then, whatever it is called.
    """

    kind = "held_type"
    order = 5
    column: str
    schema: str
    name: str
    is_array: bool

    @property
    def label(self) -> str:
        return f"type {self.schema}.{self.name}"

    def park(self, relation: QualifiedName) -> list[str]:
        return []

    def restore(self, relation: QualifiedName) -> list[str]:
        wanted = QualifiedName(self.schema, self.name)
        target = f"{wanted}[]" if self.is_array else str(wanted)
        column = quote(self.column)
        convert = (
            f"ALTER TABLE {relation} ALTER COLUMN {column} TYPE {target}"
            f" USING CAST(CAST({column} AS text) AS {target})"
        )
        body = _RESTORE.format(
            relation=literal(str(relation)),
            column=literal(self.column),
            schema=literal(self.schema),
            name=literal(self.name),
            drop=literal(f"DROP TYPE {wanted} RESTRICT"),
            convert=literal(convert),
            message=literal(_other_fields(wanted)),
            fields=FIELDS,
        )
        return [f"DO {literal(body)}"]


def _other_fields(name: QualifiedName) -> str:
    return (
        f"the type {name.display} has other fields by now than the one that the values are of; "
        "rename or drop it, or give it the same fields"
    )


_RESTORE = """
DECLARE held oid; live oid; has_same_fields boolean; is_clone boolean;
BEGIN
  SELECT e.oid INTO held
    FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
    JOIN pg_type e ON e.oid = CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE t.oid END
   WHERE a.attrelid = to_regclass({relation}) AND a.attname = {column}
     AND e.typname ~ '^_zanith_dropped_';
  IF held IS NULL THEN RETURN; END IF;
  SELECT t.oid INTO live FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
   WHERE n.nspname = {schema} AND t.typname = {name};
  SELECT count(DISTINCT CAST({fields} AS text)) = 1,
         count(DISTINCT (e.typowner, obj_description(e.oid, 'pg_type'), CAST({fields} AS text),
               ARRAY(SELECT CAST(l.enumlabel AS text) FROM pg_enum l
                      WHERE l.enumtypid = e.oid ORDER BY l.enumsortorder),
               ARRAY(SELECT concat_ws(' ', x.grantee, x.privilege_type, x.is_grantable)
                       FROM aclexplode(coalesce(e.typacl, acldefault('T', e.typowner))) AS x
                      ORDER BY 1))) = 1
    INTO has_same_fields, is_clone FROM pg_type e WHERE e.oid IN (held, live);
  IF live IS NOT NULL AND is_clone THEN
    BEGIN
      EXECUTE {drop};
      live := NULL;
    EXCEPTION WHEN dependent_objects_still_exist THEN NULL;
    END;
  END IF;
  IF live IS NULL THEN
    EXECUTE format('ALTER TYPE %s RENAME TO %I', held::regtype, {name});
  ELSIF NOT has_same_fields THEN
    RAISE EXCEPTION USING ERRCODE = 'datatype_mismatch', MESSAGE = {message},
      HINT = format('The values are of %s.', held::regtype);
  ELSE
    EXECUTE {convert};
    BEGIN
      EXECUTE format('DROP TYPE %s RESTRICT', held::regtype);
    EXCEPTION WHEN dependent_objects_still_exist THEN NULL;
    END;
  END IF;
END"""

_HELD = f"""
SELECT a.attname::text AS column_name, t.typcategory = 'A' AS is_array,
       e.oid::bigint AS oid, n.nspname::text AS schema, e.typname::text AS name,
       e.typtype::text AS kind, pg_catalog.pg_get_userbyid(e.typowner)::text AS owner,
       pg_catalog.pg_has_role(e.typowner, 'USAGE') AS is_ours,
       pg_catalog.obj_description(e.oid, 'pg_type') AS comment,
       ARRAY(SELECT pg_catalog.quote_literal(l.enumlabel)::text FROM pg_catalog.pg_enum l
              WHERE l.enumtypid = e.oid ORDER BY l.enumsortorder) AS labels,
       {FIELDS} AS fields,
       ARRAY(SELECT coalesce(pg_catalog.quote_ident(r.rolname), 'PUBLIC')
                    || CASE WHEN x.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END
               FROM pg_catalog.aclexplode(e.typacl) x
               LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
              WHERE x.grantee <> e.typowner)::text[] AS grantees,
       e.typacl IS NOT NULL AS has_acl
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  JOIN pg_catalog.pg_type e
    ON e.oid = CASE WHEN t.typcategory = 'A' THEN t.typelem ELSE t.oid END
  JOIN pg_catalog.pg_namespace n ON n.oid = e.typnamespace
 WHERE a.attrelid = CAST(:oid AS oid) AND a.attnum > 0 AND NOT a.attisdropped
   AND (CAST(:column AS text) IS NULL OR a.attname = CAST(:column AS text))
   AND e.oid >= 16384 AND e.typtype IN ('e', 'c')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_class r
                    WHERE r.oid = e.typrelid AND r.relkind <> 'c')
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend x
                    WHERE x.classid = CAST('pg_catalog.pg_type' AS regclass) AND x.objid = e.oid
                      AND x.deptype = 'e')
 ORDER BY a.attnum
"""

_HAS_LIVE_USERS = """
SELECT EXISTS (
  SELECT FROM pg_catalog.pg_type t
    JOIN pg_catalog.pg_depend d
      ON d.refclassid = CAST('pg_catalog.pg_type' AS regclass)
     AND d.refobjid IN (t.oid, t.typarray) AND d.deptype IN ('n', 'a')
    LEFT JOIN pg_catalog.pg_class c
      ON d.classid = CAST('pg_catalog.pg_class' AS regclass) AND c.oid = d.objid
    LEFT JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = d.objid AND a.attnum = d.objsubid
   WHERE t.oid = CAST(:oid AS oid)
     AND (c.oid IS NULL OR c.relkind NOT IN ('r', 'p')
          OR NOT (c.relname LIKE '\\_zanith\\_%' OR a.attname LIKE '\\_zanith\\_dropped\\_%')))
"""


def held_types(
    connection: Connection, relation: Relation, column: str | None = None
) -> Iterator[HeldType]:
    """Yield the user's own enum and composite types of a table's columns, or of one column."""
    for row in _held(connection, relation, column):
        yield HeldType(row.column_name, row.schema, row.name, row.is_array)


def _held(connection: Connection, relation: Relation, column: str | None) -> list[Any]:
    return rows(connection, _HELD, oid=relation.oid, column=column)


def free_type_names(
    connection: Connection, relation: Relation, column: str | None, artifact_id: str
) -> tuple[EnumLabels, ...]:
    """Give each type that only parked columns still use a parked name, and its name to a clone.

    Types of other owners stay: only their owner could drop them. So do those of columns that
    could not go over to a clone that is in use by the time of a restore. Returns the labels of the
    clones.
    """
    held = _held(connection, relation, column)
    fixed = fixed_columns(connection, relation) if held and column is None else set()
    seen = {row.oid for row in held if row.column_name in fixed}
    clones = []
    for row in held:
        if row.oid in seen or not row.is_ours or is_zanith_name(row.name):
            continue
        seen.add(row.oid)
        if rows(connection, _HAS_LIVE_USERS, oid=row.oid)[0][0]:
            continue
        name = QualifiedName(row.schema, row.name)
        parked = parked_name(row.name, artifact_id, 2000 + len(seen))
        run_all(connection, [f"ALTER TYPE {name} RENAME TO {quote(parked)}", *_create(row)])
        if row.labels:
            clones.append(labels_of(connection, name))
    return tuple(clones)


def _create(row: Any) -> Iterator[str]:
    """Yield the statements that make a type like this one."""
    name = QualifiedName(row.schema, row.name)
    if row.kind == "e":
        yield f"CREATE TYPE {name} AS ENUM ({', '.join(row.labels)})"
    else:
        yield f"CREATE TYPE {name} AS ({', '.join(row.fields)})"
    yield from comment_on(f"TYPE {name}", row.comment)
    if row.has_acl:
        yield f"REVOKE ALL ON TYPE {name} FROM PUBLIC"
        for grantee in row.grantees:
            yield f"GRANT USAGE ON TYPE {name} TO {grantee}"
    yield f"ALTER TYPE {name} OWNER TO {quote(row.owner)}"


def create_if_missing(connection: Connection, relation: Relation, column: str) -> tuple[str, ...]:
    """Return SQL that makes the type of a column again where it is gone by then."""
    statements = []
    for row in _held(connection, relation, column):
        create = "; ".join(f"EXECUTE {literal(statement)}" for statement in _create(row))
        body = (
            "BEGIN IF NOT EXISTS (SELECT FROM pg_type t JOIN pg_namespace n"
            f" ON n.oid = t.typnamespace WHERE n.nspname = {literal(row.schema)}"
            f" AND t.typname = {literal(row.name)}) THEN {create}; END IF; END"
        )
        statements.append(f"DO {literal(body)}")
    return tuple(statements)


_UNUSED_PARKED = """
SELECT n.nspname::text AS schema, t.typname::text AS name
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
 WHERE t.typname LIKE '\\_zanith\\_dropped\\_%'
   AND (t.typtype = 'e' OR (t.typtype = 'c' AND c.relkind = 'c'))
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.refclassid = CAST('pg_catalog.pg_type' AS regclass)
                      AND d.refobjid IN (t.oid, t.typarray) AND d.deptype IN ('n', 'a'))
"""


def drop_unused_parked_types(connection: Connection) -> None:
    """Drop the parked types that nothing uses any more, as after a purge."""
    found = rows(connection, _UNUSED_PARKED)
    run_all(connection, (f"DROP TYPE {QualifiedName(row.schema, row.name)}" for row in found))
