"""The marker of a database that rehearsals may wipe."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from alembic_zanith.identifiers import literal
from alembic_zanith.sql import rows, run, run_all, scalar

from .identity import Identity

if TYPE_CHECKING:
    from sqlalchemy import Connection

MARKER_SCHEMA = "_zanith_shadow"

_KIND = """
SELECT c.relkind::text FROM pg_catalog.pg_class AS c
  JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE n.nspname = '_zanith_shadow' AND c.relname = 'marker'
"""
_ROWS = "SELECT pg_catalog.to_jsonb(m) FROM _zanith_shadow.marker AS m LIMIT 2"

_EXTENSIONS = """
SELECT x.extname::text, n.nspname::text
  FROM pg_catalog.pg_extension AS x JOIN pg_catalog.pg_namespace AS n ON n.oid = x.extnamespace
 ORDER BY 1
"""
_SETTINGS = """
SELECT coalesce(pg_catalog.quote_ident(r.rolname), ''), s.setconfig
  FROM pg_catalog.pg_db_role_setting AS s
  LEFT JOIN pg_catalog.pg_roles AS r ON r.oid = s.setrole
 WHERE s.setdatabase = (SELECT oid FROM pg_catalog.pg_database
                         WHERE datname = pg_catalog.current_database())
 ORDER BY 1
"""
_DEFAULT_PRIVILEGES = """
SELECT pg_catalog.quote_ident(r.rolname), a.defaclobjtype::text,
       coalesce(pg_catalog.quote_ident(n.nspname), ''),
       CASE x.grantee WHEN 0 THEN 'PUBLIC'
            ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(x.grantee)) END,
       x.privilege_type, x.is_grantable
  FROM pg_catalog.pg_default_acl AS a
  JOIN pg_catalog.pg_roles AS r ON r.oid = a.defaclrole
  LEFT JOIN pg_catalog.pg_namespace AS n ON n.oid = a.defaclnamespace
 CROSS JOIN LATERAL pg_catalog.aclexplode(a.defaclacl) AS x
 ORDER BY 1, 2, 3, 4, 5
"""

Grant = tuple[str, str, str, str, str, bool]
"""A default privilege: of which role, on which type of object, in which schema or in none; to whom,
which one, and whether it may be handed on. Names are quoted."""


@dataclass(frozen=True)
class Found:
    """What an administrator has set up in an empty database, which is there again after a wipe.

    Extensions with their schema, settings of the database (a role, or none, and `name=value`), and
    default privileges.
    """

    extensions: tuple[tuple[str, str], ...]
    settings: tuple[tuple[str, tuple[str, ...]], ...]
    default_privileges: tuple[Grant, ...]

    @classmethod
    def now(cls, connection: Connection) -> Found:
        """Look at a database."""
        return cls(
            tuple((name, schema) for name, schema in rows(connection, _EXTENSIONS)),
            tuple((role, tuple(config)) for role, config in rows(connection, _SETTINGS)),
            tuple(_grant(row) for row in rows(connection, _DEFAULT_PRIVILEGES)),
        )

    def to_json(self) -> str:
        return json.dumps(
            {
                "extensions": self.extensions,
                "settings": self.settings,
                "default_privileges": self.default_privileges,
            }
        )

    @classmethod
    def from_json(cls, found: dict[str, Any]) -> Found:
        return cls(
            tuple((name, schema) for name, schema in found["extensions"]),
            tuple((role, tuple(config)) for role, config in found["settings"]),
            tuple(_grant(row) for row in found["default_privileges"]),
        )


def _grant(row: Sequence[Any]) -> Grant:
    role, of_type, schema, grantee, privilege, is_grantable = row
    return (role, of_type, schema, grantee, privilege, bool(is_grantable))


@dataclass(frozen=True)
class Marker:
    """What the marker says.

    `in_use` from before a rehearsal makes its first object until all of them are gone: what is in
    the database meanwhile is the rehearsal's, killed or kept. Otherwise it was left empty.
    """

    identity: str
    in_use: bool
    found: Found


def has_marker_schema(connection: Connection) -> bool:
    """Whether there is anything by the name of the marker's schema."""
    query = "SELECT pg_catalog.to_regnamespace('_zanith_shadow') IS NOT NULL"
    return bool(scalar(connection, query))


def read_marker(connection: Connection) -> Marker | None:
    """Return the marker of a database, None where there is none or none that can be read."""
    # A view could run what somebody else has written.
    if scalar(connection, _KIND) != "r":
        return None
    found: Sequence[Any] = rows(connection, _ROWS)
    if len(found) != 1:
        return None
    said = found[0][0]
    try:
        return Marker(str(said["identity"]), bool(said["in_use"]), Found.from_json(said["found"]))
    except (KeyError, TypeError, ValueError):
        return None


def make_marker(connection: Connection, identity: Identity) -> Marker:
    """Mark an empty database, in the open transaction."""
    found = Found.now(connection)
    run_all(
        connection,
        [
            "CREATE SCHEMA _zanith_shadow",
            "COMMENT ON SCHEMA _zanith_shadow IS "
            "'Each alembic zanith-verify that names this database wipes it.'",
            "CREATE TABLE _zanith_shadow.marker AS SELECT pg_catalog.now() AS created_at, "
            f"CAST({literal(version('alembic-zanith'))} AS text) AS version, "
            f"CAST({literal(identity.text)} AS text) AS identity, "
            "false AS in_use, "
            f"CAST({literal(found.to_json())} AS jsonb) AS found",
            # Else a migration's publication for all tables would keep it from being updated.
            "ALTER TABLE _zanith_shadow.marker REPLICA IDENTITY FULL",
        ],
    )
    return Marker(identity.text, False, found)


def set_in_use(connection: Connection, in_use: bool) -> None:
    """Write down whether what is in the database is a rehearsal's."""
    run(connection, f"UPDATE _zanith_shadow.marker SET in_use = {'true' if in_use else 'false'}")
    connection.commit()
