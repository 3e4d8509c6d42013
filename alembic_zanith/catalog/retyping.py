"""Which columns PostgreSQL lets have another type, without more changing than that.

https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DATA-TYPE
"""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.sql import rows

from .relation import Column, Relation, tree

_FIXED = """
SELECT DISTINCT a.attname::text AS name
  FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = ANY (CAST(:oids AS oid[])) AND a.attnum > 0 AND NOT a.attisdropped
   AND (EXISTS (SELECT FROM pg_catalog.pg_partitioned_table pt
                  JOIN pg_catalog.pg_depend d
                    ON d.classid = CAST('pg_catalog.pg_class' AS regclass)
                   AND d.refclassid = d.classid AND d.refobjid = pt.partrelid
                   AND d.refobjsubid = 0 AND d.deptype = 'i'
                 WHERE pt.partrelid = a.attrelid AND d.objid = a.attrelid
                   AND d.objsubid = a.attnum)
     OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                  JOIN pg_catalog.pg_attrdef g ON g.oid = d.objid
                  JOIN pg_catalog.pg_attribute ga
                    ON ga.attrelid = g.adrelid AND ga.attnum = g.adnum
                 WHERE d.classid = CAST('pg_catalog.pg_attrdef' AS regclass)
                   AND d.refclassid = CAST('pg_catalog.pg_class' AS regclass)
                   AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
                   AND ga.attgenerated <> '')
     OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                  JOIN pg_catalog.pg_attribute ga
                    ON ga.attrelid = d.objid AND ga.attnum = d.objsubid
                 WHERE d.classid = CAST('pg_catalog.pg_class' AS regclass)
                   AND d.refclassid = d.classid AND d.objid = a.attrelid
                   AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum
                   AND ga.attgenerated <> '')
     OR EXISTS (SELECT FROM pg_catalog.pg_index i
                  JOIN pg_catalog.pg_class ic ON ic.oid = i.indexrelid AND ic.relkind = 'I'
                 WHERE i.indrelid = a.attrelid
                   AND (a.attnum = ANY (i.indkey)
                     OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                                 WHERE d.classid = CAST('pg_catalog.pg_class' AS regclass)
                                   AND d.objid = i.indexrelid AND d.refobjid = i.indrelid
                                   AND d.refobjsubid = a.attnum))))
"""

# What a partition key is made of, in expressions as well, depends on the table and not the reverse.
# What a generated column is made of: its expression depends on that, until 14 the column itself.
# https://www.postgresql.org/docs/current/catalog-pg-depend.html

_ROW_TYPE_USERS = """
WITH RECURSIVE used (oid) AS (
     SELECT c.reltype FROM pg_catalog.pg_class c WHERE c.oid = ANY (CAST(:oids AS oid[]))
      UNION
     SELECT further.oid
       FROM used
      CROSS JOIN LATERAL (
            SELECT t.typarray FROM pg_catalog.pg_type t WHERE t.oid = used.oid
             UNION ALL
            SELECT d.objid FROM pg_catalog.pg_depend d
             WHERE d.refclassid = CAST('pg_catalog.pg_type' AS regclass) AND d.refobjid = used.oid
               AND d.classid = CAST('pg_catalog.pg_type' AS regclass)
             UNION ALL
            SELECT c.reltype FROM pg_catalog.pg_depend d
              JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind IN ('c', 'v', 'f')
             WHERE d.refclassid = CAST('pg_catalog.pg_type' AS regclass) AND d.refobjid = used.oid
               AND d.classid = CAST('pg_catalog.pg_class' AS regclass)) AS further (oid)
      WHERE further.oid <> 0)
SELECT DISTINCT CAST(CAST(c.oid AS regclass) AS text) AS name
  FROM used
  JOIN pg_catalog.pg_depend d
    ON d.refclassid = CAST('pg_catalog.pg_type' AS regclass) AND d.refobjid = used.oid
   AND d.classid = CAST('pg_catalog.pg_class' AS regclass)
  JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind IN ('r', 'p', 'm', 'i')
 ORDER BY 1
"""


_CATALOG_TABLES = """
SELECT c.oid
  FROM pg_catalog.pg_class c, pg_catalog.pg_options_to_table(c.reloptions) AS o
 WHERE c.oid = ANY (CAST(:oids AS oid[]))
   AND CASE o.option_name WHEN 'user_catalog_table' THEN CAST(o.option_value AS boolean) END
"""

_CAN_REFUSE = """
WITH RECURSIVE chain (oid) AS (
     SELECT a.atttypid FROM pg_catalog.pg_attribute a
      WHERE a.attrelid = CAST(:oid AS oid) AND a.attnum = :attnum
      UNION
     SELECT t.typbasetype FROM chain JOIN pg_catalog.pg_type t ON t.oid = chain.oid
      WHERE t.typbasetype <> 0)
SELECT EXISTS (SELECT FROM chain JOIN pg_catalog.pg_type t ON t.oid = chain.oid
                WHERE t.typnotnull
                   OR EXISTS (SELECT FROM pg_catalog.pg_constraint con
                               WHERE con.contypid = t.oid)) AS answer
"""


def fixed_columns(connection: Connection, relation: Relation) -> set[str]:
    """Return the columns of a table that have to keep their type, for it and all below it.

    Those that a partition key or a generated column is made of cannot have another one. An index
    of a partitioned table is built anew with another type, and those of its partitions then get
    names of PostgreSQL's choice and lose their comments.
    """
    return {row.name for row in rows(connection, _FIXED, oids=_oids(connection, relation))}


def bar_to_rewriting(connection: Connection, relation: Relation) -> str | None:
    """Return why PostgreSQL would not rewrite a table or one below it, or None if it would."""
    oids = _oids(connection, relation)
    users = [row.name for row in rows(connection, _ROW_TYPE_USERS, oids=oids)]
    if users:
        return f"while other tables store whole rows of this one: {', '.join(users)}"
    if rows(connection, _CATALOG_TABLES, oids=oids):
        return "while it has the storage parameter user_catalog_table"
    return None


def type_can_refuse(connection: Connection, relation: Relation, column: Column) -> bool:
    """Whether a column is of a domain with constraints, so that it may refuse a new row."""
    found = rows(connection, _CAN_REFUSE, oid=relation.oid, attnum=column.number)
    return bool(found[0].answer)


def _oids(connection: Connection, relation: Relation) -> list[int]:
    return [member.oid for member in tree(connection, relation)]
