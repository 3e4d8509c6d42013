"""Parts that a column needs when it is made anew from an archive."""

from __future__ import annotations

from dataclasses import dataclass

from alembic_zanith.identifiers import QualifiedName, literal, quote

from .parts import Part, comment_on


@dataclass(frozen=True)
class ColumnAttributes(Part):
    """Storage, compression, statistics target and options, as ALTER COLUMN clauses."""

    kind = "column_attributes"
    order = 25
    column: str
    clauses: tuple[str, ...]

    def park(self, relation: QualifiedName) -> list[str]:
        return []

    def restore(self, relation: QualifiedName) -> list[str]:
        return [
            f"ALTER TABLE ONLY {relation} ALTER COLUMN {quote(self.column)} {clause}"
            for clause in self.clauses
        ]


@dataclass(frozen=True)
class ColumnComment(Part):
    """A comment."""

    kind = "column_comment"
    order = 26
    column: str
    comment: str

    def park(self, relation: QualifiedName) -> list[str]:
        return []

    def restore(self, relation: QualifiedName) -> list[str]:
        return comment_on(f"COLUMN {relation}.{quote(self.column)}", self.comment)


@dataclass(frozen=True)
class Identity(Part):
    """GENERATED … AS IDENTITY with its sequence, which dies with the column, and its value."""

    kind = "identity"
    order = 35
    column: str
    always: bool
    name: str
    options: str
    last_value: int
    is_called: bool
    comment: str | None = None

    def park(self, relation: QualifiedName) -> list[str]:
        return []

    def restore(self, relation: QualifiedName) -> list[str]:
        sequence = relation.renamed(self.name)
        how = "ALWAYS" if self.always else "BY DEFAULT"
        return [
            f"ALTER TABLE {relation} ALTER COLUMN {quote(self.column)} ADD GENERATED {how}"
            f" AS IDENTITY (SEQUENCE NAME {sequence} {self.options})",
            f"SELECT pg_catalog.setval({literal(str(sequence))}::regclass, {self.last_value},"
            f" {str(self.is_called).lower()})",
            *comment_on(f"SEQUENCE {sequence}", self.comment),
        ]


@dataclass(frozen=True)
class OwnedSequence(Part):
    """The sequence of a serial column, kept by handing it to the archive table meanwhile.

    An owned sequence lives in the schema of its table, so it moves along:
    https://www.postgresql.org/docs/current/sql-altersequence.html

    It comes back after the default that takes from it, which knows it by its parked name.
    """

    kind = "owned_sequence"
    order = 22
    name: str
    schema: str
    column: str
    parked: str
    archive: str
    archive_schema: str

    def park(self, relation: QualifiedName) -> list[str]:
        here = QualifiedName(self.schema, self.name)
        return [
            f"ALTER SEQUENCE {here} OWNED BY NONE",
            f"ALTER SEQUENCE {here} RENAME TO {quote(self.parked)}",
            f"ALTER SEQUENCE {here.renamed(self.parked)} SET SCHEMA {quote(self.archive_schema)}",
            f"ALTER SEQUENCE {QualifiedName(self.archive_schema, self.parked)}"
            f" OWNED BY {self.archive}.value",
        ]

    def restore(self, relation: QualifiedName) -> list[str]:
        there = QualifiedName(self.archive_schema, self.parked)
        return [
            f"ALTER SEQUENCE {there} OWNED BY NONE",
            f"ALTER SEQUENCE {there} SET SCHEMA {quote(relation.schema)}",
            f"ALTER SEQUENCE {relation.renamed(self.parked)} RENAME TO {quote(self.name)}",
            f"ALTER SEQUENCE {relation.renamed(self.name)}"
            f" OWNED BY {relation}.{quote(self.column)}",
        ]
