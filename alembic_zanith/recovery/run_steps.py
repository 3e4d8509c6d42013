"""Run the steps of a restore, each part in a savepoint of its own."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.artifacts import Artifact
from alembic_zanith.catalog.constraints import ForeignKey
from alembic_zanith.catalog.parts import Renamed
from alembic_zanith.errors import FillError, NotRestorableError
from alembic_zanith.failures import server_message, sqlstate
from alembic_zanith.identifiers import QualifiedName
from alembic_zanith.sql import run, run_all, scalar

from .conflicts import (
    SAMPLE,
    can_be_left_out,
    conflict,
    is_about_the_part,
    orphans,
    without_working_name,
)
from .definition import Definition
from .plan import Place, Step
from .report import InvalidForeignKey

_MISSING = ("42704", "42P01")
_DATATYPE_MISMATCH = "42804"


@dataclass
class Outcome:
    """What running the steps gave up; filled while they run."""

    left_out: list[str] = field(default_factory=list)


def run_steps(
    connection: Connection,
    artifact: Artifact,
    steps: Collection[Step],
    *,
    relax: bool,
    force: bool,
) -> Outcome:
    """Run all steps.

    With `relax`, a part that has become impossible is left out; with `force`, one that something
    dropped while it was parked.

    Raises `ConstraintConflictError` for it otherwise.
    """
    outcome = Outcome()
    for step in steps:
        if step.part is None:
            _run_plain(connection, artifact, step)
            continue
        try:
            with connection.begin_nested():
                run_all(connection, step.statements)
        except DBAPIError as error:
            if not is_about_the_part(error):
                raise
            if isinstance(step.part, Renamed):
                can_go_on = force and sqlstate(error) in _MISSING
            else:
                can_go_on = relax and can_be_left_out(step.part)
            if not can_go_on:
                raise conflict(connection, artifact, step.part, step.relation, error) from error
            outcome.left_out.append(without_working_name(artifact, step.part.label))
    return outcome


def _run_plain(connection: Connection, artifact: Artifact, step: Step) -> None:
    try:
        run_all(connection, step.statements)
    except DBAPIError as error:
        if step.fill is None and sqlstate(error) == _DATATYPE_MISMATCH:
            raise _other_type(artifact, error) from error
        if step.fill is None or not is_about_the_part(error):
            raise
        raise FillError(
            f"{artifact.source} cannot come back: the rows without a value cannot be given "
            f"{step.fill}, because PostgreSQL says: {server_message(error)}. Nothing has changed. "
            "--fill takes an SQL expression over the columns of the same row, such as 'none', 0 "
            "or now(); names outside of pg_catalog need their schema."
        ) from error


def _other_type(artifact: Artifact, error: DBAPIError) -> NotRestorableError:
    return NotRestorableError(
        f"{artifact.source} cannot come back: {server_message(error)}. Nothing has changed, and "
        f"what is parked is intact: `alembic zanith-recover export {artifact.id} --format csv` "
        "shows the values."
    )


_IS_VALID = """
SELECT con.convalidated FROM pg_catalog.pg_constraint con
 WHERE con.conname = :name AND con.contype = 'f'
   AND con.conrelid = pg_catalog.to_regclass(:relation)
"""


def invalid_foreign_keys(
    connection: Connection,
    steps: Collection[Step],
    place: Place,
    definition: Definition,
    outcome: Outcome,
) -> tuple[InvalidForeignKey, ...]:
    """Return the foreign keys that came back NOT VALID, with the rows that have no parent."""
    found = []
    for step in steps:
        part = step.part
        if not isinstance(part, ForeignKey) or not part.validated or part.label in outcome.left_out:
            continue
        relation = step.relation
        if definition.column is None and step.relation == definition.root.parked:
            relation = place.relation
        if definition.column is not None:
            part = _with_final_column(part, definition, place)
        if scalar(connection, _IS_VALID, name=part.name, relation=str(relation)) is False:
            found.append(_invalid(connection, part, relation))
    return tuple(found)


def _with_final_column(part: ForeignKey, definition: Definition, place: Place) -> ForeignKey:
    columns = tuple(
        place.name if name == definition.working_name else name for name in part.columns
    )
    return ForeignKey(part.name, part.definition, part.parent, columns, part.parent_columns)


def _invalid(
    connection: Connection, part: ForeignKey, relation: QualifiedName
) -> InvalidForeignKey:
    query = orphans(part, relation)
    count = run(connection, f"SELECT pg_catalog.count(*) FROM ({query}) AS r").scalar()
    sample = run(connection, f"SELECT CAST(r AS text) FROM ({query}) AS r LIMIT {SAMPLE}").scalars()
    return InvalidForeignKey(part.name, int(count or 0), tuple(str(row) for row in sample))
