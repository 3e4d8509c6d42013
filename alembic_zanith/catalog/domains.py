"""What a domain asks of its values, at any place in its chain of domains."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.sql import scalar

_ANY = """
WITH RECURSIVE chain (oid) AS (
     SELECT CAST(pg_catalog.to_regtype(:type) AS oid)
      UNION ALL
     SELECT d.typbasetype FROM chain JOIN pg_catalog.pg_type d ON d.oid = chain.oid
      WHERE d.typtype = 'd')
SELECT EXISTS (SELECT FROM chain JOIN pg_catalog.pg_type t ON t.oid = chain.oid
                WHERE {condition})
"""
_HAS_CHECK = "EXISTS (SELECT FROM pg_catalog.pg_constraint con WHERE con.contypid = t.oid)"


def forbids_null(connection: Connection, type_: str) -> bool:
    """Tell whether a domain is NOT NULL; `type_` is its name as SQL."""
    return bool(scalar(connection, _ANY.format(condition="t.typnotnull"), type=type_))


def is_checked(connection: Connection, type_: str) -> bool:
    """Tell whether a domain has a constraint of any kind; `type_` is its name as SQL."""
    condition = f"t.typnotnull OR {_HAS_CHECK}"
    return bool(scalar(connection, _ANY.format(condition=condition), type=type_))
