"""Row security as the database has it, and as it would have what models declare."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.elements import quoted_name

from alembic_zanith.declarations import KEYWORDS, Policy
from alembic_zanith.failures import database_errors_explained, sqlstate
from alembic_zanith.identifiers import quote
from alembic_zanith.sql import is_autocommit, rows, run, scalar

from .catalog import Table

_COMMANDS = {"*": "ALL", "r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}

_STATE = """
SELECT c.oid, c.relrowsecurity, c.relforcerowsecurity
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = :schema AND c.relname = :table AND c.relkind IN ('r', 'p')
"""

# https://www.postgresql.org/docs/current/catalog-pg-policy.html
_POLICIES = """
SELECT p.polname::text AS name, p.polcmd::text AS command, p.polpermissive AS permissive,
       pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS using,
       pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) AS with_check,
       0 = ANY (p.polroles) AS is_public,
       ARRAY(SELECT r.rolname::text FROM pg_catalog.pg_roles r
              WHERE r.oid = ANY (p.polroles) ORDER BY r.rolname) AS roles
  FROM pg_catalog.pg_policy p
 WHERE p.polrelid = CAST(:oid AS pg_catalog.oid)
 ORDER BY p.polname
"""


@dataclass(frozen=True)
class RowSecurityState:
    """The row security of a table that is there; `policies` by their names."""

    enabled: bool
    forced: bool
    policies: dict[str, Policy]


NONE = RowSecurityState(False, False, {})
"""That of a table that is yet to be made."""


def state_of(connection: Connection, table: Table) -> RowSecurityState | None:
    """Return the row security of a table, or None where there is no such table."""
    found = rows(connection, _STATE, schema=table[0], table=table[1])
    if not found:
        return None
    policies = [_policy(row) for row in rows(connection, _POLICIES, oid=found[0].oid)]
    return RowSecurityState(
        found[0].relrowsecurity,
        found[0].relforcerowsecurity,
        {policy.name: policy for policy in policies},
    )


def _policy(row: object) -> Policy:
    values = row._mapping  # type: ignore[attr-defined]  # a row of SQLAlchemy's
    names = [quoted_name(n, True) if n.upper() in KEYWORDS else n for n in values["roles"]]
    return Policy(
        values["name"],
        _COMMANDS[values["command"]],
        ["PUBLIC"] if values["is_public"] else names,
        values["using"],
        values["with_check"],
        values["permissive"],
    )


def unlike(
    connection: Connection, table: Table, pairs: Iterable[tuple[Policy, Policy]]
) -> list[Policy]:
    """Return the declared policies that are not as the database has them, of pairs of both.

    PostgreSQL keeps conditions as trees and writes them in its own way. So where the texts differ,
    the declared one is made as well, and read back.
    """
    differing, doubtful = [], []
    for declared, found in pairs:
        if not _same_but_for_conditions(connection, declared, found):
            differing.append(declared)
        elif _conditions(declared) != _conditions(found):
            doubtful.append((declared, found))
    if doubtful:
        stored = _as_stored(connection, table, [declared for declared, _ in doubtful])
        differing += [
            declared
            for declared, found in doubtful
            if stored[declared.name] != (found.using, found.with_check)
        ]
    return differing


def _same_but_for_conditions(connection: Connection, declared: Policy, found: Policy) -> bool:
    return (
        declared.command == found.command
        and declared.permissive == found.permissive
        and _role_names(connection, declared) == set(found.roles)
    )


def _role_names(connection: Connection, policy: Policy) -> set[str]:
    """Return the roles, with those in the place of keywords that PostgreSQL would put there."""
    if "PUBLIC" in policy.roles:
        return {"PUBLIC"}  # then the others do not count
    names = set(policy.role_names)
    if {"CURRENT_USER", "CURRENT_ROLE"} & set(policy.roles) - names:
        names.add(str(scalar(connection, "SELECT current_user::text")))
    if {"SESSION_USER"} & set(policy.roles) - names:
        names.add(str(scalar(connection, "SELECT session_user::text")))
    return names


def _conditions(policy: Policy) -> tuple[str | None, str | None]:
    return _bare(policy.using), _bare(policy.with_check)


def _bare(condition: object) -> str | None:
    """Return a condition without the brackets that PostgreSQL puts around it."""
    if condition is None:
        return None
    text = str(condition).strip()
    inside = text[1:-1]
    is_one = text.startswith("(") and text.endswith(")") and not set(inside) & set("()'\"")
    return inside if is_one else text


_STORED = """
SELECT pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS using,
       pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) AS with_check
  FROM pg_catalog.pg_policy p
 WHERE p.polrelid = CAST(pg_catalog.to_regclass(:relation) AS pg_catalog.oid) AND p.polname = :name
"""


def _as_stored(
    connection: Connection, table: Table, policies: list[Policy]
) -> dict[str, tuple[str | None, str | None] | None]:
    """Return the conditions of each policy as PostgreSQL would write them; None if it refuses.

    They are made on an empty temporary table of the same name and columns, which is undone: the
    table itself is locked no more than by a query. The temporary schema is looked up last, so that
    all other names in the conditions mean what they mean otherwise:
    https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-SEARCH-PATH
    """
    schema, name = table
    copy = f"pg_temp.{quote(name)}"
    stored: dict[str, tuple[str | None, str | None] | None] = {}
    with database_errors_explained(f"Comparing the policies of {name}"), _undone(connection):
        path = str(scalar(connection, "SELECT pg_catalog.current_setting('search_path')"))
        path = f"{path}, pg_temp" if path.strip() else "pg_temp"
        scalar(connection, "SELECT pg_catalog.set_config('search_path', :path, true)", path=path)
        run(
            connection, f"CREATE TEMPORARY TABLE {quote(name)} (LIKE {quote(schema)}.{quote(name)})"
        )
        for policy in policies:
            # For all roles: one that is missing says nothing of the conditions.
            arguments = replace(policy, roles=("PUBLIC",)).arguments
            stored[policy.name] = None
            try:
                with _undone(connection, inside=True):
                    run(connection, f"CREATE POLICY {quote(policy.name)} ON {copy}{arguments}")
                    (row,) = rows(connection, _STORED, relation=copy, name=policy.name)
                    stored[policy.name] = (row.using, row.with_check)
            except DBAPIError as error:
                # It speaks of what is not there yet, or is no condition at all: not what there is.
                if sqlstate(error)[:2] != "42" or sqlstate(error) == "42501":
                    raise
    return stored


@contextmanager
def _undone(connection: Connection, *, inside: bool = False) -> Iterator[None]:
    """Undo what is done in the block, also where each statement is committed by itself.

    `inside` is for a block in a block.
    """
    if not is_autocommit(connection):
        savepoint = connection.begin_nested()
        try:
            yield
        finally:
            savepoint.rollback()
        return
    begin, end = ("SAVEPOINT s", "ROLLBACK TO SAVEPOINT s") if inside else ("BEGIN", "ROLLBACK")
    run(connection, begin)
    try:
        yield
    finally:
        run(connection, end)
