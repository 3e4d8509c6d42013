"""What hangs on a table, as the parts that leave it while it is parked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

from alembic_zanith.catalog import capture
from alembic_zanith.catalog.capture import Found, Scope
from alembic_zanith.catalog.column_parts import ColumnAttributes
from alembic_zanith.catalog.constraints import (
    Constraint,
    Index,
    IndexAttachment,
    InheritedNotNull,
    NamedNotNull,
)
from alembic_zanith.catalog.parts import GeneratedExpression, Part, Renamed, StandInType
from alembic_zanith.catalog.relation import columns
from alembic_zanith.catalog.retyping import bar_to_rewriting, fixed_columns
from alembic_zanith.catalog.statistics_parts import (
    ExtendedStatistics,
    IndexStatistics,
    MovedStatistics,
    StatisticsTarget,
)
from alembic_zanith.catalog.user_types import HeldType, held_types
from alembic_zanith.identifiers import parked_name

from .park_column import storage_clauses


@dataclass(frozen=True)
class ParkedNames:
    """Names for all that one artifact parks, numbered so that cut ones differ."""

    artifact_id: str
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def name(self, name: str) -> str:
        """Return the next parked name."""
        return parked_name(name, self.artifact_id, next(self.numbers))

    def renamed(self, object_kind: str, schema: str, name: str) -> Renamed:
        """Return the part for an object that stays, under the next parked name."""
        return Renamed(object_kind, schema, name, self.name(name))


def parts_of_table(scope: Scope, names: ParkedNames, archive: str | None) -> Iterator[Part]:
    """Yield what of one relation gets a parked name, and what goes because it reaches out.

    Its sequences, and those of the tables above and below it, have their parked names by then: a
    default speaks of them by those, wherever it is. `archive` is the schema that the table has been
    moved to, or None.
    """
    schema = scope.relation.name.schema
    for found in capture.constraints(scope):
        yield from _constraint(found, schema, names)
    for found in capture.indexes(scope):
        if found.reaches_out:
            yield found.part
        elif isinstance(found.part, Index):
            rename = names.renamed("index", schema, found.part.name)
            yield rename
            if found.part.traits.statistics:
                yield IndexStatistics(rename.parked, found.part.traits.statistics)
    for found in capture.extended_statistics(scope):
        part = found.part
        assert isinstance(part, ExtendedStatistics)
        if found.reaches_out:
            yield part
            continue
        rename = names.renamed("statistics", part.schema, part.name)
        yield rename
        if part.target is not None:
            yield StatisticsTarget(archive or part.schema, rename.parked, part.target)
        if archive is not None:
            yield MovedStatistics(part.schema, rename.parked, archive)
    for default in capture.defaults(scope):
        if default.reaches_out and not isinstance(default.part, GeneratedExpression):
            yield default.part
    yield from _own_types(scope)
    yield from capture.table_parts(scope)


def renamed_sequences(scope: Scope, names: ParkedNames) -> tuple[Renamed, ...]:
    """Return the parts for the table's own sequences, of serial and identity columns."""
    schema = scope.relation.name.schema
    return tuple(
        names.renamed("sequence", schema, row.name) for row in capture.owned_sequences(scope)
    )


def _constraint(found: Found, schema: str, names: ParkedNames) -> Iterator[Part]:
    part = found.part
    if isinstance(part, InheritedNotNull) or not found.can_be_renamed:
        return
    if isinstance(part, Constraint | NamedNotNull) and not found.reaches_out:
        rename = names.renamed("constraint", schema, part.name)
        yield rename
        if isinstance(part, Constraint) and part.traits is not None and part.traits.statistics:
            yield IndexStatistics(rename.parked, part.traits.statistics)
    elif found.reaches_out or not isinstance(part, IndexAttachment):
        yield part


def _own_types(scope: Scope) -> Iterator[Part]:
    """What stands in for types, of columns that are the table's own; of others what that resets."""
    inherited = {
        column.name: tuple(storage_clauses(column))
        for column in columns(scope.connection, scope.relation)
        if column.inheritance_count
    }
    parts: list[StandInType | HeldType] = list(_stand_ins(scope))
    parts += held_types(scope.connection, scope.relation)
    for part in parts:
        if part.column not in inherited:
            yield part
        elif isinstance(part, StandInType) and inherited[part.column]:
            yield ColumnAttributes(part.column, inherited[part.column])


def _stand_ins(scope: Scope) -> Iterator[StandInType]:
    found = [
        column
        for column in columns(scope.connection, scope.relation)
        if column.needs_stand_in and not column.generated
    ]
    # Asked only where it matters: both go through everything below the table.
    if not found or bar_to_rewriting(scope.connection, scope.relation):
        return
    fixed = fixed_columns(scope.connection, scope.relation)
    for column in found:
        if column.name not in fixed:
            yield StandInType.of(column, storage_clauses(column))


def sheltered_parts(scope: Scope, names: ParkedNames) -> Iterator[Part]:
    """Yield what goes and comes back by way of a shelter: no child can change what it inherits."""
    for found in capture.constraints(scope):
        yield from _constraint(found, scope.relation.name.schema, names)
    yield from _stand_ins(scope)
    yield from held_types(scope.connection, scope.relation)
