"""Say why a part cannot come back, with a count and a sample, and what to do about it."""

from __future__ import annotations

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.artifacts import Artifact
from alembic_zanith.catalog.column_parts import ColumnAttributes, ColumnComment
from alembic_zanith.catalog.constraints import Constraint, ForeignKey, Index, NamedNotNull
from alembic_zanith.catalog.parts import NotNull, Part, Renamed, StandInType
from alembic_zanith.catalog.table_parts import Policy
from alembic_zanith.catalog.user_types import HeldType
from alembic_zanith.errors import ConstraintConflictError
from alembic_zanith.failures import server_message, sqlstate
from alembic_zanith.identifiers import QualifiedName, quote
from alembic_zanith.sql import run

from .definition import Definition

SAMPLE = 5
_PATIENCE_MS = 30_000
_NOT_NULL_VIOLATION = "23502"
_UNDEFINED_TABLE = "42P01"

_ENVIRONMENT_STATES = ("08", "57", "53", "40", "55P03", "42501", "25P03")
"""Errors that say nothing about the part: lost connection, cancelled, out of resources,
serialization failure, lock timeout, missing privilege."""


def is_about_the_part(error: DBAPIError) -> bool:
    """Tell a conflict with live data or objects from trouble with the session."""
    state = sqlstate(error)
    return (
        state != ""
        and not error.connection_invalidated
        and not state.startswith(_ENVIRONMENT_STATES)
    )


def conflict(
    connection: Connection,
    artifact: Artifact,
    part: Part,
    relation: QualifiedName,
    error: DBAPIError,
    outlook: str = "Nothing has changed.",
) -> ConstraintConflictError:
    """Return the error that explains why a part cannot come back; `outlook` is how things stand."""
    state = sqlstate(error)
    counted = offending_rows(connection, part, relation, state)
    return _conflict(artifact, part, state, counted, server_message(error), outlook)


def conflict_ahead(
    connection: Connection,
    artifact: Artifact,
    part: Part,
    relation: QualifiedName,
    outlook: str,
) -> ConstraintConflictError | None:
    """Return the error that a part would lead to, before it is tried; None if none is seen."""
    state = _NOT_NULL_VIOLATION if isinstance(part, NotNull | NamedNotNull) else ""
    counted = offending_rows(connection, part, relation, state)
    return None if counted is None else _conflict(artifact, part, state, counted, "", outlook)


def _conflict(
    artifact: Artifact,
    part: Part,
    state: str,
    counted: tuple[int, list[str]] | None,
    said: str,
    outlook: str,
) -> ConstraintConflictError:
    lines = [
        f"{artifact.source} cannot come back as it was: {part.label} is not possible any more."
    ]
    if counted is None:
        lines.append(f"PostgreSQL says: {said}.")
    else:
        count, sample = counted
        noun = "row stands" if count == 1 else "rows stand"
        lines.append(f"{count} {noun} in the way, for example: {'; '.join(sample)}")
    if state == _NOT_NULL_VIOLATION and artifact.is_column:
        lines.append(
            "--fill EXPRESSION (in a revision: fill=) gives a value to the rows that have none."
        )
    if isinstance(part, ForeignKey) and state == _UNDEFINED_TABLE:
        parent = part.parent.replace('"', "")
        lines.append(
            f"If {parent} is parked itself, restore it first: `alembic zanith-recover "
            f"restore-table {parent}`."
        )
    if can_be_left_out(part):
        lines.append(
            f"--relax (in a revision: relax=True) brings it back without that constraint. {outlook}"
        )
    else:
        lines.append(f"{outlook} It cannot be left out; mend what is named above first.")
    message = without_working_name(artifact, "\n".join(lines))
    name = str(getattr(part, "name", part.kind))
    return ConstraintConflictError(message, name, counted[0] if counted else None)


def can_be_left_out(part: Part) -> bool:
    """Whether `relax` may come back without a part.

    Never without a restrictive policy, which would show rows to those it hides them from, nor
    with a column that keeps a parked type, nor with an object that keeps a parked name. Comments
    and storage settings conflict with no row, so an error there is another kind of trouble.
    """
    if isinstance(part, Policy):
        return part.permissive
    return not isinstance(part, Renamed | HeldType | ColumnAttributes | ColumnComment)


def without_working_name(artifact: Artifact, text: str) -> str:
    """Call things by their own names where PostgreSQL knew them by those they have meanwhile."""
    definition = Definition.from_json(artifact.definition)
    if definition.working_name is not None:
        text = text.replace(definition.working_name, str(artifact.source_column))
    for holding in definition.holdings:
        if holding.parked != holding.name:
            text = text.replace(holding.parked.name, holding.name.name)
    return text


def offending_rows(
    connection: Connection, part: Part, relation: QualifiedName, state: str
) -> tuple[int, list[str]] | None:
    """Count the rows that a part cannot stand, and show a few; None if it cannot be told.

    The answer is worth a wait of half a minute at most: rows that exclude each other are found by
    comparing each with all others.
    """
    source = _offending(part, relation, state)
    if source is None:
        return None
    savepoint = connection.begin_nested()
    try:
        run(connection, f"SET LOCAL statement_timeout = {_PATIENCE_MS}")
        count = run(connection, f"SELECT pg_catalog.count(*) FROM ({source}) AS r").scalar()
        query = f"SELECT CAST(r AS text) FROM ({source}) AS r LIMIT {SAMPLE}"
        sample = [str(row) for row in run(connection, query).scalars()]
    except DBAPIError:
        return None
    finally:
        # The timeout goes with it.
        if not connection.invalidated:
            savepoint.rollback()
    return (int(count), sample) if count else None


def _offending(part: Part, relation: QualifiedName, state: str) -> str | None:
    """The query for the rows in the way."""
    if isinstance(part, StandInType) and state != _NOT_NULL_VIOLATION:
        return None
    if isinstance(part, NotNull | NamedNotNull | StandInType):
        return f"SELECT t.* FROM {relation} AS t WHERE t.{quote(part.column)} IS NULL"
    if isinstance(part, Constraint) and part.type == "c" and part.expression:
        return f"SELECT * FROM {relation} WHERE NOT ({part.expression})"
    if isinstance(part, Constraint) and part.type in "pu" and part.keys:
        return _duplicates(relation, part.keys, None)
    if isinstance(part, Constraint) and part.type == "x" and part.keys:
        return _excluded(relation, part)
    if isinstance(part, Index) and part.unique and part.keys:
        return _duplicates(relation, part.keys, part.predicate)
    if isinstance(part, ForeignKey):
        return orphans(part, relation)
    return None


def _duplicates(relation: QualifiedName, keys: tuple[str, ...], predicate: str | None) -> str:
    by = ", ".join(f"({key})" for key in keys)
    where = f" WHERE ({predicate})" if predicate else ""
    return (
        f"SELECT * FROM (SELECT {', '.join(keys)}, pg_catalog.count(*) OVER (PARTITION BY {by})"
        f" AS times FROM {relation}{where}) AS d WHERE d.times > 1"
    )


def _excluded(relation: QualifiedName, part: Constraint) -> str:
    """Return the query for rows that an exclusion constraint would not have beside another."""
    where = f" WHERE ({part.predicate})" if part.predicate else ""
    keys = ", ".join(f"({key}) AS k{n}" for n, key in enumerate(part.keys))
    both = " AND ".join(f"a.k{n} OPERATOR({op}) b.k{n}" for n, op in enumerate(part.operators))
    return (
        f"WITH candidates AS MATERIALIZED (SELECT t.tableoid AS z, t.ctid AS c, t AS r, {keys}"
        f" FROM {relation} AS t{where})"
        " SELECT (a.r).* FROM candidates AS a WHERE EXISTS (SELECT FROM candidates AS b"
        f" WHERE (a.z, a.c) <> (b.z, b.c) AND {both})"
    )


def orphans(part: ForeignKey, relation: QualifiedName) -> str:
    """Return the query for rows whose parent row is gone."""
    joined = " AND ".join(
        f"p.{quote(there)} = t.{quote(here)}"
        for here, there in zip(part.columns, part.parent_columns, strict=True)
    )
    full = " MATCH FULL" in part.definition
    given = [f"t.{quote(here)} IS NOT NULL" for here in part.columns]
    # MATCH FULL lets a row off only if all its columns are NULL, any other kind if one is.
    present = f"({' OR '.join(given)})" if full else " AND ".join(given)
    shown = ", ".join(f"t.{quote(here)}" for here in part.columns)
    return (
        f"SELECT {shown} FROM {relation} AS t WHERE {present}"
        f" AND NOT EXISTS (SELECT FROM {part.parent} AS p WHERE {joined})"
    )
