"""The marker: a column that tells for a while which rows of a table are done.

To add a column without a default, or to drop one, changes the catalog alone; it needs ACCESS
EXCLUSIVE for a moment. Whoever comes after a statement that waits for this lock queues up behind
it, so it waits for two seconds at most, and is tried again.
https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
"""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.catalog.relation import Relation, columns, tree
from alembic_zanith.identifiers import literal, quote
from alembic_zanith.locking.retrying import RetryPolicy
from alembic_zanith.sql import rows, run, scalar

from .steps import tried_again

_PATIENCE = "2s"
_POLICY = RetryPolicy(attempts=20, first_wait=0.5, longest_wait=5.0)


def why_no_marker(connection: Connection, relation: Relation) -> str | None:
    """Return why a table can have no marker, as a sentence without full stop; None if it can."""
    if relation.is_partition:
        return "it is a partition, which can have no column of its own to tell the rows done"
    oids = [member.oid for member in tree(connection, relation)]
    typed = "SELECT 1 FROM pg_catalog.pg_class WHERE oid = CAST(:oid AS oid) AND reloftype <> 0"
    if scalar(connection, typed, oid=relation.oid):
        return "it is a typed table, which can have no column to tell the rows done"
    published = (
        "SELECT p.pubname::text FROM pg_catalog.pg_publication p"
        " CROSS JOIN LATERAL pg_catalog.pg_get_publication_tables(p.pubname) AS t"
        " WHERE t.relid = ANY (CAST(:oids AS pg_catalog.oid[])) LIMIT 1"
    )
    for (name,) in rows(connection, published, oids=oids):
        return (
            f"it is in publication {name}, whose subscribers lack the column that would tell the "
            "rows done (write a condition with `column IS NULL` for the one column that is set, "
            "which needs none)"
        )
    return None


def has_marker(connection: Connection, relation: Relation, marker: str) -> bool:
    """Whether a table has the marker."""
    return any(column.name == marker for column in columns(connection, relation))


def add_marker(connection: Connection, relation: Relation, marker: str, *, anew: bool) -> None:
    """Add the marker, with no row done; with `anew` an old one of that name goes.

    Without it one that a client has asked for before it was killed stays, whose server may still
    be at it.
    """
    name, table = quote(marker), relation.name
    added = f"ADD COLUMN IF NOT EXISTS {name} boolean"
    if anew:
        added = f"DROP COLUMN IF EXISTS {name}, ADD COLUMN {name} boolean"
    _alter(connection, f"ALTER TABLE {table} {added}")


def drop_marker(connection: Connection, relation: Relation, marker: str) -> None:
    """Drop the marker."""
    _alter(connection, dropping(relation, marker))


def dropping(relation: Relation, marker: str) -> str:
    """Return the statement that drops a marker, for a person to run."""
    return f"ALTER TABLE {relation.name} DROP COLUMN IF EXISTS {quote(marker)}"


def _alter(connection: Connection, statement: str) -> None:
    # One statement, so that the limit is local to it where each commits by itself.
    body = (
        f"BEGIN PERFORM pg_catalog.set_config('lock_timeout', '{_PATIENCE}', true);"
        f" EXECUTE {literal(statement)}; END"
    )
    tried_again(connection, statement, _POLICY, lambda: run(connection, f"DO {literal(body)}"))
