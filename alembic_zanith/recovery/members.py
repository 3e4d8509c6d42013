"""The partitions and children of a table, as they are by the time its column comes back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact
from alembic_zanith.catalog.constraints import Constraint, Index, IndexAttachment
from alembic_zanith.catalog.parts import Part
from alembic_zanith.catalog.relation import Relation, columns, relation_by_oid

from .definition import Definition, Holding


def as_they_are_now(
    definition: Definition, members: Sequence[Relation], *, same_database: bool
) -> Definition:
    """Leave out what hung on partitions that are gone, and follow those with another name by now.

    `members` are the table and all below it. In the database that the definition was captured in,
    a name counts only where the partition that had it is gone: another may have taken it. Where
    there are new ones, indexes of their parents are built with all below them: PostgreSQL takes
    those that are there and makes the others.
    https://www.postgresql.org/docs/current/sql-createindex.html
    """
    captured = {holding.oid for holding in definition.holdings} if same_database else set()
    by_oid = {member.oid: member for member in members[1:] if member.oid in captured}
    by_name = {member.name: member for member in members[1:] if member.oid not in captured}
    kept = [replace(definition.root, name=members[0].name)]
    for holding in definition.holdings[1:]:
        member = by_oid.get(holding.oid) or by_name.get(holding.name)
        if member is not None:
            kept.append(replace(holding, name=member.name, parked=member.name))
    known = {holding.name for holding in kept}
    has_new = any(member.name not in known for member in members)
    schemas = _schemas_of_indexes(definition, kept)

    def now(part: Part) -> Part:
        if isinstance(part, IndexAttachment):
            here = (part.parent_schema, part.parent)
            return replace(part, parent_schema=schemas.get(here, part.parent_schema))
        if has_new and isinstance(part, Constraint | Index) and part.is_partitioned:
            return replace(part, is_partitioned=False)
        return part

    holdings = tuple(replace(each, parts=tuple(map(now, each.parts))) for each in kept)
    return replace(definition, holdings=holdings)


def cut_off(
    connection: Connection, artifact: Artifact, definition: Definition, members: Sequence[Relation]
) -> list[str]:
    """Return a warning for each partition that was detached since its values were archived.

    Only in the database they were archived in can that be told.
    """
    below = {member.oid for member in members}
    found = (
        relation_by_oid(connection, holding.oid)
        for holding in definition.holdings[1:]
        if holding.oid not in below
    )
    return [
        f"{each.name.display} is no part of {members[0].name.display} any more, so the values of "
        f"its rows did not come back. {_where(connection, artifact, definition, each)}"
        for each in found
        if each is not None
    ]


def _where(
    connection: Connection, artifact: Artifact, definition: Definition, detached: Relation
) -> str:
    """Return where the values of a partition are that was detached.

    That may have been while they were archived online: then it has kept the parked column.
    """
    names = {column.name for column in columns(connection, detached)}
    if definition.working_name in names:
        return f"They are in its own column {definition.working_name}."
    return (
        f"They are in {artifact.parked} until purge: `alembic zanith-recover export {artifact.id} "
        "--format csv`"
    )


def _schemas_of_indexes(
    definition: Definition, kept: Sequence[Holding]
) -> dict[tuple[str, str], str]:
    """Return the schema that each index comes back to, by the schema and name that it had."""
    before = {id(holding.parts): holding.name.schema for holding in definition.holdings}
    return {
        (before[id(holding.parts)], part.name): holding.name.schema
        for holding in kept
        for part in holding.parts
        if isinstance(part, Constraint | Index)
    }
