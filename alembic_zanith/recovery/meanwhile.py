"""Values for a soft-dropped column from the one that was written in its place meanwhile."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact
from alembic_zanith.catalog.relation import Relation, get_column
from alembic_zanith.errors import FillError
from alembic_zanith.identifiers import quote
from alembic_zanith.integrity import pinned_settings
from alembic_zanith.sql import one

from .definition import Definition
from .plan import Step, as_assigned


@dataclass(frozen=True)
class Meanwhile:
    """The column that has stayed, and what each of the two is made of.

    `forward` is its SQL from the parked column, which has its old name there; `backward` is the
    SQL of the parked column from it.
    """

    column: str
    forward: str
    backward: str


def catch_up_step(
    connection: Connection,
    artifact: Artifact,
    definition: Definition,
    relation: Relation,
    meanwhile: Meanwhile,
) -> Step | None:
    """Return the step that gives rows written meanwhile what the other column says.

    A row is one of these where the parked value does not lead to the one that is there: so what the
    type of the other cannot hold is kept where nothing was written. None where no row is.

    Raises `FillError` for an expression that nothing can be made of.
    """
    # Here, because it takes PostgreSQL's grammar along.
    from alembic_zanith.risk.statements.parser import UnreadableSqlError
    from alembic_zanith.risk.statements.renaming import expression_renamed

    column = definition.column
    assert column is not None
    parked, old = str(definition.working_name), str(artifact.source_column)
    try:
        forward = expression_renamed(meanwhile.forward, old, parked, relation.name.name)
    except UnreadableSqlError as error:
        raise FillError(
            f"{artifact.source} cannot come back: forward={meanwhile.forward!r} cannot be read: "
            f"{error}. Nothing has changed."
        ) from None
    with pinned_settings(connection):
        other = get_column(connection, relation, meanwhile.column)
        differs = (
            f"pg_catalog.record_image_ne(ROW({quote(other.name)}),"
            f" ROW(CAST(({forward}) AS {other.type})))"
        )
        query = f"SELECT EXISTS (SELECT FROM {relation.name} WHERE {differs})"
        if not one(connection, query)[0]:
            return None
    kind = column.base_type or column.type
    collation = f" COLLATE {column.collation}" if column.collation else ""
    name = quote(parked)
    statement = (
        f"ALTER TABLE {relation.name} ALTER COLUMN {name} TYPE {kind}{collation}"
        f" USING CASE WHEN {differs} THEN {as_assigned(meanwhile.backward, column)}"
        f" ELSE {name} END"
    )
    return Step((statement,), relation.name, fill=meanwhile.backward)
