"""What a restore of a column looks up and checks before it changes anything."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog.column_parts import SequenceFill
from alembic_zanith.catalog.constraints import NamedNotNull
from alembic_zanith.catalog.parts import NotNull
from alembic_zanith.catalog.relation import Relation, tree
from alembic_zanith.catalog.retyping import bar_to_rewriting
from alembic_zanith.errors import NotRestorableError
from alembic_zanith.identifiers import display_name, quote
from alembic_zanith.integrity import pinned_settings
from alembic_zanith.models import ArtifactKind
from alembic_zanith.sql import one

from .carriers import known_oid, left_behind
from .definition import Definition
from .keys import count_unmatched, require_key
from .labels import require_labels
from .locate import refuse_parked_table, require_in_place, require_parked, require_source
from .members import as_they_are_now, cut_off
from .pick import used_before
from .plan import Place
from .report import RestoreReport
from .row_security import require_all_rows
from .taken import refuse_taken_column


@dataclass(frozen=True)
class Asked:
    """What a restore of a column is asked for; as in `restore_column`."""

    as_name: str | None = None
    fill: str | None = None
    relax: bool = False
    force: bool = False
    dry_run: bool = False


@dataclass(frozen=True)
class Prospect:
    """A column that can come back: into which table, as what, and what there is to say of it."""

    relation: Relation
    definition: Definition
    place: Place
    report: RestoreReport


def table_of(connection: Connection, artifact: Artifact, *, force: bool) -> Relation:
    """Return the table that a column comes back into; raises where there is none, or no values."""
    if artifact.kind is ArtifactKind.SOFT_DROP_COLUMN:
        relation = require_parked(connection, artifact)
        refuse_parked_table(artifact, relation)
        return relation
    require_in_place(artifact, require_parked(connection, artifact))
    return require_source(connection, artifact, force=force)


def look(store: ArtifactStore, artifact: Artifact, relation: Relation, asked: Asked) -> Prospect:
    """Check all that can be told before a column comes back, but for the checksum.

    Raises as `restore_column` does. Nothing is locked and nothing changed.
    """
    connection, force = store.connection, asked.force
    name = asked.as_name or str(artifact.source_column)
    refuse_taken_column(connection, artifact, relation, name)
    definition = Definition.from_json(artifact.definition)
    require_key(store, artifact, definition, relation, force=force)
    if not force:
        require_labels(connection, artifact, definition)
    members = tree(connection, relation)
    same_database = known_oid(connection, artifact) is not None
    detached = cut_off(connection, artifact, definition, members) if same_database else []
    definition = as_they_are_now(definition, members, same_database=same_database)
    missing, orphaned = _unmatched(connection, artifact, definition, relation, asked)
    default = definition.constant_default if missing else None
    fill = asked.fill if asked.fill is not None and missing else default
    if artifact.kind is ArtifactKind.SOFT_DROP_COLUMN:
        warnings = left_behind(connection, artifact, relation.oid)
    else:
        warnings = [*used_before(artifact), *detached]
    restored_as = f"{relation.name.display}.{display_name(name)}"
    report = RestoreReport(
        artifact=artifact,
        restored_as=restored_as.removeprefix("public."),
        dry_run=asked.dry_run,
        row_count=artifact.row_count,
        rows_without_value=missing,
        orphaned_rows=orphaned,
        warnings=tuple(warnings),
    )
    return Prospect(relation, definition, Place(relation.name, name, fill), report)


def _unmatched(
    connection: Connection,
    artifact: Artifact,
    definition: Definition,
    relation: Relation,
    asked: Asked,
) -> tuple[int, int]:
    """Count the rows that have no value, and the values that have no row, as far as it matters."""
    column = str(artifact.parked_column)
    if artifact.kind is ArtifactKind.ARCHIVE_COLUMN:
        _require_rewriting(connection, artifact, relation)
        if definition.generated_expression is not None:
            return 0, 0
        require_all_rows(connection, relation, f"restoring {artifact.source}")
        with pinned_settings(connection):
            return count_unmatched(connection, artifact, definition, relation)
    if asked.fill is None and has_sequence(definition):
        require_all_rows(connection, relation, f"restoring {artifact.source}")
        return _count_nulls(connection, relation, column), 0
    if asked.fill is None and asked.dry_run and refuses_nulls(definition):
        return _count_nulls(connection, relation, column), 0
    return 0, 0


def _require_rewriting(connection: Connection, artifact: Artifact, relation: Relation) -> None:
    if bar := bar_to_rewriting(connection, relation):
        raise NotRestorableError(
            f"{artifact.source} cannot come back: PostgreSQL does not rewrite its table {bar}. "
            "Nothing has changed, and the archive is intact. Change that first, or export the "
            f"values: `alembic zanith-recover export {artifact.id} --format csv`"
        )


def has_sequence(definition: Definition) -> bool:
    """Whether rows without a value get the next ones of the column's own sequence."""
    return any(isinstance(part, SequenceFill) for part in definition.root.parts)


def refuses_nulls(definition: Definition) -> bool:
    """Whether the column is NOT NULL."""
    return any(isinstance(part, NotNull | NamedNotNull) for part in definition.root.parts)


def _count_nulls(connection: Connection, relation: Relation, column: str) -> int:
    query = f"SELECT pg_catalog.count(*) FROM {relation.name} WHERE {quote(column)} IS NULL"
    return int(one(connection, query)[0])


def notes(report: RestoreReport, definition: Definition, place: Place) -> list[str]:
    """Return what a report has to say of rows without a value, and of values without a row."""
    found = []
    if report.rows_without_value:
        how = "now NULL"
        if place.fill is not None:
            how = f"now {place.fill}"
        elif has_sequence(definition):
            how = "now the next values of its sequence"
        elif report.dry_run and refuses_nulls(definition):
            how = "the restore would fail, for it is NOT NULL, but with --fill EXPRESSION"
        rows = _some(report.rows_without_value, "row was", "rows were")
        found.append(f"{rows} written since, without a value: {how}.")
    if report.orphaned_rows:
        rows = _some(report.orphaned_rows, "archived row has", "archived rows have")
        found.append(
            f"{rows} a key that {report.artifact.source_name.display} does not have any more; kept "
            f"in {report.artifact.parked} until purge."
        )
    return found


def _some(number: int, one_is: str, many_are: str) -> str:
    return f"{number} {one_is if number == 1 else many_are}"
