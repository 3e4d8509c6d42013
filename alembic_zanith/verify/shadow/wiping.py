"""Making a database as empty as it was before the first rehearsal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic_zanith.errors import ShadowUnreachableError
from alembic_zanith.identifiers import literal, quote
from alembic_zanith.sql import one, rows, run, run_all, scalar

from .connecting import PATIENCE_SECONDS
from .contents import Content, contents, drop
from .marker import MARKER_SCHEMA, Found, Grant

if TYPE_CHECKING:
    from sqlalchemy import Connection

_PREPARED = """
SELECT gid::text FROM pg_catalog.pg_prepared_xacts
 WHERE database = pg_catalog.current_database()
"""


def wipe(connection: Connection, found: Found) -> None:
    """Drop all that is in a database but for its marker and what was found at first.

    Roles and tablespaces are the server's, and stay.
    """
    run_all(
        connection,
        [
            f"SET lock_timeout = '{PATIENCE_SECONDS}s'",
            "SET statement_timeout = 0",
            "SET client_min_messages = warning",
        ],
    )
    connection.commit()
    _roll_back_prepared(connection)
    _drop_extensions(connection, found)
    drop(connection, foreign_contents(connection, found))
    _remake_public(connection)
    missing = _missing_extensions(connection, found)
    for schema in {schema for _, schema in missing} - {"pg_catalog"}:
        run(connection, f"CREATE SCHEMA IF NOT EXISTS {quote(schema)}")
    # Before anything is made again, for they decide on its grants.
    _reset_default_privileges(connection, found)
    for name, schema in missing:
        run(connection, f"CREATE EXTENSION {quote(name)} SCHEMA {quote(schema)}")
    _reset_settings(connection, found)
    connection.commit()


def prepared(connection: Connection) -> list[str]:
    """Return the names of transactions that wait to be committed, whatever they have made."""
    return [gid for (gid,) in rows(connection, _PREPARED)]


def _roll_back_prepared(connection: Connection) -> None:
    left = prepared(connection)
    connection.rollback()
    if not left:
        return
    # https://www.postgresql.org/docs/current/sql-rollback-prepared.html: in no transaction
    connection.execution_options(isolation_level="AUTOCOMMIT")
    try:
        run_all(connection, (f"ROLLBACK PREPARED {literal(gid)}" for gid in left))
    finally:
        connection.rollback()
        connection.execution_options(isolation_level=connection.default_isolation_level)


def foreign_contents(connection: Connection, found: Found) -> list[Content]:
    """Return what is in a database beside the marker and the schemas of the first extensions."""
    kept = {schema for _, schema in found.extensions}
    return [
        each
        for each in contents(connection)
        if not (
            (each.type == "schema" and each.identity in {quote_if_needed(s) for s in kept})
            or (each.type == "schema" and each.identity == MARKER_SCHEMA)
            or (each.type == "table" and each.identity == f"{MARKER_SCHEMA}.marker")
        )
    ]


def quote_if_needed(name: str) -> str:
    """Write a name as pg_identify_object does, for names that are no words of SQL."""
    plain = name.replace("_", "a")
    is_plain = plain.isascii() and plain.isalnum() and plain.islower() and not plain[0].isdigit()
    return name if is_plain else quote(name)


def _drop_extensions(connection: Connection, found: Found) -> None:
    first = {name for name, _ in found.extensions}
    for name, _ in Found.now(connection).extensions:
        if name not in first:
            run(connection, f"DROP EXTENSION IF EXISTS {quote(name)} CASCADE")
    connection.commit()


def _missing_extensions(connection: Connection, found: Found) -> list[tuple[str, str]]:
    there = {name for name, _ in Found.now(connection).extensions}
    return [(name, schema) for name, schema in found.extensions if name not in there]


# -- the schema public -------------------------------------------------------------------

_PUBLIC = """
SELECT pg_catalog.pg_get_userbyid(n.nspowner)::text, n.nspacl::text,
       pg_catalog.obj_description(n.oid, 'pg_namespace'),
       pg_catalog.pg_has_role(n.nspowner, 'USAGE')
  FROM pg_catalog.pg_namespace AS n WHERE n.nspname = 'public'
"""
_COMMENT = "standard public schema"
_SINCE_15 = "{pg_database_owner=UC/pg_database_owner,=U/pg_database_owner}"


def _remake_public(connection: Connection) -> None:
    """Make public as a new database has it, where it is not.

    https://www.postgresql.org/docs/15/release-15.html: since then only the owner creates in it.
    """
    row = next(iter(rows(connection, _PUBLIC)), None)
    is_old = (
        int(scalar(connection, "SELECT pg_catalog.current_setting('server_version_num')")) < 150000
    )
    if row is not None:
        owner, grants, comment, may_change = row
        usual = f"{{{owner}=UC/{owner},=UC/{owner}}}" if is_old else _SINCE_15
        if (grants, comment) == (usual, _COMMENT):
            return
        if not may_change:
            raise ShadowUnreachableError(
                f"The schema public of the shadow is {owner}'s and is not as in a new database any "
                "more. Drop the database, and make an empty one that the role of shadow_url owns."
            )
        for (grantee,) in rows(connection, _GRANTEES):
            run(connection, f"REVOKE ALL ON SCHEMA public FROM {grantee}")
    else:
        run(connection, "CREATE SCHEMA public")
        owner = str(scalar(connection, "SELECT CURRENT_USER"))
    if not is_old:
        owner = "pg_database_owner"
        run(connection, "ALTER SCHEMA public OWNER TO pg_database_owner")
    run_all(
        connection,
        [
            f"GRANT ALL ON SCHEMA public TO {quote(owner)}",
            f"GRANT {'ALL' if is_old else 'USAGE'} ON SCHEMA public TO PUBLIC",
            f"COMMENT ON SCHEMA public IS {literal(_COMMENT)}",
        ],
    )
    connection.commit()


_GRANTEES = """
SELECT DISTINCT CASE a.grantee WHEN 0 THEN 'PUBLIC'
                ELSE pg_catalog.quote_ident(pg_catalog.pg_get_userbyid(a.grantee)) END
  FROM pg_catalog.pg_namespace AS n, pg_catalog.aclexplode(n.nspacl) AS a
 WHERE n.nspname = 'public'
"""

# -- what is remembered of the database --------------------------------------------------

_TYPES = {
    "r": "TABLES",
    "S": "SEQUENCES",
    "f": "FUNCTIONS",
    "T": "TYPES",
    "n": "SCHEMAS",
    "L": "LARGE OBJECTS",
}
# What everybody has unless it was taken away:
# https://www.postgresql.org/docs/current/ddl-priv.html#PRIVILEGES-SUMMARY-TABLE
_FOR_EVERYBODY = {"f": "EXECUTE", "T": "USAGE"}


def _reset_default_privileges(connection: Connection, found: Found) -> None:
    """Take ALTER DEFAULT PRIVILEGES back. PostgreSQL forgets those that are as they are anyway."""
    now, wanted = _by_place(Found.now(connection)), _by_place(found)
    for place in {**now, **wanted}:
        if now.get(place) == wanted.get(place):
            continue
        role, of_type, schema = place
        what = _TYPES[of_type]
        words = f"ALTER DEFAULT PRIVILEGES FOR ROLE {role}"
        words += f" IN SCHEMA {schema}" if schema else ""
        usual = [] if schema else _usual(place)
        had = {grant[3] for grant in now.get(place, usual)}
        run_all(connection, (f"{words} REVOKE ALL ON {what} FROM {each}" for each in sorted(had)))
        for *_, grantee, privilege, is_grantable in wanted.get(place, usual):
            handed_on = " WITH GRANT OPTION" if is_grantable else ""
            run(connection, f"{words} GRANT {privilege} ON {what} TO {grantee}{handed_on}")


def _by_place(found: Found) -> dict[tuple[str, str, str], list[Grant]]:
    places: dict[tuple[str, str, str], list[Grant]] = {}
    for grant in found.default_privileges:
        places.setdefault(grant[:3], []).append(grant)
    return places


def _usual(place: tuple[str, str, str]) -> list[Grant]:
    """Return what is granted on new objects where nobody has said anything else."""
    role, of_type, _ = place
    grants: list[Grant] = [(*place, role, "ALL", False)]
    if of_type in _FOR_EVERYBODY:
        grants.append((*place, "PUBLIC", _FOR_EVERYBODY[of_type], False))
    return grants


# Settings that are lists of names, which PostgreSQL keeps quoted each by itself.
_LISTS = {
    "local_preload_libraries",
    "search_path",
    "session_preload_libraries",
    "temp_tablespaces",
}


def _reset_settings(connection: Connection, found: Found) -> None:
    """Take ALTER DATABASE … SET and ALTER ROLE … IN DATABASE … SET back."""
    now = Found.now(connection).settings
    if now == found.settings:
        return
    (database,) = one(connection, "SELECT pg_catalog.quote_ident(pg_catalog.current_database())")

    def alter(role: str) -> str:
        return f"ALTER ROLE {role} IN DATABASE {database}" if role else f"ALTER DATABASE {database}"

    for role, _ in now:
        run(connection, f"{alter(role)} RESET ALL")
    for role, config in found.settings:
        for each in config:
            name, _, value = each.partition("=")
            written = value if name in _LISTS and value else literal(value)
            run(connection, f"{alter(role)} SET {quote_setting(name)} = {written}")


def quote_setting(name: str) -> str:
    """Quote the name of a setting, of an extension or not.

    >>> quote_setting("search_path"), quote_setting("shop.region")
    ('"search_path"', '"shop"."region"')
    """
    return ".".join(map(quote, name.split(".")))
