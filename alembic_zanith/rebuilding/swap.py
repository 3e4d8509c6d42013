"""The swap: the old table is parked, and the new one takes its name and all that hung on it."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum, auto
from typing import Any

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog.constraints import ForeignKey
from alembic_zanith.catalog.parts import Part, comment_on, in_restore_order
from alembic_zanith.identifiers import QualifiedName, fit, literal, quote
from alembic_zanith.models import ArtifactKind
from alembic_zanith.recovery.park_table import take_away
from alembic_zanith.recovery.record import Ticket
from alembic_zanith.sql import rows, run, run_all, scalar

from .building import Building, unchecked_parts
from .queries import NAME_OF, SUBORDINATES
from .shape import OldSequence, ShapeColumn
from .survey import carried_grants

_WIDER = ("smallint", "integer", "bigint")


class Checks(Enum):
    """When rows are held against foreign keys: those of the table, and those that refer to it."""

    AT_ONCE = auto()
    LATER = auto()
    """Those whose values are as they were come back NOT VALID; `to_validate` says which."""
    NEVER = auto()
    """For a rehearsal: there are no rows to refer to."""


def swap(
    building: Building,
    store: ArtifactStore,
    ticket: Ticket,
    row_count: int | None,
    checks: Checks = Checks.AT_ONCE,
) -> Artifact:
    """Park the old table and put the new one in its place.

    The old one has to be locked against everybody by then.
    """
    found, connection = building.survey, building.connection
    for inbound in found.inbound:
        run_all(connection, inbound.key.park(inbound.child.name))
    moving = list(_moving_sequences(building))
    for sequence, _ in moving:
        here = building.target.renamed(sequence.name)
        run(connection, f"ALTER SEQUENCE {here} OWNED BY NONE")
    aside = _step_aside(building, ticket.id)
    artifact = take_away(
        store,
        ticket,
        ArtifactKind.REBUILD_TABLE,
        found.relation,
        building.place.schema,
        row_count,
    )
    run(connection, f"ALTER TABLE {building.place} SET SCHEMA {quote(building.target.schema)}")
    for kind, name, meanwhile in aside:
        _rename(building, kind, building.target.renamed(meanwhile), name)
    _own(building)
    for sequence, column in moving:
        _take_over(building, sequence, column)
    for column in building.shape.columns:
        _go_on_counting(building, column)
    _set_traits(building)
    for part in in_restore_order(list(_parts(building))):
        building.make_again(part, _statements(building, part, checks))
    for inbound in found.inbound:
        if inbound.key.can_defer_validation or checks is not Checks.NEVER:
            when = _when(building, inbound.key.parent_columns, checks)
            building.make_again(inbound.key, foreign_key(inbound.child.name, inbound.key, when))
    return artifact


def to_validate(building: Building) -> Iterator[tuple[QualifiedName, str]]:
    """Yield the foreign keys that a swap with `Checks.LATER` leaves NOT VALID: table and name."""
    found = building.survey
    keys = [
        (building.target, key, key.columns)
        for key in found.foreign_keys
        if not building.is_lost(key)
    ]
    keys += [(each.child.name, each.key, each.key.parent_columns) for each in found.inbound]
    for table, key, names in keys:
        deferred = key.validated and key.can_defer_validation
        if deferred and _when(building, names, Checks.LATER) is Checks.LATER:
            yield table, key.name


def _when(building: Building, names: tuple[str, ...], checks: Checks) -> Checks:
    """Return when a key over columns is checked: new values are before others see them."""
    if checks is Checks.LATER and not all(map(building.shape.keeps_values, names)):
        return Checks.AT_ONCE
    return checks


def _step_aside(building: Building, artifact_id: str) -> list[tuple[str, str, str]]:
    """Free the names of the new table's indexes and sequences while the old ones come by.

    The old table is in the same schema for a moment, before its indexes have their parked names.
    """
    found = rows(
        building.connection,
        SUBORDINATES,
        schema=building.place.schema,
        relation=str(building.place),
    )
    aside = [
        (row.kind, row.name, fit("_zanith_rebuilt_", row.name, f"_{artifact_id}_{number}"))
        for number, row in enumerate(found)
    ]
    for kind, name, meanwhile in aside:
        _rename(building, kind, building.place.renamed(name), meanwhile)
    return aside


def _rename(building: Building, kind: str, name: QualifiedName, to: str) -> None:
    run(building.connection, f"ALTER {kind} {name} RENAME TO {quote(to)}")


def foreign_key(relation: QualifiedName, key: ForeignKey, checks: Checks) -> Iterator[str]:
    """Yield the statements that add a foreign key, and check the rows if they were checked."""
    name = quote(key.name)
    unchecked = " NOT VALID" if key.validated and key.can_defer_validation else ""
    yield f"ALTER TABLE {relation} ADD CONSTRAINT {name} {key.definition}{unchecked}"
    if unchecked and checks is Checks.AT_ONCE:
        yield f"ALTER TABLE {relation} VALIDATE CONSTRAINT {name}"
    yield from comment_on(f"CONSTRAINT {name} ON {relation}", key.comment)


def _parts(building: Building) -> Iterator[Part]:
    found = building.survey
    yield from (
        part
        for part in (*found.statistics, *found.foreign_keys, *unchecked_parts(building))
        if not building.is_lost(part)
    )
    yield from found.table_parts
    yield from carried_grants(found, building.shape)
    for identity in found.identities:
        if _is_kept(building, identity.identity.column):
            yield from identity.grants


def _statements(building: Building, part: Part, checks: Checks) -> Iterator[str]:
    if isinstance(part, ForeignKey):
        when = _when(building, part.columns, checks)
        yield from foreign_key(building.target, part, when)
    else:
        yield from part.restore(building.target)


def _own(building: Building) -> None:
    """Give the new table the owner of the old one, who may do what they could do there."""
    connection, traits, table = building.connection, building.survey.traits, building.target
    owner = quote(traits.owner)
    if scalar(connection, "SELECT CAST(current_user AS text)") != traits.owner:
        run(connection, f"ALTER TABLE {table} OWNER TO {owner}")
    if not traits.has_default_rights and traits.owner_may != traits.owner_may_by_default:
        run(connection, f"REVOKE ALL ON {table} FROM {owner}")
        if traits.owner_may:
            run(connection, f"GRANT {', '.join(traits.owner_may)} ON {table} TO {owner}")


# -- sequences ---------------------------------------------------------------------------


def _column_of(building: Building, name: str) -> ShapeColumn | None:
    return next((column for column in building.shape.columns if column.name == name), None)


def _is_kept(building: Building, name: str) -> bool:
    """Whether the new column is an identity column because the old one was."""
    column = _column_of(building, name)
    return column is not None and column.is_as_it_was


def _moving_sequences(building: Building) -> Iterator[tuple[OldSequence, ShapeColumn]]:
    for sequence in building.survey.sequences:
        column = _column_of(building, sequence.column)
        if column is not None and column.keeps_sequence and not sequence.is_identity:
            yield sequence, column


def _take_over(building: Building, sequence: OldSequence, column: ShapeColumn) -> None:
    """Have the sequence of a serial column owned by the new one, and count as far as that holds."""
    connection = building.connection
    name = building.target.renamed(sequence.name)
    run(connection, f"ALTER SEQUENCE {name} OWNED BY {building.target}.{quote(column.name)}")
    old = column.old
    if column.definition is None or old is None or sequence.type != old.type:
        return
    new = _type_of(building, column.name)
    if new in _WIDER and old.type in _WIDER and _WIDER.index(new) > _WIDER.index(old.type):
        run(connection, f"ALTER SEQUENCE {name} AS {new}")


_TYPE_OF = """
SELECT pg_catalog.format_type(a.atttypid, a.atttypmod) FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = pg_catalog.to_regclass(:relation) AND a.attname = :column
"""

_SEQUENCE_OF = """
SELECT c.oid::bigint AS oid, CAST(c.oid AS regclass)::text AS name
  FROM pg_catalog.pg_depend d JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind = 'S'
  JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
 WHERE d.classid = CAST('pg_catalog.pg_class' AS regclass) AND d.deptype = 'i'
   AND d.refclassid = d.classid AND d.refobjid = pg_catalog.to_regclass(:relation)
   AND a.attname = :column
"""


def _type_of(building: Building, column: str) -> str:
    relation = str(building.target)
    return str(scalar(building.connection, _TYPE_OF, relation=relation, column=column))


def _go_on_counting(building: Building, column: ShapeColumn) -> None:
    """Have a new identity column go on where the old one's sequence has come to.

    Where the old one had none, its values are numbers that others have given: it goes on behind
    the highest.
    """
    connection = building.connection
    found: list[Any] = rows(
        connection, _SEQUENCE_OF, relation=str(building.target), column=column.name
    )
    if not found or column.old is None:
        return
    sequence = f"{literal(found[0].name)}::pg_catalog.regclass"
    old = [each for each in building.survey.sequences if each.column == column.name]
    if old:
        (place,) = rows(connection, NAME_OF, oid=old[0].oid)
        run(
            connection,
            f"SELECT pg_catalog.setval({sequence}, s.last_value, s.is_called)"
            f" FROM {QualifiedName(place.schema, place.name)} AS s",
        )
    else:
        run(
            connection,
            f"SELECT pg_catalog.setval({sequence}, pg_catalog.max({quote(column.name)}))"
            f" FROM {building.target}",
        )
    if column.is_as_it_was:
        for each in building.survey.identities:
            if each.identity.column == column.name:
                name = building.target.renamed(each.identity.name)
                run_all(connection, comment_on(f"SEQUENCE {name}", each.identity.comment))


# -- the table itself --------------------------------------------------------------------

_REPLICA_IDENTITIES = {"f": "FULL", "n": "NOTHING"}


def _set_traits(building: Building) -> None:
    traits, table = building.survey.traits, building.target
    clauses = []
    if traits.row_security:
        clauses.append("ENABLE ROW LEVEL SECURITY")
    if traits.forces_row_security:
        clauses.append("FORCE ROW LEVEL SECURITY")
    if traits.replica_identity in _REPLICA_IDENTITIES:
        clauses.append(f"REPLICA IDENTITY {_REPLICA_IDENTITIES[traits.replica_identity]}")
    for clause in clauses:
        run(building.connection, f"ALTER TABLE {table} {clause}")
