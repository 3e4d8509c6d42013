"""Bring back what was parked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact, ArtifactStore, full_source, matching
from alembic_zanith.catalog.relation import Relation, columns, find_relation, tree
from alembic_zanith.errors import (
    NameTakenError,
    NothingParkedError,
    UnknownObjectError,
    ZanithError,
    did_you_mean,
)
from alembic_zanith.identifiers import QualifiedName, display_name, quote, split_target
from alembic_zanith.integrity import pinned_settings, roomy_memory
from alembic_zanith.models import ArtifactKind, ArtifactStatus
from alembic_zanith.sql import one, run, scalar
from alembic_zanith.workspace import Workspace

from .definition import Definition
from .locate import refuse_parked_table, require_parked, require_source
from .names import existing, with_free_names
from .plan import Place, Step, restore_steps
from .report import RestoreReport
from .run_steps import Outcome, invalid_foreign_keys, run_steps
from .session import lock_table, require_transaction
from .verify_parked import verify

COLUMN_KINDS = (ArtifactKind.SOFT_DROP_COLUMN, ArtifactKind.ARCHIVE_COLUMN)
TABLE_KINDS = (
    ArtifactKind.SOFT_DROP_TABLE,
    ArtifactKind.ARCHIVE_TABLE,
    ArtifactKind.REBUILD_TABLE,
)


def restore_column(
    connection: Connection,
    target: str,
    *,
    artifact: str | None = None,
    as_name: str | None = None,
    fill: str | None = None,
    relax: bool = False,
    force: bool = False,
    dry_run: bool = False,
    workspace: Workspace | None = None,
) -> RestoreReport:
    """Bring back the newest live artifact of a column, soft drop or archive.

    `target` is `table.column`, `schema.table.column` or an artifact id; `artifact` picks one of
    several by id. `as_name` brings it back under another name. `fill` is an SQL expression for
    rows that have no value, `relax` leaves out constraints that have become impossible, `force`
    goes on although the data is not what was parked, `dry_run` only tells what would be done.

    Raises `NothingParkedError`, `NameTakenError`, `IntegrityError`, `ConstraintConflictError`,
    `DataMissingError`. Then nothing has changed.

    >>> restore_column(connection, "users.legacy_uuid").restored_as    # doctest: +SKIP
    'users.legacy_uuid'
    """
    store = ArtifactStore(connection, workspace)
    if not dry_run:
        require_transaction(connection, f"restoring {target}")
    found = _pick(store, target, artifact, COLUMN_KINDS)
    if isinstance(found, RestoreReport):
        return found
    if found.kind is ArtifactKind.SOFT_DROP_COLUMN:
        relation = require_parked(connection, found)
        refuse_parked_table(found, relation)
    else:
        require_parked(connection, found)
        relation = require_source(connection, found)
    if not dry_run:
        lock_table(connection, relation)
    name = as_name or str(found.source_column)
    _refuse_taken_column(connection, found, relation, name)
    definition = Definition.from_json(found.definition)
    _require_key(connection, found, definition, relation)
    present = [(member.name.schema, member.name.name) for member in tree(connection, relation)]
    definition = existing(definition, present)
    missing = 0
    orphaned = 0
    if found.kind is ArtifactKind.ARCHIVE_COLUMN and definition.generated_expression is None:
        with pinned_settings(connection):
            missing, orphaned = _count_unmatched(connection, found, definition, relation)
    default = definition.constant_default if missing else None
    place = Place(relation.name, name, fill if fill is not None and missing else default)
    restored_as = f"{relation.name.display}.{display_name(name)}"
    report = RestoreReport(
        artifact=found,
        restored_as=restored_as.removeprefix("public."),
        dry_run=dry_run,
        row_count=found.row_count,
        rows_without_value=missing,
        orphaned_rows=orphaned,
    )
    before: list[Step] = []
    if fill is not None and found.kind is ArtifactKind.SOFT_DROP_COLUMN:
        before = [_fill_step(found, definition, relation, fill)]
    return _restore(store, report, definition, place, before, relax=relax, force=force)


def restore_table(
    connection: Connection,
    target: str,
    *,
    artifact: str | None = None,
    as_name: str | None = None,
    relax: bool = False,
    force: bool = False,
    dry_run: bool = False,
    workspace: Workspace | None = None,
) -> RestoreReport:
    """Bring back the newest live artifact of a table, with all that hung on it.

    Arguments and errors as in `restore_column`; a rebuilt table raises `NotRestorableError`.

    >>> restore_table(connection, "sessions", as_name="sessions_old")  # doctest: +SKIP
    """
    store = ArtifactStore(connection, workspace)
    if not dry_run:
        require_transaction(connection, f"restoring {target}")
    found = _pick(store, target, artifact, TABLE_KINDS)
    if isinstance(found, RestoreReport):
        return found
    relation = require_parked(connection, found)
    if not dry_run:
        lock_table(connection, relation)
    place = Place(found.source_name.renamed(as_name or found.source_table), as_name or "")
    _refuse_taken_table(connection, found, place.relation)
    report = RestoreReport(
        artifact=found,
        restored_as=place.relation.display.removeprefix("public."),
        dry_run=dry_run,
        row_count=found.row_count,
    )
    definition = Definition.from_json(found.definition)
    return _restore(store, report, definition, place, [], relax=relax, force=force)


def _restore(
    store: ArtifactStore,
    report: RestoreReport,
    definition: Definition,
    place: Place,
    before: list[Step],
    *,
    relax: bool,
    force: bool,
) -> RestoreReport:
    connection, artifact = store.connection, report.artifact
    bookkeeping = store.table  # resolved now: search_path is pinned below
    with pinned_settings(connection):
        warnings = verify(connection, artifact, force=force)
        definition, renamed = with_free_names(connection, definition, place, artifact.id)
        adjusted = replace(artifact, definition=definition.to_json())
        steps = [*before, *restore_steps(adjusted, place)]
        outcome = Outcome()
        if not report.dry_run:
            with roomy_memory(connection):
                outcome = run_steps(connection, artifact, steps, relax=relax)
            not_valid = invalid_foreign_keys(connection, steps, place, definition, outcome)
        else:
            not_valid = ()
    report = replace(
        report,
        statements=tuple(statement for step in steps for statement in step.statements),
        left_out=tuple(outcome.left_out),
        not_valid=not_valid,
        renamed=renamed,
        warnings=(*warnings, *_notes(report, place)),
    )
    if not report.dry_run:
        assert store.table == bookkeeping
        noted = {key: value for key, value in report.as_dict().items() if key != "statements"}
        store.mark_restored(artifact.id, report.restored_as, noted)
    return report


def _notes(report: RestoreReport, place: Place) -> list[str]:
    notes = []
    if report.rows_without_value:
        how = "have NULL" if place.fill is None else f"got {place.fill}"
        notes.append(
            f"{report.rows_without_value} rows were written since and had no value: they {how}."
        )
    if report.orphaned_rows:
        notes.append(
            f"{report.orphaned_rows} archived rows belong to keys that no longer exist; they stay "
            f"in {report.artifact.parked} until purge."
        )
    return notes


def _pick(
    store: ArtifactStore,
    target: str,
    artifact_id: str | None,
    kinds: Collection[ArtifactKind],
) -> Artifact | RestoreReport:
    """Return the artifact to restore, its row locked; or a report where that was done already."""
    live = [ArtifactStatus.LIVE]
    try:
        found = store.resolve(artifact_id or target, kinds=kinds, statuses=live)
    except UnknownObjectError:
        return _already_restored(store, artifact_id or target, kinds)
    if artifact_id is not None and found not in _named(store, target, kinds):
        raise UnknownObjectError(
            f"Artifact {found.id} is of {found.source}, not of {target!r}. Nothing has changed."
        )
    locked = store.lock(found.id)
    if locked is None or locked.status is not ArtifactStatus.LIVE:
        return _already_restored(store, found.id, kinds)
    return locked


def _named(store: ArtifactStore, target: str, kinds: Collection[ArtifactKind]) -> list[Artifact]:
    candidates = [found for found in store.all() if found.kind in kinds]
    return matching(candidates, target) or [a for a in candidates if a.id.startswith(target)]


def _already_restored(
    store: ArtifactStore, target: str, kinds: Collection[ArtifactKind]
) -> RestoreReport:
    """A second restore does nothing, as long as what the first brought back is there."""
    restored = [ArtifactStatus.RESTORED]
    try:
        found = store.resolve(target, kinds=kinds, statuses=restored)
    except UnknownObjectError:
        raise _nothing_parked(store, target, kinds) from None
    if not _is_back(store.connection, found):
        raise _nothing_parked(store, target, kinds)
    return RestoreReport(
        artifact=found,
        restored_as=found.restored_as or found.source,
        already_restored=True,
        row_count=found.row_count,
    )


def _is_back(connection: Connection, artifact: Artifact) -> bool:
    """Whether what an earlier restore brought back still stands under the name it got."""
    parts = list(split_target(artifact.restored_as or full_source(artifact)))
    column = parts.pop() if artifact.source_column is not None else None
    schema = parts[0] if len(parts) == 2 else "public"
    relation = find_relation(connection, parts[-1], schema)
    if relation is None:
        return False
    return column is None or column in {each.name for each in columns(connection, relation)}


def _nothing_parked(
    store: ArtifactStore, target: str, kinds: Collection[ArtifactKind]
) -> NothingParkedError:
    what = "column" if ArtifactKind.SOFT_DROP_COLUMN in kinds else "table"
    live = [found for found in store.all([ArtifactStatus.LIVE]) if found.kind in kinds]
    if not live:
        hint = f" No {what} is parked in this database."
    else:
        hint = did_you_mean(target, {found.source for found in live}) or (
            " `alembic zanith-recover list` shows what is there."
        )
    return NothingParkedError(f"No parked {what} is named {target!r}.{hint}")


def _refuse_taken_column(
    connection: Connection, artifact: Artifact, relation: Relation, name: str
) -> None:
    if name in {column.name for column in columns(connection, relation)}:
        raise NameTakenError(
            f"{relation.name.display} has a column {name!r} again, and live data is never "
            f"overwritten. Nothing has changed. Bring {artifact.source} back beside it: "
            f"`alembic zanith-recover restore-column {artifact.source} --as {name}_restored`"
        )


def _refuse_taken_table(connection: Connection, artifact: Artifact, wanted: QualifiedName) -> None:
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


def _require_key(
    connection: Connection, artifact: Artifact, definition: Definition, relation: Relation
) -> None:
    present = {column.name for column in columns(connection, relation)}
    lost = [key.name for key in definition.key if key.name not in present]
    if lost:
        raise UnknownObjectError(
            f"{artifact.source} cannot come back: its values are found by {', '.join(lost)}, which "
            f"{relation.name.display} no longer has. Nothing has changed, and the archive "
            f"{artifact.parked} is intact. Restore or rename the key column back first, or export "
            f"the values: `alembic zanith-recover export {artifact.id} --format csv`"
        )


def _count_unmatched(
    connection: Connection, artifact: Artifact, definition: Definition, relation: Relation
) -> tuple[int, int]:
    """Count live rows without an archived value, and archived rows without a live row."""
    joined = " AND ".join(
        f"a.key_{i} = "
        + (f"CAST(t.{quote(key.name)} AS text)" if key.stored_as_text else f"t.{quote(key.name)}")
        for i, key in enumerate(definition.key, 1)
    )
    live, matched = one(
        connection,
        f"SELECT pg_catalog.count(*), pg_catalog.count(a.key_1) FROM {relation.name} AS t"
        f" LEFT JOIN {artifact.parked_name} AS a ON {joined}",
    )
    archived = run(connection, f"SELECT pg_catalog.count(*) FROM {artifact.parked_name}").scalar()
    return int(live) - int(matched), int(archived or 0) - int(matched)


def _fill_step(artifact: Artifact, definition: Definition, relation: Relation, fill: str) -> Step:
    column = definition.column
    assert column is not None
    if not column.not_null:
        raise ZanithError(
            f"{artifact.source} allows NULL, so rows that were NULL before it was parked cannot be "
            "told from rows written since, and --fill would overwrite both. Nothing has changed. "
            "Restore it without --fill, then UPDATE the rows that you mean."
        )
    name = quote(str(definition.working_name))
    kind = column.base_type or column.type
    collation = f" COLLATE {column.collation}" if column.collation else ""
    statement = (
        f"ALTER TABLE {relation.name} ALTER COLUMN {name} TYPE {kind}{collation}"
        f" USING CASE WHEN {name} IS NOT DISTINCT FROM NULL THEN ({fill}) ELSE {name} END"
    )
    return Step((statement,), relation.name)
