"""The statements of an online restore, in order, as a report shows them."""

from __future__ import annotations

from collections.abc import Iterator

from alembic_zanith.catalog.online import Short
from alembic_zanith.recovery.definition import Definition
from alembic_zanith.recovery.plan import Place, rename_column

from .beginning import Terms, add_column
from .returning import ReturningValues


def statements_of(
    definition: Definition, place: Place, terms: Terms, work: ReturningValues
) -> Iterator[str]:
    """Yield each statement; the one UPDATE stands for all batches."""
    yield from definition.type_sql
    yield from add_column(definition, place.relation)
    for way in terms.ways:
        yield from way.online.first
    yield work.statement(work.undone).removesuffix(" RETURNING 1")
    for way in terms.ways:
        yield from way.online.guard
    for way in terms.ways:
        for step in way.online.then:
            if isinstance(step, Short):
                yield from step.statements
            else:
                yield step.statement
    yield from rename_column(definition, place).statements
