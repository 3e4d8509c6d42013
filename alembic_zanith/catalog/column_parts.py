"""Parts that a column needs when it is made anew from an archive."""

from __future__ import annotations

from dataclasses import dataclass

from alembic_zanith.identifiers import QualifiedName, literal, quote

from .online import Online, Short
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

    def online(self, relation: QualifiedName) -> Online | str:
        return Online(first=tuple(self.restore(relation)))


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

    def online(self, relation: QualifiedName) -> Online | str:
        return Online(first=tuple(self.restore(relation)))


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
        column = quote(self.column)
        body = (
            f"BEGIN IF EXISTS (SELECT FROM {relation} WHERE {column} IS NULL) THEN"
            f" ALTER TABLE {relation} ALTER COLUMN {column} TYPE {self.type}"
            f" USING coalesce({column}, {self.next_value(relation)});"
            " END IF; END"
        )
        return [*self._made_anew(relation), f"DO {literal(body)}"]

    def next_value(self, relation: QualifiedName) -> str:
        """Return the SQL of the next value."""
        return f"CAST(pg_catalog.nextval({self._known(relation)}) AS {self.type})"

    def _known(self, relation: QualifiedName) -> str:
        return f"{literal(str(relation.renamed(self.sequence)))}::regclass"

    def _made_anew(self, relation: QualifiedName) -> list[str]:
        if self.create is None:
            return []
        return [
            f"CREATE SEQUENCE {relation.renamed(self.sequence)} AS {self.type} {self.create}",
            f"SELECT pg_catalog.setval({self._known(relation)}, {self.last_value},"
            f" {str(self.is_called).lower()})",
        ]

    def online(self, relation: QualifiedName) -> Online | str:
        """Return SQL by which rows that are written meanwhile take values, whoever writes them.

        As from an identity column, which needs no privilege on its sequence.
        """
        if self.create is None:
            return Online()
        return Online(
            first=(
                *self._made_anew(relation),
                f"GRANT USAGE ON SEQUENCE {relation.renamed(self.sequence)} TO PUBLIC",
                f"ALTER TABLE {relation} ALTER COLUMN {quote(self.column)}"
                f" SET DEFAULT {self.next_value(relation)}",
            )
        )


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

    def online(self, relation: QualifiedName) -> Online | str:
        """Return the same, in place of the default that `SequenceFill` has set."""
        default = f"ALTER TABLE {relation} ALTER COLUMN {quote(self.column)} DROP DEFAULT"
        return Online(then=(Short((default, *self.restore(relation))),))


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

    def online(self, relation: QualifiedName) -> Online | str:
        return Online(first=tuple(self.restore(relation)))
