"""A stand-in for the parents of a table by plain inheritance, while the table is parked.

A column or constraint that a child has from its parents counts as the child's own for ever once
no parent has it, and no SQL takes that back: `ALTER TABLE … INHERIT` merges what is there, but
leaves it declared locally. pg_dump would then write it out for the child. So before the child
leaves its parents it gets another one, an empty table with the same columns and constraints.
https://www.postgresql.org/docs/current/ddl-inherit.html
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection

from alembic_zanith.catalog import capture, queries
from alembic_zanith.catalog.capture import Scope
from alembic_zanith.catalog.parts import GeneratedExpression, Part
from alembic_zanith.catalog.relation import Column, Relation, columns, get_relation
from alembic_zanith.identifiers import QualifiedName, parked_name, quote
from alembic_zanith.privileges import close_to_others
from alembic_zanith.sql import run, run_all

_EXPRESSIONS_MAY_DIFFER = 160000


@dataclass(frozen=True)
class Shelter(Part):
    """The end of a shelter, once the table has its own parents again."""

    kind = "shelter"
    order = 59
    needs_final_name = True
    schema: str
    name: str

    @property
    def _table(self) -> QualifiedName:
        return QualifiedName(self.schema, self.name)

    def park(self, relation: QualifiedName) -> list[str]:
        return []

    def restore(self, relation: QualifiedName) -> list[str]:
        return [f"ALTER TABLE {relation} NO INHERIT {self._table}", self.drop()]

    def drop(self) -> str:
        return f"DROP TABLE {self._table}"


def take_shelter(
    connection: Connection, relation: Relation, artifact_id: str, schema: str
) -> Relation | None:
    """Give a table one more parent, like those it has; None where nothing in it is inherited."""
    scope = Scope(connection, relation)
    inherited = [each for each in columns(connection, relation) if each.inheritance_count]
    constraints = [
        row
        for row in scope.rows(queries.CONSTRAINTS)
        if row.type in "cn" and row.inheritance_count and not row.is_local
    ]
    if not constraints and all(column.is_local for column in inherited):
        return None
    shelter = QualifiedName(schema, parked_name(f"parents_of_{relation.name.name}", artifact_id))
    declarations = ", ".join(_declarations(scope, inherited))
    run(connection, f"CREATE TABLE {shelter} ({declarations})")
    close_to_others(connection, shelter)
    run_all(
        connection,
        (
            f"ALTER TABLE {shelter} ADD CONSTRAINT {quote(row.name)} {row.definition}"
            for row in constraints
        ),
    )
    run(connection, f"ALTER TABLE {relation.name} INHERIT {shelter}")
    return get_relation(connection, shelter.name, shelter.schema)


def _declarations(scope: Scope, inherited: list[Column]) -> Iterator[str]:
    expressions = {
        found.part.column: found.part.expression
        for found in capture.defaults(scope)
        if isinstance(found.part, GeneratedExpression)
    }
    for column in inherited:
        declaration = f"{quote(column.name)} {column.type}"
        if column.collation is not None:
            declaration += f" COLLATE {column.collation}"
        if column.generated:
            # Older ones compare the expression with the child's; a newer child may have its own,
            # of columns that its parents do not have.
            differ = scope.version >= _EXPRESSIONS_MAY_DIFFER
            expression = f"NULL::{column.type}" if differ else expressions[column.name]
            storage = "VIRTUAL" if column.generated == "v" else "STORED"
            declaration += f" GENERATED ALWAYS AS ({expression}) {storage}"
        yield declaration
