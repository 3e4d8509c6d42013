"""What of a table's triggers and rules would fire for a batch, and if that can be prevented."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.catalog.relation import Relation, server_version, tree
from alembic_zanith.failures import sqlstate
from alembic_zanith.identifiers import QualifiedName, quote
from alembic_zanith.sql import rows, scalar

from .returning import set_replica

_MISSING_PRIVILEGE = "42501"
_ON_ORIGIN = ["O", "A"]
_ON_REPLICA = ["R", "A"]

# A trigger for some columns has none that is new. Those FOR EACH STATEMENT are fired for the table
# that is named alone, and so are rules.
# https://www.postgresql.org/docs/current/catalog-pg-trigger.html
_FIRED = """
SELECT 'trigger' AS kind, t.tgname::text AS name, n.nspname::text AS schema,
       c.relname::text AS table, t.tgenabled::text AS state
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_class c ON c.oid = t.tgrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE t.tgrelid = ANY (CAST(:oids AS oid[])) AND NOT t.tgisinternal
   AND CAST(t.tgtype AS integer) & 16 <> 0 AND pg_catalog.cardinality(CAST(t.tgattr AS int2[])) = 0
   AND (CAST(t.tgtype AS integer) & 1 <> 0 OR t.tgrelid = CAST(:oid AS oid))
   AND CAST(t.tgenabled AS text) = ANY (CAST(:states AS text[]))
 UNION ALL
SELECT 'rule', r.rulename::text, n.nspname::text, c.relname::text, r.ev_enabled::text
  FROM pg_catalog.pg_rewrite r
  JOIN pg_catalog.pg_class c ON c.oid = r.ev_class
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE r.ev_class = CAST(:oid AS oid) AND r.ev_type = '2'
   AND CAST(r.ev_enabled AS text) = ANY (CAST(:states AS text[]))
 ORDER BY 1 DESC, 3, 4, 2
"""


def can_prevent(connection: Connection) -> bool:
    """Whether the role may keep triggers from firing. For use in a transaction."""
    savepoint = connection.begin_nested()
    try:
        set_replica(connection)
    except DBAPIError as error:
        if sqlstate(error) != _MISSING_PRIVILEGE:
            raise
        return False
    finally:
        if not connection.invalidated:
            savepoint.rollback()
    return True


def why_fired(connection: Connection, relation: Relation, *, prevented: bool) -> str | None:
    """Return which triggers and rules a batch would fire, and what to do; None for none.

    It is a sentence without full stop.
    """
    states = _ON_REPLICA if prevented else _ON_ORIGIN
    oids = [member.oid for member in tree(connection, relation)]
    found = rows(connection, _FIRED, oid=relation.oid, oids=oids, states=states)
    if not found:
        return None
    listing = ", ".join(
        f"{each.kind} {each.name} of {QualifiedName(each.schema, each.table).display}"
        for each in found
    )
    return (
        f"each batch is an UPDATE, which fires {listing}: {_advice(connection, found, prevented)}"
    )


def _advice(connection: Connection, found: Sequence[object], prevented: bool) -> str:
    if prevented:
        return (
            "enabled as ALWAYS or REPLICA, so that session_replication_role does not hold it back "
            "(ENABLE it without that, or DISABLE it meanwhile)"
        )
    role = str(scalar(connection, "SELECT CAST(current_user AS text)"))
    how = "a superuser may keep it from firing"
    if server_version(connection) >= 150000:
        how += f", or GRANT SET ON PARAMETER session_replication_role TO {quote(role)}"
    return f"the role {role!r} may not set session_replication_role ({how})"
