"""About how many rows there are to move, for whoever shows progress."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.catalog.relation import Relation
from alembic_zanith.sql import rows, unheard

_ESTIMATE = """
SELECT CAST(sum(c.reltuples) AS bigint) AS rows FROM pg_catalog.pg_class c
 WHERE c.relkind = 'r' AND c.reltuples >= 0
   AND (c.oid = CAST(:oid AS oid)
        OR c.oid IN (SELECT relid FROM pg_catalog.pg_partition_tree(CAST(:oid AS regclass))))
"""


def row_estimate(connection: Connection, relation: Relation) -> int | None:
    """Return about how many rows a table has, with its partitions; None where nobody knows."""
    with unheard():
        found = rows(connection, _ESTIMATE, oid=relation.oid)
    return int(found[0].rows) if found and found[0].rows else None
