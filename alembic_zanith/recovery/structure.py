"""The structure of what is parked, for its fingerprint.

Only facts that every PostgreSQL version states alike: definitions as text may be worded
differently after an upgrade of the server.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection

from alembic_zanith.catalog.capture import Scope
from alembic_zanith.catalog.queries import CONSTRAINTS, INDEXES
from alembic_zanith.catalog.relation import Column, Relation, columns, tree
from alembic_zanith.identifiers import is_zanith_name


def column_structure(column: Column) -> dict[str, Any]:
    """Return what identifies a parked column.

    A type of the user's own is left out: its name changes when it is parked along.
    """
    return {
        "name": column.name,
        "type": column.type if column.is_builtin else None,
        "collation": column.collation,
        "not_null": column.not_null,
        "identity": column.identity,
        "generated": column.generated,
    }


def table_structure(connection: Connection, relation: Relation) -> dict[str, Any]:
    """Return what identifies a parked table, its partitions included.

    Columns that were parked before the table are artifacts of their own, which may be purged.
    """
    return {
        member.name.name: {
            "columns": [
                column_structure(column)
                for column in columns(connection, member)
                if not is_zanith_name(column.name)
            ],
            "constraints": sorted(
                f"{row.type} {row.name}"
                for row in Scope(connection, member).rows(CONSTRAINTS)
                if row.type != "n"
            ),
            "indexes": sorted(row.name for row in Scope(connection, member).rows(INDEXES)),
        }
        for member in tree(connection, relation)
    }
