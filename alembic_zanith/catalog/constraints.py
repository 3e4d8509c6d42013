"""Parts that check rows or speed up finding them: constraints, indexes, extended statistics."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from alembic_zanith.identifiers import QualifiedName, literal, quote

from .parts import Part, comment_on


def set_statistics(index: QualifiedName, targets: Iterable[tuple[int, int]]) -> list[str]:
    return [
        f"ALTER INDEX {index} ALTER COLUMN {number} SET STATISTICS {target}"
        for number, target in targets
    ]


@dataclass(frozen=True)
class IndexTraits:
    """What an index has beside its definition."""

    comment: str | None = None
    tablespace: str | None = None
    is_clustered: bool = False
    is_replica_identity: bool = False
    options: tuple[str, ...] = ()
    statistics: tuple[tuple[int, int], ...] = ()

    def restore(self, relation: QualifiedName, index: QualifiedName) -> list[str]:
        statements = []
        if self.options:
            statements.append(f"ALTER INDEX {index} SET ({', '.join(self.options)})")
        if self.tablespace is not None:
            statements.append(f"ALTER INDEX {index} SET TABLESPACE {quote(self.tablespace)}")
        statements += set_statistics(index, self.statistics)
        statements += comment_on(f"INDEX {index}", self.comment)
        if self.is_clustered:
            statements.append(f"ALTER TABLE {relation} CLUSTER ON {quote(index.name)}")
        if self.is_replica_identity:
            statements.append(
                f"ALTER TABLE {relation} REPLICA IDENTITY USING INDEX {quote(index.name)}"
            )
        return statements


def _traits(value: IndexTraits | dict[str, object] | None) -> IndexTraits | None:
    """Turn what JSON gave back into traits."""
    if isinstance(value, dict):
        plain = {
            name: tuple(tuple(i) if isinstance(i, list) else i for i in item)
            if isinstance(item, list)
            else item
            for name, item in value.items()
        }
        return IndexTraits(**plain)  # type: ignore[arg-type]  # JSON of asdict(IndexTraits)
    return value


@dataclass(frozen=True)
class Constraint(Part):
    """A check, primary key, unique or exclusion constraint.

    `type` is the letter of pg_constraint.contype. For counting what is in the way: `expression` is
    what a check demands, `keys` the SQL of each column of a key, `operators` what an exclusion
    constraint compares them with, of the rows that meet `predicate`. `attached_to` is the index of
    the partitioned parent whose part this one is: then only that parent's constraint is dropped.
    """

    kind = "constraint"
    order = 32
    name: str
    type: str
    definition: str
    comment: str | None = None
    traits: IndexTraits | None = None
    attached_to: str | None = None
    is_partitioned: bool = False
    keys: tuple[str, ...] = ()
    operators: tuple[str, ...] = ()
    predicate: str | None = None
    expression: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "traits", _traits(self.traits))

    @property
    def label(self) -> str:
        return f"constraint {self.name} ({self.definition})"

    def park(self, relation: QualifiedName) -> list[str]:
        if self.attached_to is not None:
            return []
        return [f"ALTER TABLE {relation} DROP CONSTRAINT {quote(self.name)}"]

    def restore(self, relation: QualifiedName) -> list[str]:
        only = "ONLY " if self.is_partitioned and self.traits is not None else ""
        name = quote(self.name)
        statements = [f"ALTER TABLE {only}{relation} ADD CONSTRAINT {name} {self.definition}"]
        statements += comment_on(f"CONSTRAINT {name} ON {relation}", self.comment)
        if self.traits is not None:
            statements += self.traits.restore(relation, relation.renamed(self.name))
        return statements


@dataclass(frozen=True)
class NamedNotNull(Part):
    """NOT NULL as a constraint with a name of its own: PostgreSQL 18 and later.

    A primary key needs it, so it goes after the key and comes back before it.
    https://www.postgresql.org/docs/18/ddl-constraints.html#DDL-CONSTRAINTS-NOT-NULL
    """

    kind = "named_not_null"
    order = 31
    name: str
    definition: str
    column: str
    comment: str | None = None

    @property
    def label(self) -> str:
        return f"constraint {self.name} ({self.definition})"

    def park(self, relation: QualifiedName) -> list[str]:
        return [f"ALTER TABLE {relation} DROP CONSTRAINT {quote(self.name)}"]

    def restore(self, relation: QualifiedName) -> list[str]:
        name = quote(self.name)
        return [
            f"ALTER TABLE {relation} ADD CONSTRAINT {name} {self.definition}",
            *comment_on(f"CONSTRAINT {name} ON {relation}", self.comment),
        ]


@dataclass(frozen=True)
class InheritedNotNull(Part):
    """A NOT NULL that comes and goes with the parent's, but is named otherwise.

    A partition that was attached has one. It is made before the parent's, which is merged with it.
    """

    kind = "inherited_not_null"
    order = 31
    name: str
    definition: str
    comment: str | None = None

    def park(self, relation: QualifiedName) -> list[str]:
        return []

    def restore(self, relation: QualifiedName) -> list[str]:
        name = quote(self.name)
        return [
            f"ALTER TABLE {relation} ADD CONSTRAINT {name} {self.definition}",
            *comment_on(f"CONSTRAINT {name} ON {relation}", self.comment),
        ]


@dataclass(frozen=True)
class ConstraintComment(Part):
    """The comment on a constraint that a child has from its parent."""

    kind = "constraint_comment"
    order = 61
    needs_final_name = True
    name: str
    comment: str

    def park(self, relation: QualifiedName) -> list[str]:
        return []

    def restore(self, relation: QualifiedName) -> list[str]:
        return comment_on(f"CONSTRAINT {quote(self.name)} ON {relation}", self.comment)


@dataclass(frozen=True)
class Index(Part):
    """An index without a constraint. `tail` is its definition after the name of the table."""

    kind = "index"
    order = 40
    name: str
    unique: bool
    tail: str
    traits: IndexTraits
    attached_to: str | None = None
    is_partitioned: bool = False
    keys: tuple[str, ...] = ()
    predicate: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "traits", _traits(self.traits))

    def park(self, relation: QualifiedName) -> list[str]:
        if self.attached_to is not None:
            return []
        return [f"DROP INDEX {relation.renamed(self.name)}"]

    def restore(self, relation: QualifiedName) -> list[str]:
        unique = "UNIQUE " if self.unique else ""
        only = "ONLY " if self.is_partitioned else ""
        return [
            f"CREATE {unique}INDEX {quote(self.name)} ON {only}{relation} {self.tail}",
            *self.traits.restore(relation, relation.renamed(self.name)),
        ]


@dataclass(frozen=True)
class IndexAttachment(Part):
    """Joins the index of a partition to that of its parent."""

    kind = "index_attachment"
    order = 45
    name: str
    parent_schema: str
    parent: str

    def park(self, relation: QualifiedName) -> list[str]:
        return []

    def restore(self, relation: QualifiedName) -> list[str]:
        parent = QualifiedName(self.parent_schema, self.parent)
        return [f"ALTER INDEX {parent} ATTACH PARTITION {relation.renamed(self.name)}"]


@dataclass(frozen=True)
class ForeignKey(Part):
    """An outgoing foreign key.

    It comes back NOT VALID first and is validated right after; when parent rows are gone by then,
    it stays NOT VALID, which still guards every new row. Before PostgreSQL 18 a partitioned table
    cannot have one that is NOT VALID, so there it is all or nothing (`can_defer_validation`).
    `parent` is the qualified and quoted name of the other table, `parent_oid` tells it from
    another one that has the name by then.
    https://www.postgresql.org/docs/current/sql-altertable.html
    """

    kind = "foreign_key"
    order = 60
    name: str
    definition: str
    parent: str
    columns: tuple[str, ...] = ()
    parent_columns: tuple[str, ...] = ()
    validated: bool = True
    can_defer_validation: bool = True
    comment: str | None = None
    parent_oid: int | None = None

    def park(self, relation: QualifiedName) -> list[str]:
        return [f"ALTER TABLE {relation} DROP CONSTRAINT {quote(self.name)}"]

    def restore(self, relation: QualifiedName) -> list[str]:
        name = quote(self.name)
        add = f"ALTER TABLE {relation} ADD CONSTRAINT {name} {self.definition}"
        comment = comment_on(f"CONSTRAINT {name} ON {relation}", self.comment)
        if not (self.validated and self.can_defer_validation):
            return [add, *comment]
        message = literal(
            f"foreign key {self.name} is back as NOT VALID: some of its parent rows are gone"
        )
        body = (
            f"BEGIN ALTER TABLE {relation} VALIDATE CONSTRAINT {name};"
            f" EXCEPTION WHEN foreign_key_violation THEN"
            f" RAISE WARNING USING MESSAGE = {message}; END;"
        )
        return [f"{add} NOT VALID", f"DO {literal(body)}", *comment]


@dataclass(frozen=True)
class ExtendedStatistics(Part):
    """A statistics object; `body` is its definition between its name and that of the table."""

    kind = "extended_statistics"
    order = 50
    schema: str
    name: str
    body: str
    owner: str
    target: int | None = None
    comment: str | None = None

    @property
    def _name(self) -> QualifiedName:
        return QualifiedName(self.schema, self.name)

    def park(self, relation: QualifiedName) -> list[str]:
        return [f"DROP STATISTICS {self._name}"]

    def restore(self, relation: QualifiedName) -> list[str]:
        statements = [f"CREATE STATISTICS {self._name} {self.body} FROM {relation}"]
        if self.target is not None:
            statements.append(f"ALTER STATISTICS {self._name} SET STATISTICS {self.target}")
        statements += comment_on(f"STATISTICS {self._name}", self.comment)
        return [*statements, f"ALTER STATISTICS {self._name} OWNER TO {quote(self.owner)}"]


@dataclass(frozen=True)
class IndexStatistics(Part):
    """The statistics targets of an index, which PostgreSQL forgets when a type changes.

    `name` is the one that the index has while parked.
    """

    kind = "index_statistics"
    order = 53
    name: str
    statistics: tuple[tuple[int, int], ...]

    def park(self, relation: QualifiedName) -> list[str]:
        return []

    def restore(self, relation: QualifiedName) -> list[str]:
        return set_statistics(relation.renamed(self.name), self.statistics)


@dataclass(frozen=True)
class StatisticsTarget(Part):
    """The target of a statistics object, which PostgreSQL forgets when a type changes.

    `schema` and `name` are those that it has while parked.
    """

    kind = "statistics_target"
    order = 53
    schema: str
    name: str
    target: int

    def park(self, relation: QualifiedName) -> list[str]:
        return []

    def restore(self, relation: QualifiedName) -> list[str]:
        statistics = QualifiedName(self.schema, self.name)
        return [f"ALTER STATISTICS {statistics} SET STATISTICS {self.target}"]


@dataclass(frozen=True)
class InheritedForeignKey(Part):
    """A foreign key that a partition has from its parent; it comes back with the attachment."""

    kind = "inherited_foreign_key"
    order = 60
    name: str

    def park(self, relation: QualifiedName) -> list[str]:
        return [f"ALTER TABLE {relation} DROP CONSTRAINT {quote(self.name)}"]

    def restore(self, relation: QualifiedName) -> list[str]:
        return []


@dataclass(frozen=True)
class MovedStatistics(Part):
    """A statistics object that is sent after its table into the archive schema.

    `name` is the one it has while parked.
    """

    kind = "moved_statistics"
    order = 54
    schema: str
    name: str
    archive_schema: str

    def park(self, relation: QualifiedName) -> list[str]:
        return [self._move(self.schema, self.archive_schema)]

    def restore(self, relation: QualifiedName) -> list[str]:
        return [self._move(self.archive_schema, self.schema)]

    def _move(self, old: str, new: str) -> str:
        return f"ALTER STATISTICS {QualifiedName(old, self.name)} SET SCHEMA {quote(new)}"
