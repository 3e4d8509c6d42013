"""The beginning of an online restore: the column, empty, and what comes with it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.artifacts import Artifact
from alembic_zanith.catalog.domains import is_checked
from alembic_zanith.catalog.parts import StandInType
from alembic_zanith.catalog.relation import Column, Relation
from alembic_zanith.catalog.unique_keys import unique_keys
from alembic_zanith.errors import ConstraintConflictError, FillError, NotOnlineError
from alembic_zanith.failures import explained, server_message
from alembic_zanith.identifiers import QualifiedName, quote
from alembic_zanith.movement.keys import Key, choose_key
from alembic_zanith.movement.marker import why_no_marker
from alembic_zanith.recovery.conflicts import (
    can_be_left_out,
    conflict,
    is_about_the_part,
    without_working_name,
)
from alembic_zanith.recovery.definition import Definition
from alembic_zanith.recovery.looking import Asked, Prospect, has_sequence, refuses_nulls
from alembic_zanith.recovery.plan import collate
from alembic_zanith.sql import run, run_all, unheard

from .parts import Way, ways
from .returning import Sending
from .sessions import as_one
from .triggers import can_prevent, why_fired


@dataclass(frozen=True)
class Terms:
    """What an online restore goes by: the key to walk by, how batches are sent, and the parts."""

    key: Key
    sending: Sending
    ways: tuple[Way, ...]


def terms(connection: Connection, seen: Prospect, definition: Definition) -> Terms:
    """Return what an online restore goes by. For use in a transaction, under pinned settings.

    Raises `NotOnlineError` for what PostgreSQL cannot do while others read and write.
    """
    reasons: list[str] = []
    relation = seen.relation
    prevented = can_prevent(connection)
    # Not by itself, where an earlier run has made a key of it.
    key = choose_key(connection, relation, changed=[str(definition.working_name)])
    if isinstance(key, str):
        reasons.append(f"the table cannot be walked in batches: {key}")
    reasons += _reasons(connection, relation, definition, prevented)
    names = {key.name for key in definition.lookup_key}
    if not any({*each.columns} <= names for each in unique_keys(connection, relation)):
        reasons.append(
            f"its values are found by {', '.join(sorted(names))}, which no unique index keeps from "
            "being given to several rows meanwhile"
        )
    found = list(ways(definition))
    reasons += [
        without_working_name(seen.report.artifact, each) for each in found if isinstance(each, str)
    ]
    if reasons:
        raise NotOnlineError(
            f"{seen.report.artifact.source} cannot come back online: {'; '.join(reasons)}. Nothing "
            "has changed. Without --online it comes back in one transaction, with "
            f"{relation.name.display} locked for as long as that takes."
        )
    assert isinstance(key, Key)
    return Terms(key, Sending(prevented), tuple(each for each in found if isinstance(each, Way)))


def _reasons(
    connection: Connection, relation: Relation, definition: Definition, prevented: bool
) -> Iterator[str]:
    column = definition.column
    assert column is not None
    if definition.generated_expression is not None:
        yield "it is a generated column, which PostgreSQL computes with the table locked"
    elif column.base_type is not None and is_checked(connection, column.type):
        yield (
            f"its type {column.type} is a domain with constraints, which PostgreSQL checks for all "
            "rows with the table locked"
        )
    if reason := why_no_marker(connection, relation):
        # What is said there of conditions is not for this.
        yield reason.partition(" (")[0].replace("would tell the rows done", "comes back")
    if reason := why_fired(connection, relation, prevented=prevented):
        yield reason


def refuse_nulls(seen: Prospect, asked: Asked) -> None:
    """Raise where rows without a value make a NOT NULL impossible, before anything is written."""
    definition, missing = seen.definition, seen.report.rows_without_value
    has_value = asked.fill is not None or definition.constant_default is not None
    if not missing or has_value or has_sequence(definition) or not refuses_nulls(definition):
        return
    if not asked.relax:
        verb = "row has" if missing == 1 else "rows have"
        raise ConstraintConflictError(
            f"{seen.report.artifact.source} cannot come back as it was: it is NOT NULL, and "
            f"{missing} {verb} no archived value, written since. Nothing has changed. --fill "
            "EXPRESSION gives them one, --relax brings the column back without NOT NULL.",
            "not_null",
            missing,
        )


def add_column(definition: Definition, table: QualifiedName) -> list[str]:
    """Return the SQL that makes the column, without a value in any row: the catalog alone changes.

    To the type that the values have from the one that they are archived as: while all are NULL,
    PostgreSQL reads none for that.
    https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES
    """
    column, type_ = _column(definition)
    add = (
        f"ALTER TABLE {table} ADD COLUMN {quote(column.name)}"
        f" {type_.base_type}{collate(type_.base_collation)}"
    )
    return [add, *(type_.retype(table) if column.needs_stand_in else [])]


def _column(definition: Definition) -> tuple[Column, StandInType]:
    assert definition.column is not None
    column = replace(definition.column, name=str(definition.working_name))
    return column, StandInType.of(column)


def require_type(connection: Connection, artifact: Artifact, definition: Definition) -> None:
    """Make sure that the type holds the archived values as they are, by reading the archive.

    Raises `ConstraintConflictError`.
    """
    column, type_ = _column(definition)
    if not column.needs_stand_in:
        return
    archived = replace(type_, column="value")
    try:
        with connection.begin_nested():
            run_all(connection, archived.guard(artifact.parked_name))
    except DBAPIError as error:
        if not is_about_the_part(error):
            raise
        raise conflict(connection, artifact, type_, artifact.parked_name, error) from error


def begin_parts(
    connection: Connection, artifact: Artifact, found: Sequence[Way], *, relax: bool
) -> list[str]:
    """Bring back what comes with the column; return the labels of parts that are left out.

    Raises `ConstraintConflictError`.
    """
    firsts = [way for way in found if way.online.first]
    if _all_at_once(connection, firsts):
        return []
    left_out = []
    for way in firsts:
        try:
            with connection.begin_nested():
                run_all(connection, way.online.first)
        except DBAPIError as error:
            if not is_about_the_part(error):
                raise
            if not (relax and can_be_left_out(way.part)):
                raise conflict(connection, artifact, way.part, way.relation, error) from error
            left_out.append(without_working_name(artifact, way.part.label))
    return left_out


def _all_at_once(connection: Connection, found: Sequence[Way]) -> bool:
    """Run them in one round trip; if one fails, nothing of it is left."""
    statements = [statement for way in found for statement in way.online.first]
    if not statements:
        return True
    try:
        with connection.begin_nested():
            run(connection, as_one(statements))
    except DBAPIError as error:
        if not is_about_the_part(error):
            raise
        return False
    return True


def rehearse(
    connection: Connection,
    artifact: Artifact,
    sending: Sending,
    statement: str,
    fill: str | None,
) -> None:
    """Have PostgreSQL look at the very statement of a batch.

    Raises `FillError` where there is something to fill with, else what the error means.
    """
    savepoint = connection.begin_nested()
    try:
        with unheard(), sending.settings(connection):
            run(connection, f"EXPLAIN {statement}")
    except DBAPIError as error:
        if fill is None or not is_about_the_part(error):
            raise explained(f"restore-column --online of {artifact.source}", error) from error
        raise FillError(
            f"{artifact.source} cannot come back: the rows without a value cannot be given "
            f"{fill}, because PostgreSQL says: {server_message(error)}. Nothing has changed. "
            "--fill takes an SQL expression over the columns of the same row, such as 'none', 0 "
            "or now(); names outside of pg_catalog need their schema."
        ) from error
    finally:
        if not connection.invalidated:
            savepoint.rollback()
