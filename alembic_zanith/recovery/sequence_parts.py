"""The sequence of a serial or identity column: out of use while parked, and used again after."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alembic_zanith.catalog import capture
from alembic_zanith.catalog.capture import Scope
from alembic_zanith.catalog.column_parts import Identity, OwnedSequence, SequenceFill
from alembic_zanith.catalog.parts import Part, Renamed
from alembic_zanith.catalog.relation import Column
from alembic_zanith.identifiers import QualifiedName, archived_name, parked_name
from alembic_zanith.sql import one

_FIRST_SEQUENCE = 1000
"""Where the numbers of parked sequences begin, apart from those of constraints."""


def soft_sequence_parts(scope: Scope, depth: int, artifact_id: str) -> Iterator[Part]:
    """Yield the parts of the sequences that a column owns: they stay, under parked names.

    The sequence of an identity column cannot stay without it, so that one is made anew.
    """
    column = _column(scope)
    for position, row in enumerate(capture.owned_sequences(scope)):
        parked = parked_name(row.name, artifact_id, _FIRST_SEQUENCE + position)
        if row.is_identity:
            yield from _identity(scope, row, parked)
        else:
            yield Renamed("sequence", scope.relation.name.schema, row.name, parked)
            if depth == 0 and row.feeds_column and column.not_null:
                yield SequenceFill(column.name, column.type, parked)
        yield from capture.sequence_grants(scope, row)


def archived_sequence_parts(
    scope: Scope, depth: int, archive: QualifiedName, numbers: Iterator[int]
) -> Iterator[Part]:
    """Yield the parts of the sequences of a column that is about to go for real."""
    column = _column(scope)
    for row in capture.owned_sequences(scope):
        parked = archived_name(row.name, f"{archive.name[-8:]}_{next(numbers)}")
        if row.is_identity:
            yield from _identity(scope, row, parked)
        else:
            yield OwnedSequence(
                row.name,
                scope.relation.name.schema,
                column.name,
                parked,
                str(archive),
                archive.schema,
            )
            if depth == 0 and row.feeds_column and column.not_null:
                yield SequenceFill(column.name, column.type, row.name)
        yield from capture.sequence_grants(scope, row)


def _identity(scope: Scope, row: Any, source: str) -> Iterator[Part]:
    column = _column(scope)
    options = (
        f"START WITH {row.start} INCREMENT BY {row.increment} MINVALUE {row.minimum}"
        f" MAXVALUE {row.maximum} CACHE {row.cache} {'CYCLE' if row.cycles else 'NO CYCLE'}"
    )
    sequence = scope.relation.name.renamed(row.name)
    state = one(scope.connection, f"SELECT last_value, is_called FROM {sequence}")
    yield SequenceFill(
        column.name,
        column.type,
        source,
        options,
        last_value=int(state[0]),
        is_called=bool(state[1]),
    )
    yield Identity(
        column=column.name,
        always=column.identity == "a",
        name=row.name,
        options=options,
        source=source,
        comment=row.comment,
        type=None if row.type == column.type else row.type,
    )


def _column(scope: Scope) -> Column:
    assert scope.column is not None, "sequences are looked at column by column"
    return scope.column
