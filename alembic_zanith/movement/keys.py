"""The key that a table is walked by: how its rows are put in order, and found again."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection

from alembic_zanith.catalog.relation import Relation, tree
from alembic_zanith.errors import UnusableKeyError
from alembic_zanith.identifiers import literal, quote
from alembic_zanith.sql import rows

# Only what can be read in the order of the index, and compared with a constant: its own operators
# (a namesake may come first on the search path), one direction, types whose text says it all.
_KEYS = """
SELECT i.indexrelid::bigint AS index, a.attname::text AS name,
       CASE WHEN n.nspname = 'pg_catalog'
            THEN pg_catalog.format_type(base.oid, base.typmod)
            ELSE pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(t.typname)
       END AS type,
       CASE WHEN i.indcollation[k.position] <> a.attcollation
            THEN pg_catalog.quote_ident(cn.nspname) || '.' || pg_catalog.quote_ident(co.collname)
       END AS collation,
       pg_catalog.quote_ident(opn.nspname) AS operators,
       (i.indoption[k.position] & 3)::int AS direction,
       a.attnotnull AND NOT EXISTS (
         SELECT FROM pg_catalog.pg_constraint c
          WHERE c.conrelid = i.indrelid AND c.contype = 'n' AND NOT c.convalidated
            AND c.conkey = ARRAY[i.indkey[k.position]]) AS is_not_null,
       oc.opcdefault AND op.oid IS NOT NULL
         AND NOT (n.nspname = 'pg_catalog' AND t.typname ~ '^(reg|money)') AS is_ordered
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class ix ON ix.oid = i.indexrelid
  JOIN pg_catalog.pg_am am ON am.oid = ix.relam AND am.amname = 'btree'
 CROSS JOIN LATERAL pg_catalog.generate_series(0, i.indnkeyatts - 1) AS k (position)
  JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[k.position]
  JOIN pg_catalog.pg_opclass oc ON oc.oid = i.indclass[k.position]
  LEFT JOIN pg_catalog.pg_amop ao
    ON ao.amopfamily = oc.opcfamily AND ao.amopstrategy = 5
   AND ao.amoplefttype = oc.opcintype AND ao.amoprighttype = oc.opcintype
  LEFT JOIN pg_catalog.pg_operator op ON op.oid = ao.amopopr AND op.oprname = '>'
  LEFT JOIN pg_catalog.pg_namespace opn ON opn.oid = op.oprnamespace
  LEFT JOIN pg_catalog.pg_collation co ON co.oid = i.indcollation[k.position]
  LEFT JOIN pg_catalog.pg_namespace cn ON cn.oid = co.collnamespace
 CROSS JOIN LATERAL (
       WITH RECURSIVE chain (oid, typmod, depth) AS (
            SELECT a.atttypid, a.atttypmod, 0
             UNION ALL
            SELECT d.typbasetype, d.typtypmod, chain.depth + 1
              FROM chain JOIN pg_catalog.pg_type d ON d.oid = chain.oid WHERE d.typtype = 'd')
       SELECT chain.oid, chain.typmod FROM chain ORDER BY depth DESC LIMIT 1) AS base
  JOIN pg_catalog.pg_type t ON t.oid = base.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
 WHERE i.indrelid = CAST(:oid AS oid) AND i.indisunique AND i.indisvalid AND i.indimmediate
   AND i.indpred IS NULL AND i.indexprs IS NULL
 ORDER BY i.indisprimary DESC, i.indnkeyatts, i.indexrelid, k.position
"""


@dataclass(frozen=True)
class KeyColumn:
    """One column of a key; `type` as SQL, `collation` where the index has one of its own."""

    name: str
    type: str
    collation: str | None = None

    @property
    def sql(self) -> str:
        """The column as the index has it."""
        collated = f" COLLATE {self.collation}" if self.collation else ""
        return f"{quote(self.name)}{collated}"

    def value(self, text: str) -> str:
        """Return the SQL of a value from its text."""
        return f"CAST({literal(text)} AS {self.type})"


@dataclass(frozen=True)
class Key:
    """Columns that tell each row from all others, in the order of their index.

    `operators` is the schema that the comparisons of all of them are in, as SQL.

    >>> key = Key((KeyColumn("id", "bigint"),), "pg_catalog")
    >>> key.beyond(["7"])
    '"id" OPERATOR(pg_catalog.>) CAST(\\'7\\' AS bigint)'
    """

    columns: tuple[KeyColumn, ...]
    operators: str

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(column.name for column in self.columns)

    @property
    def order(self) -> str:
        """What to put behind ORDER BY."""
        return ", ".join(column.sql for column in self.columns)

    def beyond(self, values: Sequence[str]) -> str:
        """Return the condition of the rows behind one, whose key is given as texts."""
        return self._compared(">", values)

    def up_to(self, values: Sequence[str]) -> str:
        """Return the condition of the rows up to one, and of that one."""
        return self._compared("<=", values)

    def _compared(self, sign: str, values: Sequence[str]) -> str:
        first = self._one(self.columns[0], sign, values[0])
        if len(self.columns) == 1:
            return first
        # A comparison of rows, which the index can be searched by.
        # https://www.postgresql.org/docs/current/functions-comparisons.html#ROW-WISE-COMPARISON
        pairs = zip(self.columns, values, strict=True)
        constants = ", ".join(column.value(value) for column, value in pairs)
        whole = f"({self.order}) OPERATOR({self.operators}.{sign}) ({constants})"
        # The same of the first column alone, which the planner has statistics of.
        return f"{whole} AND {self._one(self.columns[0], f'{sign[0]}=', values[0])}"

    def _one(self, column: KeyColumn, sign: str, value: str) -> str:
        return f"{column.sql} OPERATOR({self.operators}.{sign}) {column.value(value)}"

    def shown(self, values: Sequence[str]) -> str:
        """Return a key as messages show it: `id = 7`."""
        return ", ".join(f"{n} = {v}" for n, v in zip(self.names, values, strict=True))


@dataclass(frozen=True)
class _Index:
    columns: tuple[KeyColumn, ...]
    is_not_null: bool
    is_ordered: bool
    operators: str

    @property
    def key(self) -> Key | None:
        if not (self.is_not_null and self.is_ordered):
            return None
        return Key(self.columns, self.operators)

    @property
    def names(self) -> set[str]:
        return {column.name for column in self.columns}


def choose_key(
    connection: Connection,
    relation: Relation,
    changed: Collection[str] = (),
    wanted: Sequence[str] | None = None,
) -> Key | str:
    """Return the key to walk a table by, or why there is none, as a sentence without full stop.

    The primary key comes first, then short keys before long ones. `changed` are columns that the
    work changes: a key with one of them is none. `wanted` names the columns of the one to take.

    Raises `UnusableKeyError` where the key that is wanted is none, with the reason.
    """
    indexes = _indexes(connection, relation)
    if not relation.is_partitioned and len(tree(connection, relation)) > 1:
        reason = "other tables inherit from it, whose rows its key does not tell apart"
        if wanted is None:
            return reason
        raise _unusable(relation, wanted, reason)
    if wanted is not None:
        return _wanted(indexes, relation, changed, wanted)
    keys = [index.key for index in indexes if index.key is not None]
    unchanged = [key for key in keys if not {*key.names} & {*changed}]
    if unchanged:
        return unchanged[0]
    if keys:
        return f"what is set is part of its key ({', '.join(keys[0].names)})"
    return "it has no primary key, and no unique index over NOT NULL columns"


def _wanted(
    indexes: Sequence[_Index], relation: Relation, changed: Collection[str], wanted: Sequence[str]
) -> Key:
    fitting = [index for index in indexes if index.names == {*wanted}]
    if not fitting:
        reason = "no unique index without condition or expression has just these columns"
    elif {*wanted} & {*changed}:
        reason = "it is set itself, so that rows would move while they are walked"
    elif not any(index.is_not_null for index in fitting):
        reason = "a column of it may be NULL, and a row without a key would be left out"
    else:
        for index in fitting:
            if index.key is not None:
                return index.key
        reason = "its index is in an order that cannot be walked (see the page about op.backfill)"
    usable = [", ".join(index.key.names) for index in indexes if index.key is not None]
    raise _unusable(relation, wanted, reason, usable)


def _unusable(
    relation: Relation, wanted: Sequence[str], reason: str, usable: Sequence[str] = ()
) -> UnusableKeyError:
    hint = f" Usable: {' or '.join(f'({each})' for each in usable)}." if usable else ""
    return UnusableKeyError(
        f"{relation.name.display} cannot be walked by ({', '.join(wanted)}): {reason}. Nothing "
        f"has changed.{hint} Without key= one is chosen, if there is one."
    )


def _indexes(connection: Connection, relation: Relation) -> list[_Index]:
    found: dict[int, list[Any]] = {}
    for row in rows(connection, _KEYS, oid=relation.oid):
        found.setdefault(row.index, []).append(row._mapping)
    return [_index(each) for each in found.values()]


def _index(listed: Sequence[Mapping[str, Any]]) -> _Index:
    columns = tuple(KeyColumn(each["name"], each["type"], each["collation"]) for each in listed)
    directions = {each["direction"] for each in listed}
    schemas = {each["operators"] for each in listed}
    # 0 is ASC NULLS LAST, 3 DESC NULLS FIRST, which is the same read backwards.
    one_way = len(directions) == 1 and directions <= {0, 3} and len(schemas) == 1
    return _Index(
        columns,
        all(each["is_not_null"] for each in listed),
        one_way and all(each["is_ordered"] for each in listed),
        str(next(iter(schemas))),
    )
