"""Take a column out of use: by renaming it, or by copying its values away and dropping it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog import capture
from alembic_zanith.catalog.capture import Scope
from alembic_zanith.catalog.column_parts import ColumnAttributes
from alembic_zanith.catalog.constraints import InheritedNotNull, NamedNotNull
from alembic_zanith.catalog.dependents import refuse_if_needed_by_others
from alembic_zanith.catalog.parts import Part, Renamed, StandInType
from alembic_zanith.catalog.relation import (
    Column,
    Relation,
    get_column,
    get_relation,
    server_version,
    tree,
)
from alembic_zanith.catalog.retyping import bar_to_rewriting, type_can_refuse
from alembic_zanith.catalog.user_types import free_type_names, held_types
from alembic_zanith.errors import NotDroppableError, UnknownObjectError
from alembic_zanith.identifiers import is_zanith_name, parked_name, quote
from alembic_zanith.integrity import FINGERPRINT_ALGORITHM, fingerprint, pinned_settings
from alembic_zanith.models import ArtifactKind, ArtifactStatus
from alembic_zanith.privileges import require_ownership
from alembic_zanith.sql import run, run_all
from alembic_zanith.workspace import Workspace

from .definition import Archiving, Definition, Holding, park_order
from .expressions import expression_parts
from .record import Proof, Ticket, record
from .sequence_parts import soft_sequence_parts
from .session import atomic, lock_table
from .structure import column_structure

NAMED_NOT_NULL = 180000


@atomic
def soft_drop_column(
    connection: Connection,
    table: str,
    column: str,
    *,
    schema: str | None = None,
    retention_days: int | None = 30,
    workspace: Workspace | None = None,
) -> Artifact:
    """Rename a column to a parked name and take away all force that it has on live rows.

    No row is read or written. NOT NULL without a harmless default, foreign keys, checks, unique
    and exclusion constraints, indexes and statistics on the column go, and come back on restore.

    `retention_days` is how many days until `cleanup` may purge it; None keeps it for ever.

    Raises `UnknownObjectError`, `DependentObjectsError` where a real DROP without CASCADE would be
    refused, `NotDroppableError` where it would be refused for another reason, and
    `TransactionRequiredError` outside a transaction.

    >>> soft_drop_column(connection, "users", "legacy_uuid").parked    # doctest: +SKIP
    'public.users._zanith_dropped_legacy_uuid_a4c09f1e'
    """
    store = ArtifactStore(connection, workspace)
    relation, original = begin(store, table, column, schema)
    return park(store, relation, original, Ticket.draw(store, retention_days))


def park(
    store: ArtifactStore,
    relation: Relation,
    column: Column,
    ticket: Ticket,
    archiving: Archiving | None = None,
) -> Artifact:
    """Park a column that `begin` has looked at, and write its artifact.

    `archiving` is the archive that it is on its way to, if any.
    """
    connection = store.connection
    working_name = parked_name(column.name, ticket.id)
    rename(connection, relation, column.name, working_name)
    with pinned_settings(connection):
        holdings = _take_force(connection, relation, working_name, ticket.id)
        clones = free_type_names(connection, relation, working_name, ticket.id)
        structure = column_structure(get_column(connection, relation, working_name))
    definition = Definition(
        relation_oid=relation.oid,
        server_version=server_version(connection),
        holdings=holdings,
        column=column,
        working_name=working_name,
        structure=structure,
        enums=clones,
        archiving=archiving,
    )
    return record(
        store,
        ticket,
        ArtifactKind.SOFT_DROP_COLUMN,
        source=relation.name,
        column=column.name,
        parked=relation.name,
        parked_column=working_name,
        proof=Proof(fingerprint(structure), FINGERPRINT_ALGORITHM),
        definition=definition,
    )


def begin(
    store: ArtifactStore,
    table: str,
    column: str,
    schema: str | None,
    mode: str = "ACCESS EXCLUSIVE",
) -> tuple[Relation, Column]:
    """Lock the table and make sure that the column could be dropped for real."""
    connection = store.connection
    relation = get_relation(connection, table, schema)
    refuse_own(relation.name.name, column)
    require_ownership(connection, relation.name.display, relation.owner)
    lock_table(connection, relation, mode)
    with pinned_settings(connection):
        try:
            original = get_column(connection, relation, column)
        except UnknownObjectError as error:
            raise UnknownObjectError(f"{error}{_parked_already(store, relation, column)}") from None
    refuse_if_needed_by_others(connection, relation.name, column)
    _refuse_local_copies(connection, relation, column)
    return relation, original


def _parked_already(store: ArtifactStore, relation: Relation, column: str) -> str:
    """Return where a column is that is not there, if it is parked."""
    wanted = (relation.name.schema, relation.name.name, column)
    for found in store.all([ArtifactStatus.LIVE]):
        if (found.source_schema, found.source_table, found.source_column) == wanted:
            begun = " by an archive that is not finished" if found.is_being_archived else ""
            return (
                f" It is parked as artifact {found.id}{begun}; alembic zanith-recover "
                f"restore-column {found.source} brings it back."
            )
    return ""


def refuse_own(*names: str) -> None:
    """Refuse to park what this package made itself."""
    for name in names:
        if is_zanith_name(name):
            raise NotDroppableError(
                f"{name!r} belongs to alembic-zanith. To get rid of what is parked, use "
                "`alembic zanith-recover purge`."
            )


def _refuse_local_copies(connection: Connection, relation: Relation, column: str) -> None:
    """A real DROP leaves a child's own column of that name alone; a rename would not."""
    with pinned_settings(connection):
        for child in tree(connection, relation)[1:]:
            inherited = get_column(connection, child, column)
            if inherited.is_local or inherited.inheritance_count > 1:
                raise NotDroppableError(
                    f"{relation.name.display}.{column} cannot be parked: the child table "
                    f"{child.name.display} declares the column itself as well, and a rename would "
                    "take it along. Run ALTER TABLE … NO INHERIT first, or drop it for real."
                )


def rename(connection: Connection, relation: Relation, column: str, new: str) -> None:
    run(
        connection,
        f"ALTER TABLE {relation.name} RENAME COLUMN {quote(column)} TO {quote(new)}",
    )


def _take_force(
    connection: Connection, relation: Relation, name: str, artifact_id: str
) -> tuple[Holding, ...]:
    """Park all parts of a column; return them, by table.

    Sequences go first: a default captured after that speaks of their parked names, so on restore
    it finds them by those and not something else that has the old name by then.
    """
    members = tree(connection, relation)
    scopes = [Scope(connection, member, get_column(connection, member, name)) for member in members]
    keep_not_null = all(_fills_itself(scope) for scope in scopes)
    expressions = expression_parts(scopes, with_root=True)
    sequences = [
        _holding(scope, depth, soft_sequence_parts(scope, depth, artifact_id))
        for depth, scope in enumerate(scopes)
    ]
    _park(connection, sequences)
    others = [
        _holding(
            scope, depth, (*_soft_parts(scope, depth, keep_not_null, artifact_id), *expression)
        )
        for depth, (scope, expression) in enumerate(zip(scopes, expressions, strict=True))
    ]
    _park(connection, others)
    return tuple(
        replace(first, parts=(*first.parts, *then.parts))
        for first, then in zip(sequences, others, strict=True)
    )


def _holding(scope: Scope, depth: int, parts: Iterable[Part]) -> Holding:
    member = scope.relation
    return Holding(member.name, member.name, depth, tuple(parts), member.is_partitioned, member.oid)


def _park(connection: Connection, holdings: Iterable[Holding]) -> None:
    for holding, part in park_order(tuple(holdings)):
        run_all(connection, part.park(holding.parked))


def _fills_itself(scope: Scope) -> bool:
    """Whether every new row gets a value, from a default that cannot fail."""
    return any(found.is_harmless and not found.generated for found in capture.defaults(scope))


def _soft_parts(scope: Scope, depth: int, keep_not_null: bool, artifact_id: str) -> Iterator[Part]:
    column = scope.column
    assert column is not None
    for found in capture.defaults(scope):
        if not (found.generated or found.is_harmless):
            yield found.part
    if depth == 0:
        yield from held_types(scope.connection, scope.relation, column.name)
        if column.needs_stand_in and not column.generated and _can_change_type(scope):
            yield StandInType.of(column, storage_clauses(column))
    elif column.needs_stand_in and (clauses := tuple(storage_clauses(column))):
        # The change of type reaches the partitions and children, and resets theirs too.
        yield ColumnAttributes(column.name, clauses)
    yield from _soft_constraints(scope, depth, keep_not_null, artifact_id)
    yield from (found.part for found in capture.indexes(scope))
    yield from (found.part for found in capture.extended_statistics(scope))
    yield from capture.column_grants(scope)


def _can_change_type(scope: Scope) -> bool:
    """Whether the column can have another type; raise where it can neither do that nor stay."""
    assert scope.column is not None
    bar = bar_to_rewriting(scope.connection, scope.relation)
    if bar and type_can_refuse(scope.connection, scope.relation, scope.column):
        raise NotDroppableError(
            f"{scope.relation.name.display}: a column of the domain {scope.column.type} cannot be "
            "parked here. Its domain could refuse new rows, and PostgreSQL does not let its type "
            f"change {bar}. Nothing has changed. Change that first, or drop the column for real."
        )
    return bar is None


def _soft_constraints(
    scope: Scope, depth: int, keep_not_null: bool, artifact_id: str
) -> Iterator[Part]:
    if not keep_not_null:
        yield from capture.not_null(scope, depth)
    for position, found in enumerate(capture.constraints(scope)):
        part = found.part
        if isinstance(part, NamedNotNull | InheritedNotNull) and keep_not_null:
            if isinstance(part, InheritedNotNull) or not found.can_be_renamed:
                continue
            parked = parked_name(part.name, artifact_id, position)
            yield Renamed("constraint", scope.relation.name.schema, part.name, parked)
        else:
            yield part


_STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "x": "EXTENDED", "m": "MAIN"}
_COMPRESSION = {"p": "pglz", "l": "lz4"}


def storage_clauses(column: Column) -> Iterator[str]:
    """Yield the ALTER COLUMN clauses for storage and compression that are not the type's own."""
    if column.storage != column.default_storage:
        yield f"SET STORAGE {_STORAGE[column.storage]}"
    if column.compression is not None:
        yield f"SET COMPRESSION {_COMPRESSION[column.compression]}"
