"""Rows that a policy hides must never be missing from what is kept."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.catalog.relation import Relation
from alembic_zanith.errors import MissingPrivilegeError
from alembic_zanith.sql import scalar


def require_all_rows(connection: Connection, relation: Relation, what: str) -> None:
    """Raise `MissingPrivilegeError` where policies of a table hide rows from this session.

    They bind the owner too where row-level security is forced:
    https://www.postgresql.org/docs/current/ddl-rowsecurity.html
    """
    if scalar(
        connection, "SELECT pg_catalog.row_security_active(CAST(:oid AS oid))", oid=relation.oid
    ):
        role = scalar(connection, "SELECT CAST(current_user AS text)")
        raise MissingPrivilegeError(
            f"{what} changed nothing: row-level security policies of {relation.name.display} hide "
            f"rows from the role {role!r}, so they would be missing. Run it as a role with "
            f"BYPASSRLS, or put ALTER TABLE {relation.name} NO FORCE ROW LEVEL SECURITY before it."
        )
