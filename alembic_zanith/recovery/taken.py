"""Live data is never overwritten: refuse to restore to a name that is in use, or is none."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact
from alembic_zanith.catalog.relation import Relation, columns, tree
from alembic_zanith.errors import NameTakenError, UnknownObjectError, ZanithError
from alembic_zanith.identifiers import MAX_BYTES, QualifiedName, is_zanith_name, quote
from alembic_zanith.sql import scalar


def refuse_unusable_name(name: str | None) -> None:
    """Raise `ZanithError` for a name that nothing can come back under; None is no name at all.

    PostgreSQL would cut a long one, and autogenerate hides those of this package.
    """
    if name is None:
        return
    if not name.strip():
        problem = "it is empty"
    elif (size := len(name.encode())) > MAX_BYTES:
        problem = f"it has {size} bytes, and PostgreSQL cuts names after {MAX_BYTES}"
    elif is_zanith_name(name):
        problem = "names that begin like this are kept for what is parked"
    else:
        return
    raise ZanithError(
        f"Nothing can come back under the name {name!r}: {problem}. Nothing has changed. Give "
        "another one."
    )


def refuse_taken_column(
    connection: Connection, artifact: Artifact, relation: Relation, name: str
) -> None:
    """Raise `NameTakenError` when the table, or one below it, has a column of that name."""
    for member in tree(connection, relation):
        if name in {column.name for column in columns(connection, member)}:
            raise NameTakenError(
                f"{member.name.display} has a column {name!r} again, and live data is never "
                f"overwritten. Nothing has changed. Bring {artifact.source} back beside it: "
                f"`alembic zanith-recover restore-column {artifact.source} --as {name}_restored`"
            )


def refuse_taken_table(connection: Connection, artifact: Artifact, wanted: QualifiedName) -> None:
    """Raise `NameTakenError` when the schema has a table, index, sequence or type of that name."""
    schema_exists = "SELECT EXISTS (SELECT FROM pg_catalog.pg_namespace WHERE nspname = :schema)"
    if not scalar(connection, schema_exists, schema=wanted.schema):
        raise UnknownObjectError(
            f"{artifact.source} cannot come back: its schema {wanted.schema!r} does not exist any "
            f"more. Nothing has changed. Create it (CREATE SCHEMA {quote(wanted.schema)}) and "
            "restore again."
        )
    taken = (
        "SELECT EXISTS (SELECT FROM pg_catalog.pg_class c"
        " JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace"
        " WHERE n.nspname = :schema AND c.relname = :name)"
        " OR EXISTS (SELECT FROM pg_catalog.pg_type t"
        " JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace"
        " WHERE n.nspname = :schema AND t.typname = :name)"
    )
    if scalar(connection, taken, schema=wanted.schema, name=wanted.name):
        raise NameTakenError(
            f"The name {wanted.display} is taken, and live data is never overwritten. Nothing has "
            f"changed. Bring {artifact.source} back beside it: `alembic zanith-recover "
            f"restore-table {artifact.source} --as {wanted.name}_restored`"
        )
