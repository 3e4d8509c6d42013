"""Bring back what was parked."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog.column_parts import SequenceFill
from alembic_zanith.catalog.constraints import NamedNotNull
from alembic_zanith.catalog.parts import NotNull
from alembic_zanith.catalog.relation import Relation, get_column, get_relation, tree
from alembic_zanith.catalog.retyping import bar_to_rewriting
from alembic_zanith.catalog.user_types import HeldType
from alembic_zanith.errors import NotRestorableError
from alembic_zanith.identifiers import display_name, quote
from alembic_zanith.integrity import pinned_settings, roomy_memory
from alembic_zanith.models import ArtifactKind
from alembic_zanith.sql import one
from alembic_zanith.workspace import Workspace

from .carriers import known_oid, left_behind
from .definition import Definition
from .fill import fill_step
from .keys import count_unmatched, require_key
from .labels import require_labels
from .locate import refuse_parked_table, require_in_place, require_parked, require_source
from .meanwhile import Meanwhile, catch_up_step
from .members import as_they_are_now, cut_off
from .names import with_free_names
from .pick import COLUMN_KINDS, TABLE_KINDS, pick, used_before
from .plan import Place, Step, restore_steps, why_not_back
from .replaced import replaced_parents
from .report import RestoreReport
from .row_security import require_all_rows
from .run_steps import Outcome, invalid_foreign_keys, run_steps
from .session import atomic, lock_table
from .taken import refuse_taken_column, refuse_taken_table, refuse_unusable_name
from .verify_parked import verify


@atomic
def restore_column(
    connection: Connection,
    target: str,
    *,
    artifact: str | None = None,
    as_name: str | None = None,
    fill: str | None = None,
    meanwhile: Meanwhile | None = None,
    relax: bool = False,
    force: bool = False,
    dry_run: bool = False,
    workspace: Workspace | None = None,
) -> RestoreReport:
    """Bring back the newest live artifact of a column, soft drop or archive.

    `target` is `table.column`, `schema.table.column` or an artifact id; `artifact` picks one of
    several by id. `as_name` brings it back under another name. `fill` is an SQL expression for
    rows that have no value, `meanwhile` says which column was written in place of a soft-dropped
    one, `relax` leaves out constraints that have become impossible, `force` goes on although the
    data is not what was parked, `dry_run` only tells what would be done.

    Of an archive whose column came back once and was dropped since, the values are used again.

    Raises `NothingParkedError`, `NameTakenError`, `IntegrityError`, `ConstraintConflictError`,
    `DataMissingError`, `AmbiguousTargetError`. Then nothing has changed.

    >>> restore_column(connection, "users.legacy_uuid").restored_as    # doctest: +SKIP
    'users.legacy_uuid'
    """
    refuse_unusable_name(as_name)
    store = ArtifactStore(connection, workspace)
    found = pick(store, target, artifact, COLUMN_KINDS, lock=not dry_run)
    if isinstance(found, RestoreReport):
        return found
    if found.kind is ArtifactKind.SOFT_DROP_COLUMN:
        relation = require_parked(connection, found)
        refuse_parked_table(found, relation)
    else:
        require_in_place(found, require_parked(connection, found))
        relation = require_source(connection, found, force=force)
    if not dry_run:
        lock_table(connection, relation)
    name = as_name or str(found.source_column)
    refuse_taken_column(connection, found, relation, name)
    definition = Definition.from_json(found.definition)
    require_key(store, found, definition, relation, force=force)
    if not force:
        require_labels(connection, found, definition)
    members = tree(connection, relation)
    same_database = known_oid(connection, found) is not None
    detached = cut_off(connection, found, definition, members) if same_database else []
    definition = as_they_are_now(definition, members, same_database=same_database)
    missing = 0
    orphaned = 0
    if found.kind is ArtifactKind.ARCHIVE_COLUMN:
        _require_rewriting(connection, found, relation)
    if found.kind is ArtifactKind.ARCHIVE_COLUMN and definition.generated_expression is None:
        require_all_rows(connection, relation, f"restoring {found.source}")
        with pinned_settings(connection):
            missing, orphaned = count_unmatched(connection, found, definition, relation)
    elif fill is None and _has_sequence(definition):
        require_all_rows(connection, relation, f"restoring {found.source}")
        missing = _count_nulls(connection, relation, str(found.parked_column))
    elif fill is None and dry_run and _refuses_nulls(definition):
        missing = _count_nulls(connection, relation, str(found.parked_column))
    default = definition.constant_default if missing else None
    place = Place(relation.name, name, fill if fill is not None and missing else default)
    restored_as = f"{relation.name.display}.{display_name(name)}"
    if found.kind is ArtifactKind.SOFT_DROP_COLUMN:
        warnings = left_behind(connection, found, relation.oid)
    else:
        warnings = [*used_before(found), *detached]
    report = RestoreReport(
        artifact=found,
        restored_as=restored_as.removeprefix("public."),
        dry_run=dry_run,
        row_count=found.row_count,
        rows_without_value=missing,
        orphaned_rows=orphaned,
        warnings=tuple(warnings),
    )
    filled: Step | None = None
    if fill is not None and found.kind is ArtifactKind.SOFT_DROP_COLUMN:
        filled = fill_step(connection, found, definition, relation, fill)
    elif meanwhile is not None and found.kind is ArtifactKind.SOFT_DROP_COLUMN:
        filled = catch_up_step(connection, found, definition, relation, meanwhile)
    return _restore(store, report, definition, place, filled, relax=relax, force=force)


@atomic
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
    refuse_unusable_name(as_name)
    store = ArtifactStore(connection, workspace)
    found = pick(store, target, artifact, TABLE_KINDS, lock=not dry_run)
    if isinstance(found, RestoreReport):
        return found
    if found.kind is ArtifactKind.REBUILD_TABLE:
        raise NotRestorableError(why_not_back(found))
    relation = require_parked(connection, found)
    require_in_place(found, relation)
    definition = Definition.from_json(found.definition)
    if not force:
        require_labels(connection, found, definition)
    if not dry_run:
        lock_table(connection, relation)
    place = Place(found.source_name.renamed(as_name or found.source_table), as_name or "")
    refuse_taken_table(connection, found, place.relation)
    report = RestoreReport(
        artifact=found,
        restored_as=place.relation.display.removeprefix("public."),
        dry_run=dry_run,
        row_count=found.row_count,
    )
    return _restore(store, report, definition, place, None, relax=relax, force=force)


def _restore(
    store: ArtifactStore,
    report: RestoreReport,
    definition: Definition,
    place: Place,
    fill: Step | None,
    *,
    relax: bool,
    force: bool,
) -> RestoreReport:
    connection, artifact = store.connection, report.artifact
    bookkeeping = store.table  # resolved now: search_path is pinned below
    with pinned_settings(connection):
        warnings = verify(connection, artifact, force=force)
        warnings += replaced_parents(connection, artifact, definition)
        definition, renamed = with_free_names(connection, definition, place, artifact.id)
        adjusted = replace(artifact, definition=definition.to_json())
        steps = _with_fill(restore_steps(adjusted, place), fill)
        outcome = Outcome()
        if not report.dry_run:
            with roomy_memory(connection):
                outcome = run_steps(connection, artifact, steps, relax=relax, force=force)
            not_valid = invalid_foreign_keys(connection, steps, place, definition, outcome)
        else:
            not_valid = ()
    report = replace(
        report,
        statements=tuple(statement for step in steps for statement in step.statements),
        left_out=tuple(outcome.left_out),
        not_valid=not_valid,
        renamed=renamed,
        warnings=(*report.warnings, *warnings, *_notes(report, definition, place)),
    )
    if not report.dry_run:
        assert store.table == bookkeeping
        noted = {key: value for key, value in report.as_dict().items() if key != "statements"}
        noted["revision"] = store.workspace.revision
        if artifact.kind is ArtifactKind.ARCHIVE_COLUMN:
            # It may be the key of other archives, which go by its number.
            with pinned_settings(connection):
                relation = get_relation(connection, place.relation.name, place.relation.schema)
                noted["column_number"] = get_column(connection, relation, place.name).number
        store.mark_restored(artifact.id, report.restored_as, noted)
    return report


def _require_rewriting(connection: Connection, artifact: Artifact, relation: Relation) -> None:
    if bar := bar_to_rewriting(connection, relation):
        raise NotRestorableError(
            f"{artifact.source} cannot come back: PostgreSQL does not rewrite its table {bar}. "
            "Nothing has changed, and the archive is intact. Change that first, or export the "
            f"values: `alembic zanith-recover export {artifact.id} --format csv`"
        )


def _with_fill(steps: list[Step], fill: Step | None) -> list[Step]:
    if fill is None:
        return steps
    first = next((i for i, s in enumerate(steps) if not isinstance(s.part, HeldType)), len(steps))
    return [*steps[:first], fill, *steps[first:]]


def _has_sequence(definition: Definition) -> bool:
    return any(isinstance(part, SequenceFill) for part in definition.root.parts)


def _refuses_nulls(definition: Definition) -> bool:
    return any(isinstance(part, NotNull | NamedNotNull) for part in definition.root.parts)


def _count_nulls(connection: Connection, relation: Relation, column: str) -> int:
    query = f"SELECT pg_catalog.count(*) FROM {relation.name} WHERE {quote(column)} IS NULL"
    return int(one(connection, query)[0])


def _notes(report: RestoreReport, definition: Definition, place: Place) -> list[str]:
    notes = []
    if report.rows_without_value:
        how = "now NULL"
        if place.fill is not None:
            how = f"now {place.fill}"
        elif _has_sequence(definition):
            how = "now the next values of its sequence"
        elif report.dry_run and _refuses_nulls(definition):
            how = "the restore would fail, for it is NOT NULL, but with --fill EXPRESSION"
        rows = _some(report.rows_without_value, "row was", "rows were")
        notes.append(f"{rows} written since, without a value: {how}.")
    if report.orphaned_rows:
        rows = _some(report.orphaned_rows, "archived row has", "archived rows have")
        notes.append(
            f"{rows} a key that {report.artifact.source_name.display} does not have any more; kept "
            f"in {report.artifact.parked} until purge."
        )
    return notes


def _some(number: int, one_is: str, many_are: str) -> str:
    return f"{number} {one_is if number == 1 else many_are}"
