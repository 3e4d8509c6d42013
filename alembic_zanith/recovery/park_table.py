"""Take a table out of use: by renaming it, or by moving it to the archive schema."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog import capture, queries
from alembic_zanith.catalog.capture import Scope
from alembic_zanith.catalog.constraints import (
    ForeignKey,
    InheritedForeignKey,
)
from alembic_zanith.catalog.dependents import refuse_if_needed_by_others
from alembic_zanith.catalog.parts import Part
from alembic_zanith.catalog.relation import (
    Relation,
    columns,
    get_relation,
    relation_by_oid,
    server_version,
    tree,
)
from alembic_zanith.catalog.table_parts import TriggerState
from alembic_zanith.catalog.user_types import free_type_names
from alembic_zanith.identifiers import (
    is_zanith_name,
    parked_name,
    quote,
)
from alembic_zanith.integrity import (
    CHECKSUM_ALGORITHM,
    FINGERPRINT_ALGORITHM,
    content,
    fingerprint,
    pinned_settings,
)
from alembic_zanith.models import ArtifactKind
from alembic_zanith.privileges import require_ownership
from alembic_zanith.sql import run, run_all
from alembic_zanith.workspace import Workspace

from .archive_schema import ensure_archive_schema
from .definition import Definition, Holding, park_order
from .park_column import refuse_own
from .parts_of_table import ParkedNames, parts_of_table, renamed_sequences, sheltered_parts
from .record import Proof, Ticket, record
from .row_security import require_all_rows
from .session import atomic, lock_table
from .shelter import Shelter, take_shelter
from .structure import table_structure


@atomic
def soft_drop_table(
    connection: Connection,
    table: str,
    *,
    schema: str | None = None,
    retention_days: int | None = 30,
    workspace: Workspace | None = None,
) -> Artifact:
    """Rename a table to a parked name, and free every other name that it holds.

    No row is read or written. Partitions go along; a partition is detached. Foreign keys,
    triggers, rules, policies, publications and privileges go, and come back on restore.

    `retention_days` is how many days until `cleanup` may purge it; None keeps it for ever.

    Raises `UnknownObjectError`, `DependentObjectsError` where a real DROP without CASCADE would be
    refused, `NotDroppableError`, and `TransactionRequiredError` outside a transaction.

    >>> soft_drop_table(connection, "audit_log").parked        # doctest: +SKIP
    'public._zanith_dropped_audit_log_a4c09f1e'
    """
    store = ArtifactStore(connection, workspace)
    return _park(store, ArtifactKind.SOFT_DROP_TABLE, table, schema, retention_days)


@atomic
def archive_table(
    connection: Connection,
    table: str,
    *,
    schema: str | None = None,
    retention_days: int | None = 30,
    workspace: Workspace | None = None,
) -> Artifact:
    """Move a table to the archive schema, with a row count and a checksum of its content.

    No row is moved, but all are read once for the checksum. Otherwise as `soft_drop_table`.

    >>> archive_table(connection, "sessions").parked           # doctest: +SKIP
    '_zanith_archive._zanith_dropped_sessions_0b7e11d2'
    """
    store = ArtifactStore(connection, workspace)
    return _park(store, ArtifactKind.ARCHIVE_TABLE, table, schema, retention_days)


def _park(
    store: ArtifactStore,
    kind: ArtifactKind,
    table: str,
    schema: str | None,
    retention_days: int | None,
) -> Artifact:
    connection = store.connection
    relation = get_relation(connection, table, schema)
    refuse_own(relation.name.name)
    require_ownership(connection, relation.name.display, relation.owner)
    lock_table(connection, relation)
    refuse_if_needed_by_others(connection, relation.name)
    ticket = Ticket.draw(store, retention_days)
    archive = store.workspace.archive_schema if kind is ArtifactKind.ARCHIVE_TABLE else None
    if archive is not None:
        require_all_rows(connection, relation, f"archive_table({table!r})")
        ensure_archive_schema(connection, archive)
    return take_away(store, ticket, kind, relation, archive)


def take_away(
    store: ArtifactStore,
    ticket: Ticket,
    kind: ArtifactKind,
    relation: Relation,
    archive: str | None,
    row_count: int | None = None,
) -> Artifact:
    """Park a table that is locked and that nothing else needs, and write its row.

    `archive` is the schema that it moves to, or None. `row_count` is noted for a table whose rows
    are not read for a checksum.
    """
    connection = store.connection
    with pinned_settings(connection):
        holdings = _move_away(connection, relation, ticket.id, archive)
        parked = relation_by_oid(connection, relation.oid)
        assert parked is not None
        clones = free_type_names(connection, parked, None, ticket.id)
        structure = table_structure(connection, parked)
        names = tuple(
            column.name
            for column in columns(connection, parked)
            if column.generated != "v" and not is_zanith_name(column.name)
        )
        if kind is ArtifactKind.ARCHIVE_TABLE:
            found = content(connection, parked.name, names)
            proof = Proof(found.checksum, CHECKSUM_ALGORITHM, found.row_count)
        else:
            proof = Proof(fingerprint(structure), FINGERPRINT_ALGORITHM, row_count)
    definition = Definition(
        relation_oid=relation.oid,
        server_version=server_version(connection),
        holdings=holdings,
        structure=structure,
        column_names=names,
        enums=clones,
    )
    return record(
        store,
        ticket,
        kind,
        source=relation.name,
        parked=parked.name,
        proof=proof,
        definition=definition,
    )


def _move_away(
    connection: Connection, relation: Relation, artifact_id: str, archive: str | None
) -> tuple[Holding, ...]:
    """Rename the table and its partitions, then take away what would still act."""
    detached: list[Part] = list(capture.parents(Scope(connection, relation)))
    clones = {
        row.name
        for row in Scope(connection, relation).rows(queries.CONSTRAINTS)
        if row.type == "f" and row.is_clone
    }
    states = _trigger_states(connection, relation)
    shelter = None
    if not relation.is_partition:
        schema = archive or relation.name.schema
        shelter = take_shelter(connection, relation, artifact_id, schema)
    for parent in detached:
        run_all(connection, parent.park(relation.name))
    grants = _revoke_all(connection, relation)
    names = ParkedNames(artifact_id)
    members = tree(connection, relation)
    scopes = [
        Scope(connection, _rename(connection, member, depth, names, archive))
        for depth, member in enumerate(members)
    ]
    sequences: list[tuple[Part, ...]] = [renamed_sequences(scope, names) for scope in scopes]
    for scope, parts in zip(scopes, sequences, strict=True):
        for part in parts:
            run_all(connection, part.park(scope.relation.name))
    holdings = []
    for depth, (member, scope) in enumerate(zip(members, scopes, strict=True)):
        moved = scope.relation
        others = [
            InheritedForeignKey(part.name)
            if depth == 0
            and isinstance(part, ForeignKey)
            and part.name in clones
            # Attaching would check one that is not valid, which may well fail. So that one comes
            # back before, not valid as it was, and PostgreSQL joins it to the parent's.
            and part.validated
            else part
            for part in parts_of_table(scope, names, archive)
            if not isinstance(part, TriggerState)
        ]
        others += states[member.oid]
        holdings.append(
            Holding(
                member.name, moved.name, depth, tuple(others), member.is_partitioned, member.oid
            )
        )
    if shelter is not None:
        inherited = tuple(sheltered_parts(Scope(connection, shelter), names))
        holdings.append(Holding(shelter.name, shelter.name, 0, inherited))
        grants.append(())
        sequences.append(())
        detached.append(Shelter(shelter.name.schema, shelter.name.name))
    for holding, part in park_order(tuple(holdings)):
        run_all(connection, part.park(holding.parked))
    holdings = [
        replace(holding, parts=(*holding.parts, *of_sequences, *granted))
        for holding, of_sequences, granted in zip(holdings, sequences, grants, strict=True)
    ]
    root = holdings[0]
    return (replace(root, parts=(*root.parts, *detached)), *holdings[1:])


def _rename(
    connection: Connection, member: Relation, depth: int, names: ParkedNames, archive: str | None
) -> Relation:
    """Give a table or partition its parked name, in the archive schema if there is one."""
    own = parked_name(member.name.name, names.artifact_id)
    parked = member.name.renamed(own if depth == 0 else names.name(member.name.name))
    run(connection, f"ALTER TABLE {member.name} RENAME TO {quote(parked.name)}")
    if archive is not None:
        run(connection, f"ALTER TABLE {parked} SET SCHEMA {quote(archive)}")
    moved = relation_by_oid(connection, member.oid)
    assert moved is not None
    return moved


def _trigger_states(connection: Connection, relation: Relation) -> dict[int, list[Part]]:
    """Return the states of triggers that partitions have from above, by table.

    Read while the table is still where it was: a detached one no longer has them.
    """
    return {
        member.oid: [
            part
            for part in capture.table_parts(Scope(connection, member))
            if isinstance(part, TriggerState)
        ]
        for member in tree(connection, relation)
    }


def _revoke_all(connection: Connection, relation: Relation) -> list[tuple[Part, ...]]:
    """Take away all privileges of others, and return them by table.

    They go before the table moves and come back after it has: a role that passed on what it may
    do has to take that back itself, and cannot reach into the archive schema.
    """
    holdings = [
        Holding(member.name, member.name, depth, tuple(_grants(Scope(connection, member))))
        for depth, member in enumerate(tree(connection, relation))
    ]
    for holding, part in park_order(tuple(holdings)):
        run_all(connection, part.park(holding.parked))
    return [holding.parts for holding in holdings]


def _grants(scope: Scope) -> Iterator[Part]:
    for row in capture.owned_sequences(scope):
        yield from capture.sequence_grants(scope, row)
    yield from capture.relation_grants(scope)
    yield from capture.column_grants(scope)
