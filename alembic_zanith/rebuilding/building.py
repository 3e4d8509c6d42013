"""The new table, beside the old one: made empty, filled by others, then given its indexes.

It is built in the archive schema under the name of the old one, so that its indexes, constraints
and sequences have their names from the beginning, and definitions that speak of the table by its
name mean the right one. The swap moves it over.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from alembic.util import sqla_compat
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateTable
from sqlalchemy.types import UserDefinedType

from alembic_zanith.catalog.column_parts import ColumnAttributes, ColumnComment
from alembic_zanith.catalog.constraints import Constraint, NamedNotNull
from alembic_zanith.catalog.parts import Part, comment_on, in_restore_order
from alembic_zanith.catalog.relation import columns, get_column, get_relation
from alembic_zanith.errors import NameTakenError, RebuildError
from alembic_zanith.failures import server_message, sqlstate
from alembic_zanith.identifiers import QualifiedName, quote
from alembic_zanith.integrity import under_settings
from alembic_zanith.movement.filling import enclosed
from alembic_zanith.privileges import close_to_others
from alembic_zanith.recovery.column_archive import attribute_clauses
from alembic_zanith.sql import run, run_all, scalar

from .shape import Shape, ShapeColumn
from .survey import Survey

# What is wrong with a definition or with rows, and not with the session or the server.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
OF_WHAT_IS_ASKED = ("0A", "22", "23", "2B", "42", "P0")
_OF_RIGHTS = "42501"


@dataclass(frozen=True)
class Building:
    """A rebuild on its way. `given` are the settings of the caller, for SQL that the caller wrote.

    `place` is where the new table is built.
    """

    call: str
    connection: Connection
    survey: Survey
    shape: Shape
    place: QualifiedName
    lost: frozenset[str]
    given: Mapping[str, str]

    @property
    def target(self) -> QualifiedName:
        """The name that the new table takes."""
        return self.survey.relation.name

    @contextmanager
    def about(self, what: str) -> Iterator[None]:
        """Turn an error that PostgreSQL finds in `what` into one that says so.

        Raises `RebuildError`; errors of locks, rights and the connection pass as they are.
        """
        try:
            yield
        except DBAPIError as error:
            state = sqlstate(error)
            if not state.startswith(OF_WHAT_IS_ASKED) or state == _OF_RIGHTS:
                raise
            raise RebuildError(
                f"{self.call} changed nothing: {what}: {server_message(error)}."
            ) from error

    def make_again(self, part: Part, statements: Iterable[str]) -> None:
        """Make something that hung on the old table again, for the new one."""
        with self.about(
            f"{part.label} of {self.target.display} cannot be made again for the new table. Drop "
            "or change it in an earlier step of this migration"
        ):
            run_all(self.connection, statements)

    def is_lost(self, part: Part) -> bool:
        """Whether a part goes with a column that goes."""
        return part.label in self.lost


class _AsItWas(UserDefinedType[Any]):
    """The type of a column as PostgreSQL prints it, with what else follows the name."""

    cache_ok = True

    def __init__(self, text: str) -> None:
        self.text = text

    def get_col_spec(self, **options: Any) -> str:
        return self.text


# -- empty -------------------------------------------------------------------------------


def create(building: Building) -> None:
    """Make the new table, empty, with what is cheap to have from the beginning."""
    connection, found = building.connection, building.survey
    _refuse_leftover(building)
    settings = {
        **building.given,
        "default_tablespace": found.traits.tablespace or "",
        "default_table_access_method": found.traits.access_method or "heap",
    }
    with (
        building.about("the new columns cannot be made"),
        under_settings(connection, settings),
    ):
        connection.execute(CreateTable(_table(building)))
    close_to_others(connection, building.place)
    if found.traits.options:
        options = [*found.traits.options, *(f"toast.{o}" for o in found.traits.toast_options)]
        run(connection, f"ALTER TABLE {building.place} SET ({', '.join(options)})")
    elif found.traits.toast_options:
        options = [f"toast.{option}" for option in found.traits.toast_options]
        run(connection, f"ALTER TABLE {building.place} SET ({', '.join(options)})")
    run_all(connection, comment_on(f"TABLE {building.place}", found.traits.comment))
    for part in _column_parts(building):
        building.make_again(part, part.restore(building.place))
    for identity in found.identities:
        part = identity.identity
        if part.type is not None and _keeps(building.shape, part.column):
            sequence = building.place.renamed(part.name)
            run(connection, f"ALTER SEQUENCE {sequence} AS {part.type} {part.options}")
    for name in _unnamed_not_nulls(building):
        run(connection, f"ALTER TABLE {building.place} ALTER COLUMN {quote(name)} SET NOT NULL")
    for check in _checks(found, valid=True):
        if not building.is_lost(check):
            building.make_again(check, check.restore(building.place))


def _refuse_leftover(building: Building) -> None:
    place = building.place
    there = scalar(
        building.connection,
        "SELECT CAST(pg_catalog.to_regclass(:name) AS pg_catalog.oid)",
        name=str(place),
    )
    if there is not None:
        raise NameTakenError(
            f"{building.call} changed nothing: the new table is built as {place.display}, and "
            "there is something of that name. If no other rebuild is on its way, drop it."
        )


def _table(building: Building) -> sa.Table:
    place, traits = building.place, building.survey.traits
    made = [_column(building, column) for column in building.shape.columns]
    prefixes = ["UNLOGGED"] if traits.persistence == "u" else []
    return sa.Table(place.name, sa.MetaData(), *made, schema=place.schema, prefixes=prefixes)


def _column(building: Building, column: ShapeColumn) -> sa.Column[Any]:
    if column.definition is None:
        return sa.Column(column.name, _AsItWas(_as_it_was(building, column)))
    made = sqla_compat._copy(column.definition)
    made.primary_key = False
    made.autoincrement = False
    made.comment = None
    # What is NOT NULL is made so afterwards, under the name that the constraint had.
    made.nullable = made.identity is None
    return made


def _as_it_was(building: Building, column: ShapeColumn) -> str:
    old, found = column.old, building.survey
    assert old is not None
    text = old.type
    if old.collation is not None:
        text += f" COLLATE {old.collation}"
    if old.generated:
        storage = "VIRTUAL" if old.generated == "v" else "STORED"
        text += f" GENERATED ALWAYS AS ({found.generated[column.name]}) {storage}"
    for each in found.identities:
        if each.identity.column == column.name:
            name = building.place.renamed(each.identity.name)
            how = "ALWAYS" if each.identity.always else "BY DEFAULT"
            # Another type of the sequence takes its limits along, later.
            options = "" if each.identity.type else f" {each.identity.options}"
            text += f" GENERATED {how} AS IDENTITY (SEQUENCE NAME {name}{options})"
    preparer = building.connection.dialect.identifier_preparer
    # Drivers that read % as the mark of a parameter find it doubled, as SQLAlchemy does it.
    return text.replace("%", "%%") if preparer._double_percents else text


def _column_parts(building: Building) -> list[Part]:
    """Return what columns have beside a type: defaults, storage, comments, NOT NULL by name."""
    found, parts = building.survey, list[Part]()
    made = columns(
        building.connection,
        get_relation(building.connection, building.place.name, building.place.schema),
    )
    types = {column.name: column.type for column in made}
    for column in building.shape.columns:
        parts += _default(found, column)
        if column.definition is not None and column.definition.comment is not None:
            parts.append(ColumnComment(column.name, column.definition.comment))
        if column.name in found.not_nulls and column.not_null:
            named = found.not_nulls[column.name]
            if not _is_unchecked(named):
                parts.append(named)
        if column.old is None:
            continue
        clauses = tuple(attribute_clauses(column.old))
        if types[column.name] != column.old.type:
            # How values are stored is a matter of their type.
            clauses = tuple(c for c in clauses if c.startswith(("SET STATISTICS", "SET (")))
        if clauses:
            parts.append(ColumnAttributes(column.name, clauses))
        if column.is_as_it_was:
            parts += [part for part in found.comments() if part.column == column.name]
    return in_restore_order(parts)


def _default(found: Survey, column: ShapeColumn) -> list[Part]:
    if column.name not in found.defaults:
        return []
    is_fed = column.definition is not None and any(
        sequence.column == column.name and sequence.feeds for sequence in found.sequences
    )
    kept = column.is_as_it_was or (
        is_fed
        and column.keeps_sequence
        and column.definition is not None
        and column.definition.server_default is None
    )
    return [found.defaults[column.name]] if kept else []


def _unnamed_not_nulls(building: Building) -> Iterator[str]:
    found = building.survey
    place = get_relation(building.connection, building.place.name, building.place.schema)
    for column in building.shape.columns:
        if not column.not_null or column.name in found.not_nulls:
            continue
        if not get_column(building.connection, place, column.name).not_null:
            yield column.name


def _keeps(shape: Shape, name: str) -> bool:
    return any(column.name == name and column.is_as_it_was for column in shape.columns)


def _is_unchecked(part: Constraint | NamedNotNull) -> bool:
    """Whether rows may break it: one that is NOT VALID, or not enforced at all."""
    return part.definition.endswith((" NOT VALID", " NOT ENFORCED"))


def _checks(found: Survey, *, valid: bool) -> list[Constraint]:
    checks = [part for part in found.constraints if part.traits is None]
    return [part for part in checks if _is_unchecked(part) is not valid]


def unchecked_parts(building: Building) -> Iterator[Part]:
    """Yield the constraints that old rows may break; they are made when all rows are there."""
    found = building.survey
    yield from _checks(found, valid=False)
    for column in building.shape.columns:
        named = found.not_nulls.get(column.name)
        if named is not None and column.not_null and _is_unchecked(named):
            yield named


# -- with rows ---------------------------------------------------------------------------


def build_indexes(building: Building) -> None:
    """Give the new table its keys, exclusion constraints and indexes."""
    found = building.survey
    keys = [part for part in found.constraints if part.traits is not None]
    for part in in_restore_order([*keys, *found.indexes]):
        if not building.is_lost(part):
            building.make_again(part, part.restore(building.place))


def analyze(building: Building) -> None:
    """Count the values of the new table, so that the planner knows it from the first query on."""
    run(building.connection, f"ANALYZE {building.place}")


def check_values(building: Building) -> None:
    """Have PostgreSQL look at each expression and at its type, without a row.

    https://www.postgresql.org/docs/current/sql-explain.html

    Raises `RebuildError`, which names the column.
    """
    old = building.survey.relation.name
    for column in building.shape.written:
        with (
            building.about(f"select= for {column.name!r} does not work"),
            under_settings(building.connection, building.given),
        ):
            run(
                building.connection,
                f"EXPLAIN INSERT INTO {building.place} ({quote(column.name)})"
                f" OVERRIDING SYSTEM VALUE SELECT {enclosed(str(column.value))}"
                f" FROM ONLY {old} AS {quote(old.name)}",
            )
    with (
        building.about("what select= says does not work together"),
        under_settings(building.connection, building.given),
    ):
        run(building.connection, f"EXPLAIN {copying(building, 'true')}")


def copying(building: Building, condition: str) -> str:
    """Return the statement that copies the old rows of a condition."""
    return f"{copying_from(building, f'ONLY {building.survey.relation.name}')} WHERE {condition}"


def copying_from(building: Building, source: str) -> str:
    """Return the statement that copies rows of the old table, which are read from a source."""
    written = building.shape.written
    names = ", ".join(quote(column.name) for column in written)
    values = ", ".join(enclosed(str(column.value)) for column in written)
    return (
        f"INSERT INTO {building.place} ({names}) OVERRIDING SYSTEM VALUE"
        f" SELECT {values} FROM {source} AS {quote(building.target.name)}"
    )
