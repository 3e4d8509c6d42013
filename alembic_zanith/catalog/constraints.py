"""Parts that check rows or speed up finding them: constraints and indexes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from alembic_zanith.identifiers import QualifiedName, literal, quote

from .online import (
    Alone,
    Online,
    Short,
    dropping_constraint,
    dropping_index,
    validating,
)
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

    def online(self, relation: QualifiedName) -> Online | str:
        name = quote(self.name)
        if self.type == "c":
            return _checked_later(relation, name, self.definition, self.restore(relation))
        if self.operators:
            return "PostgreSQL builds the index of such a constraint with writes locked out"
        undo = dropping_constraint(relation, name)
        if self.is_partitioned:
            return Online(then=(Short(tuple(self.restore(relation))),), undo=undo)
        found = _KEY.fullmatch(self.definition)
        if found is None:
            return f"{self.definition} is of a kind that this version does not know"
        what, nulls, columns, timing = (each or "" for each in found.groups())
        index = relation.renamed(self.name)
        add = f"ALTER TABLE {relation} ADD CONSTRAINT {name} {what} USING INDEX {name}{timing}"
        _, *rest = self.restore(relation)
        build = f"CREATE UNIQUE INDEX CONCURRENTLY {name} ON {relation} {columns}{nulls}"
        tablespace = None if self.traits is None else self.traits.tablespace
        return Online(
            then=(Alone(build, str(index), tablespace), Short((add, *rest))),
            undo=(*undo, *dropping_index(index)),
        )


# As PostgreSQL words a key that is no partitioned table's, so without its storage parameters.
_KEY = re.compile(
    r"(UNIQUE|PRIMARY KEY)( NULLS NOT DISTINCT)? (\(.*\))"
    r"((?: DEFERRABLE)?(?: INITIALLY DEFERRED)?)",
    re.DOTALL,
)
_UNCHECKED = (" NOT VALID", " NOT ENFORCED")


def _checked_later(
    relation: QualifiedName, name: str, definition: str, restore: list[str]
) -> Online:
    """Return the way of a constraint that is made NOT VALID and then checked row by row."""
    undo = dropping_constraint(relation, name)
    if definition.endswith(_UNCHECKED):
        return Online(guard=tuple(restore), undo=undo)
    add, *rest = restore
    return Online(guard=(f"{add} NOT VALID", *rest), then=(validating(relation, name),), undo=undo)


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

    def online(self, relation: QualifiedName) -> Online | str:
        name = quote(self.name)
        return _checked_later(relation, name, self.definition, self.restore(relation))


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

    def online(self, relation: QualifiedName) -> Online | str:
        name = quote(self.name)
        return _checked_later(relation, name, self.definition, self.restore(relation))


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

    def online(self, relation: QualifiedName) -> Online | str:
        index = relation.renamed(self.name)
        undo = dropping_index(index)
        if self.is_partitioned:
            return Online(then=(Short(tuple(self.restore(relation))),))
        unique = "UNIQUE " if self.unique else ""
        build = f"CREATE {unique}INDEX CONCURRENTLY {quote(self.name)} ON {relation} {self.tail}"
        _, *rest = self.restore(relation)
        return Online(
            then=(Alone(build, str(index), self.traits.tablespace), Short(tuple(rest))), undo=undo
        )


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

    def online(self, relation: QualifiedName) -> Online | str:
        """Return the same with the check outside of a transaction, in which it may fail."""
        name = quote(self.name)
        undo = dropping_constraint(relation, name)
        if not self.validated:
            return Online(then=(Short(tuple(self.restore(relation))),), undo=undo)
        if not self.can_defer_validation:
            return (
                "before PostgreSQL 18 a foreign key of a partitioned table is checked with writes "
                "locked out"
            )
        add, _, *rest = self.restore(relation)
        return Online(then=(Short((add, *rest)), validating(relation, name)), undo=undo)


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
