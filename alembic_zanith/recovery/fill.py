"""Values for the rows of a soft-dropped column that have none."""

from __future__ import annotations

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact
from alembic_zanith.catalog.domains import forbids_null
from alembic_zanith.catalog.relation import Relation
from alembic_zanith.errors import ZanithError
from alembic_zanith.identifiers import quote

from .definition import Definition
from .plan import Step, as_assigned


def fill_step(
    connection: Connection,
    artifact: Artifact,
    definition: Definition,
    relation: Relation,
    fill: str,
) -> Step:
    """Return the step that gives `fill` to the rows without a value.

    It comes after a type of the user's own has its name back, and before all checks.

    Raises `ZanithError` for a column that allows NULL.
    """
    column = definition.column
    assert column is not None
    of_domain = column.base_type is not None and forbids_null(connection, column.type)
    if not (column.not_null or of_domain):
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
        f" USING CASE WHEN {name} IS NOT DISTINCT FROM NULL"
        f" THEN {as_assigned(fill, column)} ELSE {name} END"
    )
    return Step((statement,), relation.name, fill=fill)
