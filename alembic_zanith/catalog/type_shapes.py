"""What a column's types are made of: values kept as text fit no others.

The text of a composite value tells its fields by their place alone, that of an enum value its label
alone, and one without a time zone is read as UTC by a type that has one. So what was archived as
text comes back only where all types that it is made of, down to the last, are what they were.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from sqlalchemy import Connection

from alembic_zanith.identifiers import QualifiedName, literal
from alembic_zanith.sql import rows

from .relation import Relation

FIELDS = """\
ARRAY(SELECT pg_catalog.quote_ident(f.attname) || ' '
                    || pg_catalog.format_type(f.atttypid, f.atttypmod)
                    || CASE WHEN f.attcollation <> ft.typcollation
                            THEN ' COLLATE ' || CAST(CAST(f.attcollation AS regcollation) AS text)
                            ELSE '' END
               FROM pg_catalog.pg_attribute f JOIN pg_catalog.pg_type ft ON ft.oid = f.atttypid
              WHERE f.attrelid = e.typrelid AND f.attnum > 0 AND NOT f.attisdropped
              ORDER BY f.attnum)::text[]"""
"""The fields of the composite type `e`, as CREATE TYPE has them."""

_MADE_OF = f"""\
CASE e.typtype
  WHEN 'd' THEN ARRAY[pg_catalog.format_type(e.typbasetype, e.typtypmod)]
  WHEN 'r' THEN ARRAY(SELECT pg_catalog.format_type(r.rngsubtype, NULL)
                        FROM pg_catalog.pg_range r WHERE r.rngtypid = e.oid)
  ELSE {FIELDS} END"""

# A domain that the column itself is of comes back by a change of type, which looks at each value.
_REACHED = """
WITH RECURSIVE reached (oid, is_tried) AS (
     SELECT a.atttypid, NOT CAST(:is_key AS boolean)
       FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = CAST(:oid AS oid) AND a.attname = ANY (CAST(:columns AS text[]))
      UNION
     SELECT inner_type.oid, reached.is_tried AND t.typtype = 'd'
       FROM reached JOIN pg_catalog.pg_type t ON t.oid = reached.oid
      CROSS JOIN LATERAL (
            SELECT t.typbasetype AS oid WHERE t.typtype = 'd'
             UNION ALL
            SELECT t.typelem WHERE t.typtype = 'b' AND t.typelem <> 0
             UNION ALL
            SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid
             UNION ALL
            SELECT r.rngtypid FROM pg_catalog.pg_range r WHERE r.rngmultitypid = t.oid
             UNION ALL
            SELECT f.atttypid FROM pg_catalog.pg_attribute f
             WHERE t.typrelid <> 0 AND f.attrelid = t.typrelid
               AND f.attnum > 0 AND NOT f.attisdropped) AS inner_type)
"""

_SHAPES = f"""{_REACHED}
SELECT e.typtype::text AS kind, n.nspname::text AS schema, e.typname::text AS name,
       {_MADE_OF} AS parts
  FROM pg_catalog.pg_type e
  JOIN pg_catalog.pg_namespace n ON n.oid = e.typnamespace
 WHERE e.oid >= 16384
   AND (e.typtype IN ('c', 'r') AND e.oid IN (SELECT oid FROM reached)
        OR e.typtype = 'd' AND e.oid IN (SELECT oid FROM reached WHERE NOT is_tried))
 ORDER BY e.oid
"""

_ENUMS = f"""{_REACHED}
SELECT n.nspname::text AS schema, e.typname::text AS name, e.oid::bigint AS oid,
       l.oid::bigint AS label_oid, l.enumlabel::text AS label
  FROM pg_catalog.pg_type e
  JOIN pg_catalog.pg_namespace n ON n.oid = e.typnamespace
  JOIN pg_catalog.pg_enum l ON l.enumtypid = e.oid
 WHERE e.oid IN (SELECT oid FROM reached)
 ORDER BY e.oid, l.enumsortorder
"""

_LABELS = """
SELECT e.oid::bigint AS type, l.oid::bigint AS oid, l.enumlabel::text AS label
  FROM pg_catalog.pg_type e
  JOIN pg_catalog.pg_namespace n ON n.oid = e.typnamespace
  JOIN pg_catalog.pg_enum l ON l.enumtypid = e.oid
 WHERE n.nspname = :schema AND e.typname = :name
 ORDER BY l.enumsortorder
"""

_WORDS = {
    "c": ("type", "has other fields", "AS ({})"),
    "d": ("domain", "stands on another type", "AS {}"),
    "r": ("range type", "is over another type", "AS RANGE (SUBTYPE = {})"),
}


_REQUIRED = """
DECLARE kind text; parts text[];
BEGIN
  SELECT e.typtype, {made_of} INTO kind, parts
    FROM pg_type e JOIN pg_namespace n ON n.oid = e.typnamespace
   WHERE n.nspname = {schema} AND e.typname = {name};
  IF kind = {kind} AND parts = CAST(ARRAY[{parts}] AS text[]) THEN RETURN; END IF;
  RAISE EXCEPTION USING ERRCODE = 'datatype_mismatch', MESSAGE = concat({message});
END"""
_GONE_OR = "CASE WHEN kind IS NULL THEN 'is gone' ELSE {} END"


@dataclass(frozen=True)
class Shape:
    """A type that is made of others, and of which: fields, base type or subtype.

    The row type of a table is one as well, as PostgreSQL has it.
    """

    kind: str
    name: QualifiedName
    parts: tuple[str, ...]

    def required(self) -> str:
        """Return SQL that fails where the type of this name is made of others by now."""
        noun, differs, made = _WORDS[self.kind]
        known = ", ".join(map(literal, self.parts))
        create = f"CREATE {noun.rpartition(' ')[2].upper()} {self.name}"
        create += f" {made.format(', '.join(self.parts))}"
        begins = f"the {noun} {self.name.display} "
        other = f"{differs} by now than the one that the values are of; rename it"
        ends = f", and for the restore make one like that: {create}"
        body = _REQUIRED.format(
            schema=literal(self.name.schema),
            name=literal(self.name.name),
            kind=literal(self.kind),
            made_of=_MADE_OF,
            parts=known,
            message=f"{literal(begins)}, {_GONE_OR.format(literal(other))}, {literal(ends)}",
        )
        return f"DO {literal(body)}"


@dataclass(frozen=True)
class EnumLabels:
    """The labels of an enum type by their OIDs, which stay the same when a label is renamed.

    `is_key` tells whether rows are found by them, or values only consist of them.
    """

    schema: str
    name: str
    oid: int
    is_key: bool
    labels: tuple[tuple[int, str], ...]

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        labels = tuple((oid, label) for oid, label in values["labels"])
        return cls(**{**values, "labels": labels})


def shapes(
    connection: Connection, relation: Relation, columns: Collection[str], *, is_key: bool
) -> Iterator[Shape]:
    """Yield what the types of some columns are made of, as far as the user made it."""
    for row in _reached(connection, _SHAPES, relation, columns, is_key):
        yield Shape(row.kind, QualifiedName(row.schema, row.name), tuple(row.parts))


def enum_labels(
    connection: Connection, relation: Relation, columns: Collection[str], *, is_key: bool
) -> Iterator[EnumLabels]:
    """Yield the labels of each enum type that values of some columns consist of."""
    found: dict[tuple[str, str, int], list[tuple[int, str]]] = {}
    for row in _reached(connection, _ENUMS, relation, columns, is_key):
        found.setdefault((row.schema, row.name, row.oid), []).append((row.label_oid, row.label))
    for (schema, name, oid), labels in found.items():
        yield EnumLabels(schema, name, oid, is_key, tuple(labels))


def labels_of(connection: Connection, name: QualifiedName) -> EnumLabels:
    """Return the labels of one enum type, as those of values."""
    found = rows(connection, _LABELS, schema=name.schema, name=name.name)
    labels = tuple((row.oid, row.label) for row in found)
    return EnumLabels(name.schema, name.name, found[0].type, is_key=False, labels=labels)


def _reached(
    connection: Connection, query: str, relation: Relation, columns: Collection[str], is_key: bool
) -> list[Any]:
    return rows(connection, query, oid=relation.oid, columns=list(columns), is_key=is_key)


# A type that has the name by now without being the same takes values by their text: PostgreSQL
# itself refuses those that it does not know, but keys that it does not know just find no row.
_CHANGED = """
SELECT held.is_key, concat(held.schema, '.', held.name) AS type,
       CAST(held.label AS text) AS was,
       CASE WHEN e.enumlabel <> held.label THEN CAST(e.enumlabel AS text) END AS now
  FROM (VALUES {labels}) AS held (schema, name, type, is_key, oid, label)
  LEFT JOIN pg_catalog.pg_enum e ON e.oid = held.oid AND e.enumtypid = held.type
  LEFT JOIN (pg_catalog.pg_type t JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace)
    ON n.nspname = held.schema AND t.typname = held.name
 WHERE e.enumlabel <> held.label AND (held.is_key OR t.oid = held.type)
    OR held.is_key AND t.oid <> held.type
       AND NOT EXISTS (SELECT FROM pg_catalog.pg_enum o
                        WHERE o.enumtypid = t.oid AND o.enumlabel = held.label)
 ORDER BY held.type, held.oid LIMIT 1
"""


def changed_label(enums: Iterable[EnumLabels]) -> str | None:
    """Return the query for a label that is another by now, or gone; None if there are none.

    Its row has `is_key`, `type`, `was` and `now`. OIDs are of the database that they were read in.
    """
    labels = ", ".join(
        f"({_name(enum.schema)}, {_name(enum.name)}, CAST({enum.oid} AS oid),"
        f" {enum.is_key}, CAST({oid} AS oid), {_name(label)})"
        for enum in enums
        for oid, label in enum.labels
    )
    return _CHANGED.format(labels=labels) if labels else None


def _name(text: str) -> str:
    return f"CAST({literal(text)} AS name)"
