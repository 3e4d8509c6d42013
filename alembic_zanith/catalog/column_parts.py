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
class SequenceFill(Part):
    """Gives rows written while a column was parked the next values of its own sequence.

    A parked column takes nothing from its sequence: that would move `lastval()`, which tells some
    applications the key of a new row, run out one day, and ask for a privilege on the sequence.

    The sequence of an identity column died with that; `create` makes it anew for the moment.
    """

    kind = "sequence_fill"
    order = 28
    column: str
    type: str
    sequence: str
    create: str | None = None
    last_value: int = 1
    is_called: bool = False

    @property
    def label(self) -> str:
        return f"values of {self.column} from its sequence"

    def park(self, relation: QualifiedName) -> list[str]:
        return []

    def restore(self, relation: QualifiedName) -> list[str]:
        sequence, column = relation.renamed(self.sequence), quote(self.column)
        known = f"{literal(str(sequence))}::regclass"
        statements = []
        if self.create is not None:
            statements += [
                f"CREATE SEQUENCE {sequence} AS {self.type} {self.create}",
                f"SELECT pg_catalog.setval({known}, {self.last_value},"
                f" {str(self.is_called).lower()})",
            ]
        body = (
            f"BEGIN IF EXISTS (SELECT FROM {relation} WHERE {column} IS NULL) THEN"
            f" ALTER TABLE {relation} ALTER COLUMN {column} TYPE {self.type}"
            f" USING coalesce({column}, CAST(pg_catalog.nextval({known}) AS {self.type}));"
            " END IF; END"
        )
        return [*statements, f"DO {literal(body)}"]


@dataclass(frozen=True)
class Identity(Part):
    """GENERATED … AS IDENTITY with its sequence.

    On restore it goes on from where `source`, which `SequenceFill` made, has come to.
    """

    kind = "identity"
    order = 35
    column: str
    always: bool
    name: str
    options: str
    source: str
    comment: str | None = None
    type: str | None = None
    """That of the sequence where it is not the column's, which LIKE … INCLUDING IDENTITY makes."""

    def park(self, relation: QualifiedName) -> list[str]:
        return [f"ALTER TABLE {relation} ALTER COLUMN {quote(self.column)} DROP IDENTITY"]

    def restore(self, relation: QualifiedName) -> list[str]:
        sequence, source = relation.renamed(self.name), relation.renamed(self.source)
        how = "ALWAYS" if self.always else "BY DEFAULT"
        # Another type takes its own limits along where they are not said.
        typed = [f"ALTER SEQUENCE {sequence} AS {self.type} {self.options}"] if self.type else []
        return [
            f"ALTER TABLE {relation} ALTER COLUMN {quote(self.column)} ADD GENERATED {how}"
            f" AS IDENTITY (SEQUENCE NAME {sequence} {self.options})",
            *typed,
            f"SELECT pg_catalog.setval({literal(str(sequence))}::regclass, s.last_value,"
            f" s.is_called) FROM {source} AS s",
            f"DROP SEQUENCE {source}",
            *comment_on(f"SEQUENCE {sequence}", self.comment),
        ]


@dataclass(frozen=True)
class OwnedSequence(Part):
    """The sequence of a serial column, kept by handing it to the archive table meanwhile, and so
    to the owner of that.

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
            f"ALTER SEQUENCE {here} OWNER TO CURRENT_USER",
            f"ALTER SEQUENCE {here} RENAME TO {quote(self.parked)}",
            f"ALTER SEQUENCE {here.renamed(self.parked)} SET SCHEMA {quote(self.archive_schema)}",
            f"ALTER SEQUENCE {QualifiedName(self.archive_schema, self.parked)}"
            f" OWNED BY {self.archive}.value",
        ]

    def restore(self, relation: QualifiedName) -> list[str]:
        there = QualifiedName(self.archive_schema, self.parked)
        statement = literal(f"ALTER SEQUENCE {relation.renamed(self.name)} OWNER TO ")
        table = literal(str(relation))
        body = (
            f"BEGIN EXECUTE {statement} || (SELECT quote_ident(pg_get_userbyid(c.relowner))"
            f" FROM pg_class c WHERE c.oid = to_regclass({table})); END"
        )
        return [
            f"ALTER SEQUENCE {there} OWNED BY NONE",
            f"ALTER SEQUENCE {there} SET SCHEMA {quote(relation.schema)}",
            f"ALTER SEQUENCE {relation.renamed(self.parked)} RENAME TO {quote(self.name)}",
            f"DO {literal(body)}",
            f"ALTER SEQUENCE {relation.renamed(self.name)}"
            f" OWNED BY {relation}.{quote(self.column)}",
        ]
