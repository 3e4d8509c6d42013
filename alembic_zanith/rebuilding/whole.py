"""A rebuild in one transaction: the table takes no writes while its rows are copied."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog.relation import Relation, get_relation
from alembic_zanith.errors import ConfigurationError, RebuildError
from alembic_zanith.failures import server_message, sqlstate
from alembic_zanith.identifiers import QualifiedName
from alembic_zanith.integrity import (
    fingerprint,
    given_settings,
    roomy_memory,
    under_settings,
)
from alembic_zanith.privileges import require_ownership
from alembic_zanith.recovery.archive_schema import ensure_archive_schema
from alembic_zanith.recovery.park_column import refuse_own
from alembic_zanith.recovery.record import Ticket
from alembic_zanith.recovery.row_security import require_all_rows
from alembic_zanith.recovery.session import all_or_nothing, lock_table, require_postgresql
from alembic_zanith.sql import run
from alembic_zanith.workspace import Workspace

from .building import (
    OF_WHAT_IS_ASKED,
    Building,
    analyze,
    build_indexes,
    check_values,
    copying,
    create,
)
from .rows import BLOCKS_AT_ONCE, blocks, blocks_of, failing_row, fails_in_savepoint, pieces
from .shape import NewColumn, refuse_other_settings, shape_of
from .survey import (
    Survey,
    lost_parts,
    refuse_dependents,
    refuse_kinds,
    refuse_what_cannot_follow,
    row_count,
    survey,
)
from .swap import Checks, swap

log = logging.getLogger("alembic.zanith")


@dataclass(frozen=True)
class Rebuild:
    """What is asked for. `call` is the operation as messages name it."""

    table: str
    columns: tuple[NewColumn, ...]
    schema: str | None = None
    retention_days: int | None = 30

    @property
    def call(self) -> str:
        return f"rebuild_table({self.table!r})"

    @property
    def digest(self) -> str:
        """A text that is another for any other shape."""
        shape = [[each.name, repr(each.definition), each.select] for each in self.columns]
        return fingerprint([self.table, self.schema, shape])


def rebuild_table(
    connection: Connection, rebuild: Rebuild, workspace: Workspace | None = None
) -> Artifact:
    """Build a table anew with other columns, copy its rows, and put it in the place of the old one.

    From the beginning on the table takes no writes; at the end, while the new one is put in its
    place, no reads either. All is undone where anything fails.

    Raises `UnknownObjectError`, `ConfigurationError`, `DependentObjectsError`,
    `NotDroppableError`, `RebuildError` where a column, an expression, a row or what hangs on the
    table does not go with the new shape, `MissingPrivilegeError` and `TransactionRequiredError`.
    """
    require_postgresql(connection, rebuild.call)
    given = given_settings(connection)
    with all_or_nothing(connection, rebuild.call):
        store = ArtifactStore(connection, workspace)
        relation = table_of(connection, rebuild)
        lock_against_writes(connection, relation)
        ticket = Ticket.draw(store, rebuild.retention_days)
        building = prepared(store, rebuild, relation, given)
        rehearse(building, store, ticket)
        create(building)
        copied = _copy(building)
        with roomy_memory(connection):
            build_indexes(building)
        analyze(building)
        lock_table(connection, relation)
        with roomy_memory(connection):
            artifact = swap(building, store, ticket, copied)
    say_what_went(building)
    return artifact


def say_what_went(building: Building) -> None:
    """Log what is gone with its column."""
    for label in sorted(building.lost):
        log.info("%s of %s went with its column.", label, building.target.display)


def table_of(connection: Connection, rebuild: Rebuild) -> Relation:
    """Return the table that is to be rebuilt."""
    relation = get_relation(connection, rebuild.table, rebuild.schema)
    refuse_own(relation.name.name)
    require_ownership(connection, relation.name.display, relation.owner)
    return relation


def lock_against_writes(connection: Connection, relation: Relation) -> None:
    """Let others read and nobody write.

    https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
    """
    run(connection, f"LOCK TABLE {relation.name} IN SHARE ROW EXCLUSIVE MODE")


def prepared(
    store: ArtifactStore, rebuild: Rebuild, relation: Relation, given: Mapping[str, str]
) -> Building:
    """Read what hangs on the table, and refuse what cannot be done, before anything is done."""
    connection, call = store.connection, rebuild.call
    refuse_other_settings(call, rebuild.columns)
    require_all_rows(connection, relation, call)
    found = survey(connection, relation)
    refuse_kinds(call, found)
    refuse_what_cannot_follow(connection, call, found)
    building = planned(store, rebuild, found, given)
    refuse_dependents(connection, call, found, building.shape)
    ensure_archive_schema(connection, building.place.schema)
    return building


def planned(
    store: ArtifactStore, rebuild: Rebuild, found: Survey, given: Mapping[str, str]
) -> Building:
    """Return what is to be built, from what there is and what is asked for."""
    call = rebuild.call
    shape = shape_of(call, rebuild.columns, found.columns, found.primary_key, found.sequences)
    return Building(
        call,
        store.connection,
        found,
        shape,
        QualifiedName(store.workspace.archive_schema, found.relation.name.name),
        frozenset(part.label for part in lost_parts(call, found, shape)),
        given,
    )


def rehearse(building: Building, store: ArtifactStore, ticket: Ticket) -> None:
    """Do all of it once without rows, and undo it: what cannot work fails before rows are copied.

    Raises `RebuildError`.
    """
    attempt = building.connection.begin_nested()
    try:
        create(building)
        check_values(building)
        build_indexes(building)
        swap(building, store, ticket, None, Checks.NEVER)
    finally:
        if attempt.is_active:
            attempt.rollback()


def _copy(building: Building) -> int:
    """Copy all rows, and return how many they are.

    Raises `RebuildError` with the row that an expression fails on, and `ConfigurationError` where
    expressions make another number of rows.
    """
    connection, old = building.connection, building.survey.relation
    expected = row_count(connection, old)
    copied = 0
    with under_settings(connection, building.given):
        for first, last in pieces(blocks_of(connection, old.name), BLOCKS_AT_ONCE):
            copied += _copy_piece(building, first, last)
    if copied != expected:
        raise ConfigurationError(
            f"{building.call} changed nothing: {expected:,} rows became {copied:,}. A select= is "
            "worked out from one row and gives one value: it cannot be an aggregate or a function "
            "that returns several rows."
        )
    return copied


def _copy_piece(building: Building, first: int, last: int | None) -> int:
    connection, old = building.connection, building.survey.relation

    def statement(condition: str) -> str:
        return copying(building, condition)

    try:
        with connection.begin_nested():
            return run(connection, statement(blocks(first, last))).rowcount
    except DBAPIError as error:
        state = sqlstate(error)
        if not state.startswith(OF_WHAT_IS_ASKED) or error.connection_invalidated:
            raise
        fails = fails_in_savepoint(connection, statement, state)
        row = failing_row(connection, old.name, first, last, fails)
        at = f", at the row {row} of {old.name.display}" if row else ""
        raise RebuildError(
            f"{building.call} changed nothing: {server_message(error)}{at}. Mend the row, or its "
            "select=.",
            row,
        ) from error
