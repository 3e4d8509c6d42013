"""The new shape of a table: which columns it has, and where their values come from."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from alembic_zanith.catalog.relation import Column
from alembic_zanith.errors import ConfigurationError, UnknownObjectError, did_you_mean
from alembic_zanith.identifiers import is_zanith_name, quote


@dataclass(frozen=True)
class NewColumn:
    """A column as the script asks for it: as it is, or with a definition; `select` is SQL."""

    name: str
    definition: sa.Column[Any] | None = None
    select: str | None = None


@dataclass(frozen=True)
class OldSequence:
    """A sequence that a column of the old table owns.

    `type` is that of its values; `feeds` says if new rows take theirs from it.
    """

    oid: int
    name: str
    column: str
    is_identity: bool
    feeds: bool
    type: str


@dataclass(frozen=True)
class ShapeColumn:
    """A column of the new table.

    `old` is the one of its name in the old table. `value` is the SQL that its values are worked out
    by from a row of the old table; None leaves them to its default. `keeps_sequence` says if the
    sequences of the old column go on with the new one.
    """

    name: str
    definition: sa.Column[Any] | None
    old: Column | None
    value: str | None
    not_null: bool
    keeps_sequence: bool

    @property
    def is_as_it_was(self) -> bool:
        return self.definition is None

    @property
    def is_generated(self) -> bool:
        if self.definition is not None:
            return self.definition.computed is not None
        return self.old is not None and bool(self.old.generated)


@dataclass(frozen=True)
class Shape:
    """The columns of the new table, and the names of those that it has no more."""

    columns: tuple[ShapeColumn, ...]
    gone: tuple[str, ...]

    @property
    def written(self) -> list[ShapeColumn]:
        """The columns that get a value from the old row."""
        return [column for column in self.columns if column.value is not None]

    def keeps_values(self, name: str) -> bool:
        """Whether a column has the values that the old one had, if of another type perhaps."""
        return any(column.name == name and column.value == quote(name) for column in self.columns)

    def __contains__(self, name: str) -> bool:
        return any(column.name == name for column in self.columns)


_NOT_OF_A_COLUMN = {
    "unique": "unique=True",
    "index": "index=True",
    "foreign_keys": "a ForeignKey",
    "constraints": "a constraint",
}


def refuse_other_settings(call: str, wanted: Sequence[NewColumn]) -> None:
    """Refuse a definition that has a key, an index or a constraint in it.

    Raises `ConfigurationError`.
    """
    for column in wanted:
        for name, what in _NOT_OF_A_COLUMN.items():
            if column.definition is not None and getattr(column.definition, name):
                raise ConfigurationError(
                    f"{call} changed nothing: {column.name!r} has {what}, which a rebuild does not "
                    "make. Make it with an operation of its own, behind the rebuild."
                )


def shape_of(
    call: str,
    wanted: Sequence[NewColumn],
    old: Sequence[Column],
    primary_key: Collection[str],
    sequences: Sequence[OldSequence],
) -> Shape:
    """Return the new shape, or refuse what cannot be meant.

    Raises `UnknownObjectError` for a column that is to stay as it is and is not there, and
    `ConfigurationError`.
    """
    there = {column.name: column for column in old}
    columns = [
        _column(call, each, there, primary_key, [s for s in sequences if s.column == each.name])
        for each in wanted
    ]
    names = {column.name for column in columns}
    parked = [name for name in there if is_zanith_name(name) and name not in names]
    if parked:
        raise ConfigurationError(
            f"{call} changed nothing: the table holds the parked column {parked[0]!r}, whose "
            "values would stay behind in the old table. Restore or purge it first, see "
            "`alembic zanith-recover list`."
        )
    flagged = {c.name for c in columns if c.definition is not None and c.definition.primary_key}
    if flagged - {*primary_key}:
        raise ConfigurationError(
            f"{call} changed nothing: primary_key=True of {', '.join(sorted(flagged))} is not what "
            "the table has. Keys are carried over as they are; make another one with "
            "op.drop_constraint and op.create_primary_key, before the rebuild or after it."
        )
    return Shape(tuple(columns), tuple(name for name in there if name not in names))


def _column(
    call: str,
    wanted: NewColumn,
    there: Mapping[str, Column],
    primary_key: Collection[str],
    sequences: Sequence[OldSequence],
) -> ShapeColumn:
    old = there.get(wanted.name)
    definition = wanted.definition
    if definition is None and old is None:
        raise UnknownObjectError(
            f"{call} changed nothing: the table has no column {wanted.name!r} that could stay as "
            f"it is.{did_you_mean(wanted.name, there)} A new one is written as sa.Column(…)."
        )
    is_generated = old is not None and bool(old.generated)
    if definition is not None:
        is_generated = definition.computed is not None
    if is_generated and wanted.select is not None:
        raise ConfigurationError(
            f"{call} changed nothing: {wanted.name!r} is generated, so that select= has no say in "
            "it. Leave it out, or give the column a definition without sa.Computed."
        )
    value = None
    if not is_generated:
        value = wanted.select or (None if old is None else quote(wanted.name))
    not_null = wanted.name in primary_key
    if definition is not None:
        not_null = not_null or not definition.nullable
    elif old is not None:
        not_null = old.not_null
    if not_null and value is None and not is_generated and not _fills_itself(definition):
        raise ConfigurationError(
            f"{call} changed nothing: the new column {wanted.name!r} is NOT NULL and no row has a "
            "value for it. Give it one with select= or server_default=."
        )
    keeps = _keeps_sequence(call, wanted.name, definition, sequences)
    return ShapeColumn(wanted.name, definition, old, value, not_null, keeps)


def _fills_itself(definition: sa.Column[Any] | None) -> bool:
    return definition is not None and (
        definition.server_default is not None or definition.identity is not None
    )


def _keeps_sequence(
    call: str, name: str, definition: sa.Column[Any] | None, sequences: Sequence[OldSequence]
) -> bool:
    """Whether new rows go on to take their values from where those of the old table did."""
    if definition is None or not sequences:
        return True
    if definition.identity is not None or definition.computed is not None:
        return False
    if definition.server_default is not None:
        # A default that is written out may well be one that takes from the same sequence.
        return not any(sequence.is_identity for sequence in sequences)
    if definition.autoincrement is True or (
        definition.primary_key and definition.autoincrement == "auto"
    ):
        return True
    if definition.autoincrement is False:
        return False
    if any(each.feeds for each in sequences):
        raise ConfigurationError(
            f"{call} changed nothing: new rows take {name!r} from the sequence "
            f"{sequences[0].name!r}, and its new definition does not say if they go on to. Write "
            "autoincrement=True to keep the sequence, or autoincrement=False to do without it."
        )
    return True
