"""Ask for what a role needs before it is needed, so that the answer can be the GRANT to run."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.errors import MissingPrivilegeError, UnknownObjectError
from alembic_zanith.identifiers import QualifiedName, quote
from alembic_zanith.sql import rows, run, scalar

_SCHEMA = """
SELECT current_user::text AS role,
       pg_catalog.has_schema_privilege(n.oid, 'CREATE')
         AND pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS can_create
  FROM pg_catalog.pg_namespace n WHERE n.nspname = :schema
"""


def schema_exists(connection: Connection, schema: str) -> bool:
    """Tell whether there is a schema of that name."""
    return bool(rows(connection, _SCHEMA, schema=schema))


def require_create_in_schema(connection: Connection, schema: str, what: str) -> None:
    """Make sure that the role may make tables in a schema; `what` says which, for the message.

    Raises `UnknownObjectError` when there is no such schema, `MissingPrivilegeError`.
    """
    found = rows(connection, _SCHEMA, schema=schema)
    if not found:
        raise UnknownObjectError(
            f"{what} cannot be made: there is no schema {schema!r}. Nothing has changed. Make it "
            f"first: CREATE SCHEMA {quote(schema)}"
        )
    if not found[0].can_create:
        raise MissingPrivilegeError(
            f"{what} cannot be made: role {found[0].role} may not create tables in schema "
            f"{schema}. Nothing has changed. Let the owner of the schema run:\n"
            f"  GRANT CREATE, USAGE ON SCHEMA {quote(schema)} TO {quote(found[0].role)};"
        )


def require_create_of_schema(connection: Connection, schema: str) -> None:
    """Make sure that the role may make a schema.

    Raises `MissingPrivilegeError`.
    """
    (found,) = rows(
        connection,
        "SELECT current_user::text AS role, pg_catalog.current_database()::text AS database,"
        " pg_catalog.has_database_privilege(pg_catalog.current_database(), 'CREATE') AS can_create",
    )
    if not found.can_create:
        raise MissingPrivilegeError(
            f"The schema {schema}, which holds archives, cannot be made: role {found.role} may not "
            f"create schemas in database {found.database}. Nothing has changed. Let an "
            "administrator run:\n"
            f"  CREATE SCHEMA {quote(schema)} AUTHORIZATION {quote(found.role)};"
        )


def require_ownership(connection: Connection, table: str, owner: str) -> None:
    """Make sure that the role has the rights of the owner of a table, which only ALTER TABLE needs.

    Raises `MissingPrivilegeError`.
    """
    is_owner = "SELECT pg_catalog.pg_has_role(CAST(:owner AS name), 'USAGE')"
    if not scalar(connection, is_owner, owner=owner):
        role = str(scalar(connection, "SELECT current_user::text"))
        raise MissingPrivilegeError(
            f"Role {role} is not the owner of {table}, and only the owner can change a table. "
            f"Nothing has changed. Connect as {owner}, or let an administrator run:\n"
            f"  GRANT {quote(owner)} TO {quote(role)};"
        )


_OWNER = """
SELECT pg_catalog.pg_get_userbyid(c.relowner)::text
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = :schema AND c.relname = :table
"""


def require_owner_of(connection: Connection, table: QualifiedName) -> None:
    """Make sure that the role has the rights of a table's owner; raises `MissingPrivilegeError`."""
    owner = scalar(connection, _OWNER, schema=table.schema, table=table.name)
    require_ownership(connection, table.display, str(owner))


_RIGHTS = """
SELECT current_user::text AS role,
       pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS may_look,
       CASE WHEN CAST(:right AS text) = 'DELETE' THEN pg_catalog.has_table_privilege(c.oid, :right)
            ELSE pg_catalog.has_any_column_privilege(c.oid, :right) END AS may_use
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE n.nspname = :schema AND c.relname = :table
"""


def may_read(connection: Connection, table: QualifiedName) -> bool:
    """Tell whether the role may read a table that is there."""
    found = rows(connection, _RIGHTS, schema=table.schema, table=table.name, right="SELECT")
    return bool(found and found[0].may_look and found[0].may_use)


def require_right_on_list(connection: Connection, table: QualifiedName, right: str) -> None:
    """Make sure that the role has a right, as GRANT names it, on the list of what is parked.

    Raises `MissingPrivilegeError`; a table that there is not is nothing to lack a right on.
    """
    for found in rows(connection, _RIGHTS, schema=table.schema, table=table.name, right=right):
        if found.may_look and found.may_use:
            continue
        role = quote(found.role)
        grants = (
            [] if found.may_look else [f"GRANT USAGE ON SCHEMA {quote(table.schema)} TO {role};"]
        )
        if not found.may_use:
            grants.append(f"GRANT {_WITH[right]} ON TABLE {table} TO {role};")
        if right == "SELECT":
            grants.append(f"-- {_WITH['UPDATE']} if it is to park, restore or purge.")
        what = right if found.may_look else "USAGE on the schema"
        raise MissingPrivilegeError(
            f"Role {found.role} may not use {table.display}, the list of what is parked: it lacks "
            f"{what}. Nothing has changed. Let the owner run:\n  " + "\n  ".join(grants)
        )


_WITH = {"SELECT": "SELECT"} | dict.fromkeys(
    ("INSERT", "UPDATE", "DELETE"), "SELECT, INSERT, UPDATE, DELETE"
)
"""What to grant where a right lacks: whoever may write one thing soon has to write another."""


_OPEN_TO_OTHERS = """
SELECT DISTINCT n.nspname::text AS schema, c.relname::text AS name,
       coalesce(pg_catalog.quote_ident(r.rolname), 'PUBLIC') AS grantee
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) x
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
 WHERE x.grantee <> c.relowner
   AND (c.oid = pg_catalog.to_regclass(:table)
        OR EXISTS (SELECT FROM pg_catalog.pg_depend d
                    WHERE d.classid = CAST('pg_catalog.pg_class' AS regclass) AND d.objid = c.oid
                      AND d.refclassid = CAST('pg_catalog.pg_class' AS regclass)
                      AND d.refobjid = pg_catalog.to_regclass(:table) AND c.relkind = 'S'))
"""


def close_to_others(connection: Connection, table: QualifiedName) -> None:
    """Take away what ALTER DEFAULT PRIVILEGES granted to others on a new table and its sequences.

    Archives hold data that was meant to be gone, and what the artifacts table holds is run as SQL
    by whoever restores.
    https://www.postgresql.org/docs/current/sql-alterdefaultprivileges.html
    """
    for row in rows(connection, _OPEN_TO_OTHERS, table=str(table)):
        relation = QualifiedName(row.schema, row.name)
        run(connection, f"REVOKE ALL ON TABLE {relation} FROM {row.grantee}")
