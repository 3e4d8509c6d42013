"""How `op.backfill` is run: as SQL text, as one statement, or in batches."""

from __future__ import annotations

import logging
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from sqlalchemy import Transaction
from sqlalchemy.exc import DBAPIError

from alembic_zanith.catalog.relation import columns, find_relation, get_column, get_relation
from alembic_zanith.config import settings_of, workspace
from alembic_zanith.errors import (
    BatchFailedError,
    ConfigurationError,
    UnsupportedDatabaseError,
    ZanithError,
)
from alembic_zanith.failures import database_errors_explained, explained, server_message, sqlstate
from alembic_zanith.hooks import at_end_of_revision, current_revision, is_downgrade
from alembic_zanith.movement.batched_filling import BatchedFilling
from alembic_zanith.movement.checkpoints import Checkpoints, CheckpointStatus
from alembic_zanith.movement.failing import failing_row
from alembic_zanith.movement.filling import Filling, Origin, enclosed
from alembic_zanith.movement.keys import Key, choose_key
from alembic_zanith.movement.marker import why_no_marker
from alembic_zanith.movement.ranges import Range
from alembic_zanith.sql import is_autocommit, run, scalar, translated_schema, unheard

from .pacing import pace_of

if TYPE_CHECKING:
    from alembic.operations import Operations
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy import Connection

    from alembic_zanith.catalog.relation import Relation

    from .backfill import BackfillOp

log = logging.getLogger("alembic.zanith")

_IN_BATCHES = (
    "In batches, each committed by itself, it is inside of "
    "`with op.get_context().autocommit_block():`"
)

# Longest time to look for the row that an expression fails on, and of one statement of that.
_SECONDS_TO_READ = 10.0
_PATIENCE = "5s"
_OF_AN_EXPRESSION = ("22", "23", "P0")


def fill(operations: Operations, operation: BackfillOp) -> int | None:
    """Run a backfill; see `op.backfill`."""
    context = operations.migration_context
    if context.dialect.name != "postgresql":
        raise UnsupportedDatabaseError(
            f"{operation} works on PostgreSQL only, and this database is {context.dialect.name}. "
            "Write op.execute with an UPDATE for it."
        )
    if context.as_sql:
        context.impl.static_output(f"{operation.sql}{context.impl.command_terminator}")
        return None
    connection = operations.get_bind()
    with unheard(), database_errors_explained(str(operation)):
        schema = translated_schema(connection, operation.schema)
        relation = _table(connection, operation.table_name, schema)
        _require_settable(connection, relation, operation)
        key = choose_key(connection, relation, [*operation.set], operation.key)
        in_autocommit = is_autocommit(connection)
        why_not: str | None = "it runs in a transaction"
        if in_autocommit:
            why_not = _why_not(connection, relation, key, operation.filling)
    if why_not is None and isinstance(key, Key):
        return _in_batches(context, connection, relation, key, operation)
    done = _at_once(connection, relation, key, operation)
    log.info(
        "%s: %s rows in one statement, because %s.%s",
        operation,
        f"{done:,}",
        why_not,
        "" if in_autocommit else f" {_IN_BATCHES}.",
    )
    return done


def _table(connection: Connection, name: str, schema: str | None) -> Relation:
    found = find_relation(connection, name, schema)
    if found is not None:
        return found
    try:
        return get_relation(connection, name, schema)
    except ZanithError as error:
        # What it says of parking is not what this is about.
        text = str(error).replace("; only tables and their columns can be parked", "")
        raise type(error)(text) from None


def _require_settable(connection: Connection, relation: Relation, operation: BackfillOp) -> None:
    for name in (*operation.set, *(operation.key or ())):
        column = get_column(connection, relation, name)
        if name not in operation.set:
            continue
        if column.generated:
            what = "is generated: PostgreSQL computes it from other columns. Set those"
        elif column.identity == "a":
            what = "is GENERATED ALWAYS AS IDENTITY, which no UPDATE may set. Leave it out"
        else:
            continue
        raise ConfigurationError(f"{operation} has not run: {relation.name.display}.{name} {what}.")


def _why_not(
    connection: Connection, relation: Relation, key: Key | str, filling: Filling
) -> str | None:
    """Return why it cannot be done in batches, as a sentence without full stop."""
    if isinstance(key, str):
        return key
    if filling.cleared_column(relation.name.name) is None:
        return why_no_marker(connection, relation)
    return None


# -- in batches --------------------------------------------------------------------------


def _in_batches(
    context: MigrationContext,
    connection: Connection,
    relation: Relation,
    key: Key,
    operation: BackfillOp,
) -> int:
    settings = settings_of(context)
    schema = workspace(settings, context).bookkeeping_schema
    if schema is None:
        with unheard():
            schema = str(scalar(connection, "SELECT pg_catalog.current_schema()"))
    checkpoints = Checkpoints(connection, schema)
    put_off = at_end_of_revision(context)
    batched = BatchedFilling(
        connection,
        relation,
        key,
        operation.filling,
        Origin(current_revision(context), is_downgrade(context)),
        checkpoints,
        str(operation),
    )
    while put_off is not None and batched.checkpoint_id in put_off:
        origin = replace(batched.origin, ordinal=batched.origin.ordinal + 1)
        batched = replace(batched, origin=origin)
    pace = pace_of(settings, connection, relation, operation.batch_size, operation.pause)

    def mark_applied() -> None:
        with unheard():
            checkpoints.mark(batched.checkpoint_id, CheckpointStatus.APPLIED)

    done = batched.run(pace)
    if put_off is None:
        mark_applied()
    else:
        put_off[batched.checkpoint_id] = mark_applied
    return done


# -- in one statement --------------------------------------------------------------------


def _at_once(
    connection: Connection, relation: Relation, key: Key | str, operation: BackfillOp
) -> int:
    statement = operation.filling.update(str(relation.name))
    try:
        with _undone_if_it_fails(connection):
            return run(connection, statement).rowcount
    except DBAPIError as error:
        row = "" if isinstance(key, str) else _row_of(connection, relation, key, operation, error)
        if not row:
            raise explained(str(operation), error) from error
        raise BatchFailedError(
            f"{operation} changed nothing: {server_message(error)}, at the row {row} of "
            f"{relation.name.display}.",
            row,
        ) from error


def _undone_if_it_fails(connection: Connection) -> AbstractContextManager[object]:
    return nullcontext() if is_autocommit(connection) else connection.begin_nested()


def _row_of(
    connection: Connection, relation: Relation, key: Key, operation: BackfillOp, error: DBAPIError
) -> str:
    """Return the key of a row that the expressions fail on, by reading them alone."""
    state = sqlstate(error)
    if error.connection_invalidated or not state.startswith(_OF_AN_EXPRESSION):
        return ""
    types = {column.name: column.type for column in columns(connection, relation)}
    values = ", ".join(
        f"pg_catalog.count(CAST({enclosed(text)} AS {types[name]}))"
        for name, text in operation.set.items()
    )
    own = [] if operation.where is None else [enclosed(operation.where)]

    def fails(conditions: str) -> bool:
        which = " AND ".join([conditions, *own])
        try:
            with _undone_if_it_fails(connection):
                run(connection, f"SELECT {values} FROM {relation.name} WHERE {which}")
        except DBAPIError as another:
            return sqlstate(another) == state
        return False

    with unheard(), suppress(DBAPIError), _undone_if_it_fails(connection) as savepoint:
        if isinstance(savepoint, Transaction):
            run(connection, f"SET LOCAL statement_timeout = '{_PATIENCE}'")
        everything = Range(None, None)
        place = failing_row(
            connection, str(relation.name), key, everything, fails, _SECONDS_TO_READ
        )
        if isinstance(savepoint, Transaction):
            savepoint.rollback()
        return "" if place is None else key.shown(place)
    return ""
