"""Bring back what was parked."""

from __future__ import annotations

from dataclasses import replace

from sqlalchemy import Connection

from alembic_zanith.artifacts import ArtifactStore
from alembic_zanith.catalog.relation import get_column, get_relation
from alembic_zanith.catalog.user_types import HeldType
from alembic_zanith.errors import NotRestorableError
from alembic_zanith.integrity import pinned_settings, roomy_memory
from alembic_zanith.models import ArtifactKind
from alembic_zanith.workspace import Workspace

from .definition import Definition
from .fill import fill_step
from .half_made import HalfMade, half_made, take_away
from .labels import require_labels
from .locate import require_in_place, require_parked
from .looking import Asked, look, notes, table_of
from .meanwhile import Meanwhile, catch_up_step
from .names import under_names, with_free_names
from .pick import COLUMN_KINDS, TABLE_KINDS, pick
from .plan import Place, Step, restore_steps, why_not_back
from .replaced import replaced_parents
from .report import RestoreReport
from .run_steps import Outcome, invalid_foreign_keys, run_steps
from .session import atomic, lock_table
from .taken import refuse_taken_table, refuse_unusable_name
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
    asked = Asked(as_name, fill, relax, force, dry_run)
    relation = table_of(connection, found, force=force)
    if not dry_run:
        lock_table(connection, relation)
    begun = half_made(store, found)
    if begun is not None and not dry_run:
        take_away(store, begun, relation)
    seen = look(store, found, relation, asked)
    definition, place, report = seen.definition, seen.place, seen.report
    if begun is not None:
        report = replace(report, warnings=(*report.warnings, begun.taken_away(dry_run)))
    filled: Step | None = None
    if fill is not None and found.kind is ArtifactKind.SOFT_DROP_COLUMN:
        filled = fill_step(connection, found, definition, relation, fill)
    elif meanwhile is not None and found.kind is ArtifactKind.SOFT_DROP_COLUMN:
        filled = catch_up_step(connection, found, definition, relation, meanwhile)
    foreseen = begun if dry_run else None
    return _restore(
        store, report, definition, place, filled, relax=relax, force=force, begun=foreseen
    )


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
    begun: HalfMade | None = None,
) -> RestoreReport:
    connection, artifact = store.connection, report.artifact
    bookkeeping = store.table  # resolved now: search_path is pinned below
    with pinned_settings(connection):
        warnings = verify(connection, artifact, force=force)
        warnings += replaced_parents(connection, artifact, definition)
        if begun is None:
            definition, renamed = with_free_names(connection, definition, place, artifact.id)
        else:
            # Its own parts have these names, and are taken away first.
            definition = under_names(definition, place, begun.names)
            renamed = tuple(sorted({(name.name, new) for name, new in begun.names.items()}))
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
        warnings=(*report.warnings, *warnings, *notes(report, definition, place)),
    )
    if not report.dry_run:
        assert store.table == bookkeeping
        number = None
        if artifact.kind is ArtifactKind.ARCHIVE_COLUMN:
            with pinned_settings(connection):
                relation = get_relation(connection, place.relation.name, place.relation.schema)
                number = get_column(connection, relation, place.name).number
        mark_restored(store, report, number)
    return report


def mark_restored(store: ArtifactStore, report: RestoreReport, number: int | None) -> None:
    """Note that what was parked is back, with the number that an archived column has now.

    It may be the key of other archives, which go by its number.
    """
    noted = {key: value for key, value in report.as_dict().items() if key != "statements"}
    noted["revision"] = store.workspace.revision
    if number is not None:
        noted["column_number"] = number
    store.mark_restored(report.artifact.id, report.restored_as, noted)


def _with_fill(steps: list[Step], fill: Step | None) -> list[Step]:
    if fill is None:
        return steps
    first = next((i for i, s in enumerate(steps) if not isinstance(s.part, HeldType)), len(steps))
    return [*steps[:first], fill, *steps[first:]]
