"""What hangs on the old table, read before anything is done, and why it may not be rebuilt."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import Connection

from alembic_zanith.catalog import capture
from alembic_zanith.catalog.capture import Scope
from alembic_zanith.catalog.column_parts import ColumnComment, Identity
from alembic_zanith.catalog.constraints import (
    Constraint,
    ForeignKey,
    Index,
    NamedNotNull,
)
from alembic_zanith.catalog.dependents import in_the_way_of
from alembic_zanith.catalog.grants import ColumnGrants, Grants
from alembic_zanith.catalog.parts import Part
from alembic_zanith.catalog.queries import CONSTRAINTS
from alembic_zanith.catalog.relation import Column, Relation, columns, relation_by_oid
from alembic_zanith.catalog.statistics_parts import ExtendedStatistics
from alembic_zanith.catalog.table_parts import Trigger
from alembic_zanith.errors import (
    DependentObjectsError,
    MissingPrivilegeError,
    NotDroppableError,
)
from alembic_zanith.identifiers import is_zanith_name, quote
from alembic_zanith.integrity import fingerprint
from alembic_zanith.privileges import require_ownership
from alembic_zanith.sql import one, rows, run, run_all

from . import queries
from .shape import OldSequence, Shape


@dataclass(frozen=True)
class InboundKey:
    """A foreign key of another table, which refers to the one that is rebuilt."""

    child: Relation
    key: ForeignKey


@dataclass(frozen=True)
class IdentitySequence:
    """What the sequence of an identity column has beside its values."""

    identity: Identity
    grants: tuple[Part, ...]


@dataclass(frozen=True)
class Survey:
    """The old table and all that hangs on it, but for its rows.

    Parts speak of the table by the name that it has, which the new one takes.
    """

    relation: Relation
    columns: tuple[Column, ...]
    traits: Any
    primary_key: tuple[str, ...]
    sequences: tuple[OldSequence, ...]
    identities: tuple[IdentitySequence, ...]
    defaults: dict[str, Part]
    generated: dict[str, str]
    not_nulls: dict[str, NamedNotNull]
    constraints: tuple[Constraint, ...]
    indexes: tuple[Index, ...]
    statistics: tuple[ExtendedStatistics, ...]
    foreign_keys: tuple[ForeignKey, ...]
    table_parts: tuple[Part, ...]
    grants: tuple[Grants, ...]
    inbound: tuple[InboundKey, ...]
    made_of: dict[tuple[str, str], frozenset[str]]

    def comments(self) -> Iterator[ColumnComment]:
        for column in self.columns:
            if column.comment is not None:
                yield ColumnComment(column.name, column.comment)

    @property
    def digest(self) -> str:
        """A text that is another where anything but rows is."""
        parts: list[Part] = [
            *self.defaults.values(),
            *self.not_nulls.values(),
            *self.constraints,
            *self.indexes,
            *self.statistics,
            *self.foreign_keys,
            *self.table_parts,
            *self.grants,
            *(inbound.key for inbound in self.inbound),
        ]
        return fingerprint(
            {
                "table": str(self.relation.name),
                "columns": [asdict(column) for column in self.columns],
                "traits": [str(value) for value in self.traits],
                "sequences": [asdict(sequence) for sequence in self.sequences],
                "generated": self.generated,
                "parts": [part.to_json() for part in parts],
            }
        )

    def columns_of(self, part: Part) -> frozenset[str]:
        """The columns that a constraint, index or statistics object is made of."""
        kind = {Index: "index", ExtendedStatistics: "statistics"}.get(type(part), "constraint")
        return self.made_of.get((kind, str(getattr(part, "name", ""))), frozenset())


def survey(connection: Connection, relation: Relation) -> Survey:
    """Read what hangs on a table. Call it under `pinned_settings`, with the table locked."""
    scope = Scope(connection, relation)
    constraints = [found.part for found in capture.constraints(scope)]
    defaults = [found.part for found in capture.defaults(scope)]
    sequences = capture.owned_sequences(scope)
    made_of: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in scope.rows(queries.PARTS_BY_COLUMN):
        made_of[row.kind, row.name].add(row.column_name)
    found = tuple(columns(connection, relation))
    return Survey(
        relation=relation,
        columns=found,
        traits=_traits(connection, relation),
        primary_key=tuple(
            name for row in scope.rows(CONSTRAINTS) if row.type == "p" for name in row.columns
        ),
        sequences=tuple(
            OldSequence(
                row.oid, row.name, row.column_name, row.is_identity, row.feeds_column, row.type
            )
            for row in sequences
        ),
        identities=tuple(
            _identity(scope, row, next(c for c in found if c.name == row.column_name))
            for row in sequences
            if row.is_identity
        ),
        defaults={p.column: p for p in defaults if p.kind == "default"},
        generated={p.column: p.expression for p in defaults if p.kind == "generated_expression"},
        not_nulls={p.column: p for p in constraints if isinstance(p, NamedNotNull)},
        constraints=tuple(p for p in constraints if isinstance(p, Constraint)),
        indexes=tuple(f.part for f in capture.indexes(scope) if isinstance(f.part, Index)),
        statistics=tuple(
            f.part
            for f in capture.extended_statistics(scope)
            if isinstance(f.part, ExtendedStatistics)
        ),
        foreign_keys=tuple(p for p in constraints if isinstance(p, ForeignKey)),
        table_parts=tuple(
            part
            for part in capture.table_parts(scope)
            # Those that note what others write meanwhile are no part of the table.
            if not (isinstance(part, Trigger) and is_zanith_name(part.name))
        ),
        grants=(*capture.relation_grants(scope), *capture.column_grants(scope)),
        inbound=tuple(_inbound(connection, relation)),
        made_of={key: frozenset(names) for key, names in made_of.items()},
    )


def _traits(connection: Connection, relation: Relation) -> Any:
    (found,) = rows(connection, queries.TRAITS, oid=relation.oid)
    return found


def _identity(scope: Scope, row: Any, column: Column) -> IdentitySequence:
    options = (
        f"START WITH {row.start} INCREMENT BY {row.increment} MINVALUE {row.minimum}"
        f" MAXVALUE {row.maximum} CACHE {row.cache} {'CYCLE' if row.cycles else 'NO CYCLE'}"
    )
    identity = Identity(
        column=column.name,
        always=column.identity == "a",
        name=row.name,
        options=options,
        source="",
        comment=row.comment,
        type=None if row.type == column.type else row.type,
    )
    return IdentitySequence(identity, tuple(capture.sequence_grants(scope, row)))


def _inbound(connection: Connection, relation: Relation) -> Iterator[InboundKey]:
    for row in rows(connection, queries.INBOUND, oid=relation.oid):
        child = relation_by_oid(connection, row.oid)
        if child is None:
            continue
        for found in capture.constraints(Scope(connection, child)):
            if isinstance(found.part, ForeignKey) and found.part.parent_oid == relation.oid:
                yield InboundKey(child, found.part)


# -- refusals ----------------------------------------------------------------------------


def refuse_kinds(call: str, found: Survey) -> None:
    """Refuse tables whose place among others a new table cannot take.

    Raises `NotDroppableError`.
    """
    relation, what = found.relation, ""
    if relation.is_partitioned:
        what = "is partitioned: rebuild it by way of a new partitioned table"
    elif relation.is_partition:
        what = "is a partition, and its columns are those of its parent: rebuild the parent"
    elif found.traits.inherits:
        what = "inherits from another table or has heirs: ALTER TABLE … NO INHERIT first"
    elif found.traits.is_typed:
        what = "is a table of a type, which its columns come from: ALTER TABLE … NOT OF first"
    if what:
        raise NotDroppableError(f"{call} changed nothing: {relation.name.display} {what}.")


def refuse_what_cannot_follow(connection: Connection, call: str, found: Survey) -> None:
    """Refuse where something of the table could not be made again for the new one.

    Raises `MissingPrivilegeError` and `NotDroppableError`.
    """
    relation = found.relation
    for inbound in found.inbound:
        require_ownership(connection, inbound.child.name.display, inbound.child.owner)
    become = "SET" if Scope(connection, relation).version >= 160000 else "MEMBER"
    lacking = rows(connection, queries.OUT_OF_REACH.format(become=become), oid=relation.oid)
    if lacking:
        raise MissingPrivilegeError(
            f"{call} changed nothing: {_listed(row.what for row in lacking)} of "
            f"{relation.name.display} could not be given to the new table by this role. Run it "
            "as a member of that role."
        )
    left = rows(connection, queries.NOT_CARRIED, oid=relation.oid)
    if left:
        raise NotDroppableError(
            f"{call} changed nothing, because the new table would be without "
            f"{_listed(row.what for row in left)}. Take it away first, and give it back afterwards."
        )


def _listed(texts: Iterator[str]) -> str:
    return ", ".join(texts)


def lost_parts(call: str, found: Survey, shape: Shape) -> list[Part]:
    """Return what goes with the columns that the new table does not have.

    Raises `DependentObjectsError` for what is made of a column that goes and of one that stays.
    """
    gone = frozenset(shape.gone)
    lost, mixed = [], []
    parts = (*found.constraints, *found.indexes, *found.statistics, *found.foreign_keys)
    for part in parts:
        used = found.columns_of(part)
        if used and used <= gone:
            lost.append(part)
        elif used & gone:
            mixed.append(part)
    if mixed:
        listing = [
            f"{part.label}, which needs {', '.join(sorted(found.columns_of(part) & gone))}"
            for part in mixed
        ]
        raise DependentObjectsError(
            f"{call} changed nothing: columns that the new table does not have are part of:\n"
            + "\n".join(f"  - {line}" for line in listing)
            + "\nDrop or change these in an earlier step of this migration.",
            listing,
        )
    return [*lost, *(found.not_nulls[name] for name in gone if name in found.not_nulls)]


def refuse_dependents(connection: Connection, call: str, found: Survey, shape: Shape) -> None:
    """Refuse where other objects need the old table, or a column that the new one does not have.

    A view, a function or a policy knows a table not by its name: it would go on with the old one.
    Foreign keys of other tables are made again for the new one, and sequences go along, so both are
    put aside in a subtransaction that is undone.

    Raises `DependentObjectsError` and `NotDroppableError`.
    """
    relation = found.relation.name
    refusal = f"{call} changed nothing: {relation.display} cannot be rebuilt"
    with connection.begin_nested() as attempt:
        for inbound in found.inbound:
            run_all(connection, inbound.key.park(inbound.child.name))
        for sequence in found.sequences:
            if not sequence.is_identity and _goes_along(shape, sequence):
                name = relation.renamed(sequence.name)
                run(connection, f"ALTER SEQUENCE {name} OWNED BY NONE")
        dependents = in_the_way_of(connection, f"DROP TABLE {relation} RESTRICT", refusal)
        attempt.rollback()
    if not dependents and shape.gone:
        generated = [name for name in shape.gone if name in found.generated]
        others = [name for name in shape.gone if name not in found.generated]
        drops = ", ".join(f"DROP COLUMN {quote(name)} RESTRICT" for name in [*generated, *others])
        dependents = in_the_way_of(connection, f"ALTER TABLE {relation} {drops}", refusal)
    if dependents:
        listing = "\n".join(f"  - {line}" for line in dependents)
        raise DependentObjectsError(
            f"{refusal}, because other objects need it, or a column that goes, and would be left "
            f"with the old one:\n{listing}\nDrop them in an earlier step of this migration, and "
            "make them again behind the rebuild.",
            dependents,
        )


def _goes_along(shape: Shape, sequence: OldSequence) -> bool:
    return any(c.name == sequence.column and c.keeps_sequence for c in shape.columns)


def carried_grants(found: Survey, shape: Shape) -> Iterator[Grants]:
    """Yield the privileges on the table, and on the columns that the new one has."""
    for part in found.grants:
        if not isinstance(part, ColumnGrants) or str(part.column) in shape:
            yield part


def row_count(connection: Connection, relation: Relation) -> int:
    """Count the rows."""
    return int(one(connection, f"SELECT pg_catalog.count(*) FROM ONLY {relation.name}")[0])
