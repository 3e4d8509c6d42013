"""What hangs on a table or column, as values that know how to leave and how to come back.

Each kind of part is a frozen dataclass with two methods: `park` gives the SQL that takes its
force away and `restore` the SQL that makes it again, both for the table as it is named at that
moment. Parts are captured after the column or table got its parked name, so their SQL speaks of
names that nothing else can have; the name itself comes back last.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, ClassVar, Self

from alembic_zanith.identifiers import QualifiedName, literal, quote

from .online import Online, Short, dropping_constraint, validating
from .relation import Column

_REGISTRY: dict[str, type[Part]] = {}


@dataclass(frozen=True)
class Part:
    """Base of all parts. `order` is the place in a restore; parking goes the other way round.

    `needs_final_name` marks parts of a table that come back after the table itself has its name
    and its schema again.
    """

    kind: ClassVar[str]
    order: ClassVar[int]
    needs_final_name: ClassVar[bool] = False

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "kind" in cls.__dict__:
            _REGISTRY[cls.kind] = cls

    @property
    def label(self) -> str:
        """What to call this part in a message."""
        name = getattr(self, "name", None)
        return self.kind.replace("_", " ") + (f" {name}" if name else "")

    def park(self, relation: QualifiedName) -> list[str]:
        raise NotImplementedError

    def restore(self, relation: QualifiedName) -> list[str]:
        raise NotImplementedError

    def online(self, relation: QualifiedName) -> Online | str:
        """Return how it comes back while others read and write, or why it cannot.

        The reason is a sentence without full stop. Most parts change the catalog alone, so that
        their SQL is the same.
        """
        return Online(then=(Short(tuple(self.restore(relation))),))

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, **asdict(self)}

    @classmethod
    def _from_values(cls, values: Mapping[str, Any]) -> Self:
        known = {field.name for field in fields(cls)}
        return cls(**{name: _tuples(value) for name, value in values.items() if name in known})


def _tuples(value: Any) -> Any:
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value


def part_from_json(values: Mapping[str, Any]) -> Part:
    """Return the part that `Part.to_json` wrote."""
    return _REGISTRY[values["kind"]]._from_values(values)


def in_restore_order(parts: list[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: part.order)


def comment_on(what: str, comment: str | None) -> list[str]:
    return [] if comment is None else [f"COMMENT ON {what} IS {literal(comment)}"]


@dataclass(frozen=True)
class Renamed(Part):
    """A subordinate object that stays, under a parked name: the old one is free at once.

    Comes back before a partition is attached again, which looks for checks by their name.
    """

    kind = "renamed"
    order = 55
    object_kind: str
    schema: str
    name: str
    parked: str

    @property
    def label(self) -> str:
        return f"{self.object_kind} {self.name}"

    def park(self, relation: QualifiedName) -> list[str]:
        return [self._rename(relation, self.name, self.parked)]

    def restore(self, relation: QualifiedName) -> list[str]:
        return [self._rename(relation, self.parked, self.name)]

    def _rename(self, relation: QualifiedName, old: str, new: str) -> str:
        if self.object_kind == "constraint":
            return f"ALTER TABLE {relation} RENAME CONSTRAINT {quote(old)} TO {quote(new)}"
        where = QualifiedName(self.schema, old)
        if self.object_kind != "statistics":
            where = QualifiedName(relation.schema, old)
        return f"ALTER {self.object_kind.upper()} {where} RENAME TO {quote(new)}"


@dataclass(frozen=True)
class Default(Part):
    """A column default that PostgreSQL evaluates for new rows."""

    kind = "default"
    order = 20
    column: str
    expression: str

    def park(self, relation: QualifiedName) -> list[str]:
        return [f"ALTER TABLE ONLY {relation} ALTER COLUMN {quote(self.column)} DROP DEFAULT"]

    def restore(self, relation: QualifiedName) -> list[str]:
        return [
            f"ALTER TABLE ONLY {relation} ALTER COLUMN {quote(self.column)}"
            f" SET DEFAULT {self.expression}"
        ]

    def online(self, relation: QualifiedName) -> Online | str:
        return Online(first=tuple(self.restore(relation)))


@dataclass(frozen=True)
class GeneratedExpression(Part):
    """The expression of a generated column, out of force while it yields NULL.

    PostgreSQL 17 can replace an expression; a stored column is rewritten for that.
    https://www.postgresql.org/docs/current/sql-altertable.html
    """

    kind = "generated_expression"
    order = 21
    column: str
    type: str
    expression: str

    def park(self, relation: QualifiedName) -> list[str]:
        return [self._set(relation, f"NULL::{self.type}")]

    def restore(self, relation: QualifiedName) -> list[str]:
        return [self._set(relation, self.expression)]

    def _set(self, relation: QualifiedName, expression: str) -> str:
        return (
            f"ALTER TABLE {relation} ALTER COLUMN {quote(self.column)}"
            f" SET EXPRESSION AS ({expression})"
        )


@dataclass(frozen=True)
class OwnExpression(GeneratedExpression):
    """The expression of a partition or child, where it is not the parent's; set after that."""

    kind = "own_expression"
    order = 22

    def park(self, relation: QualifiedName) -> list[str]:
        return []


@dataclass(frozen=True)
class StandInType(Part):
    """A column whose domain could refuse rows, or whose domain, type of an extension or collation
    could be dropped or changed by a later migration.

    Going to the type that it stands on, and to the collation of that, costs no rewrite, as long as
    that has no modifier: PostgreSQL would cut each value to the length. Coming back re-checks every
    row if a domain has constraints or a length. Storage and compression are set again because a
    change of type resets them.
    """

    kind = "stand_in_type"
    order = 10
    column: str
    type: str
    base_type: str
    collation: str | None
    base_collation: str | None
    attributes: tuple[str, ...] = ()
    bare_type: str | None = None

    @classmethod
    def of(cls, column: Column, attributes: Iterable[str] = ()) -> Self:
        """Return the part for a column that has its own type and collation."""
        return cls(
            column=column.name,
            type=column.type,
            base_type=column.base_type or column.type,
            collation=column.collation,
            base_collation=None if column.has_own_collation else column.collation,
            attributes=tuple(attributes),
            bare_type=None if column.base_type is None else column.bare_type,
        )

    @property
    def label(self) -> str:
        if self.type == self.base_type:
            return f"collation {self.collation} of {self.column}"
        return f"type {self.type} of {self.column}"

    def park(self, relation: QualifiedName) -> list[str]:
        return [self._alter(relation, self.bare_type or self.base_type, self.base_collation)]

    def restore(self, relation: QualifiedName) -> list[str]:
        return [*self.guard(relation), *self.retype(relation)]

    def guard(self, relation: QualifiedName) -> list[str]:
        """Return SQL that fails where a type of that name by now would change a value."""
        return [] if self.type == self.base_type else [self._refuse_loss(relation)]

    def retype(self, relation: QualifiedName) -> list[str]:
        """Return the way back without a look at the values."""
        column = quote(self.column)
        return [
            self._alter(relation, self.type, self.collation),
            *(
                f"ALTER TABLE ONLY {relation} ALTER COLUMN {column} {text}"
                for text in self.attributes
            ),
        ]

    def _refuse_loss(self, relation: QualifiedName) -> str:
        column = quote(self.column)
        there_and_back = f"CAST(CAST(CAST({column} AS {self.type}) AS {self.base_type}) AS text)"
        printed = f"CAST({column} AS text)"
        there = f"CAST(CAST({column} AS {self.type}) AS text)"
        first = f"SELECT {printed} FROM {relation} WHERE"
        body = _REFUSE_LOSS.format(
            type=literal(self.type),
            base_type=literal(self.base_type),
            any_value=f"{first} {column} IS NOT NULL LIMIT 1",
            printed_otherwise=f"{first} {printed} IS DISTINCT FROM {there} LIMIT 1",
            lost=f"{first} {printed} IS DISTINCT FROM {there_and_back} LIMIT 1",
            message=literal(f"{self.type} is another type by now and would change values of "),
            column=literal(self.column),
        )
        return f"DO {literal(body)}"

    def _alter(self, relation: QualifiedName, to: str, collation: str | None) -> str:
        suffix = f" COLLATE {collation}" if collation else ""
        return f"ALTER TABLE {relation} ALTER COLUMN {quote(self.column)} TYPE {to}{suffix}"


# A value that goes there and back unchanged is taken for the same, but for two kinds of types: one
# with a time zone and one without convert by that of the session, which is UTC here, and types that
# are stored alike, as oid and integer, pass on what the other prints otherwise.
_REFUSE_LOSS = """
DECLARE here oid; live oid; live_typmod integer; changed text;
BEGIN
  here := to_regtype({base_type});
  WITH RECURSIVE chain (oid, typmod, depth) AS (
       SELECT CAST(to_regtype({type}) AS oid), -1, 0
        UNION ALL
       SELECT t.typbasetype, t.typtypmod, chain.depth + 1
         FROM chain JOIN pg_type t ON t.oid = chain.oid WHERE t.typtype = 'd')
  SELECT oid, typmod INTO live, live_typmod FROM chain ORDER BY depth DESC LIMIT 1;
  IF format_type(live, live_typmod) = {base_type}
     OR live >= 16384 AND format_type(here, live_typmod) = {base_type}
        AND EXISTS (SELECT FROM pg_cast c JOIN pg_cast back
                        ON back.castsource = c.casttarget AND back.casttarget = c.castsource
                     WHERE c.castsource = live AND c.casttarget = here
                       AND c.castmethod = 'b' AND back.castmethod = 'b')
  THEN RETURN; END IF;
  IF (SELECT bool_or(e.typname IN ('timestamptz', 'timetz'))
             AND bool_or(e.typname IN ('timestamp', 'time', 'date'))
        FROM pg_type t JOIN pg_type e ON e.oid = coalesce(nullif(t.typelem, 0), t.oid)
       WHERE t.oid IN (here, live) AND e.oid < 16384)
  THEN
    {any_value} INTO changed;
  ELSIF EXISTS (SELECT FROM pg_cast
                 WHERE castsource = here AND casttarget = live AND castmethod = 'b')
  THEN
    {printed_otherwise} INTO changed;
  ELSE
    {lost} INTO changed;
  END IF;
  IF FOUND THEN
    RAISE EXCEPTION USING ERRCODE = 'data_exception',
      MESSAGE = concat({message}, {column}, ', such as ', changed);
  END IF;
END"""


@dataclass(frozen=True)
class NotNull(Part):
    """NOT NULL where it has no constraint of its own: before PostgreSQL 18.

    Comes back on the partitions before it does on their parent, hence the two orders.
    """

    kind = "not_null"
    order = 31
    column: str
    depth: int = 0

    @property
    def label(self) -> str:
        return f"NOT NULL of {self.column}"

    def park(self, relation: QualifiedName) -> list[str]:
        return [f"ALTER TABLE {relation} ALTER COLUMN {quote(self.column)} DROP NOT NULL"]

    def restore(self, relation: QualifiedName) -> list[str]:
        return [f"ALTER TABLE {relation} ALTER COLUMN {quote(self.column)} SET NOT NULL"]

    def online(self, relation: QualifiedName) -> Online | str:
        """Return the way by a check: once that holds for all rows, none is read for SET NOT NULL.

        https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-DESC-SET-DROP-NOT-NULL
        """
        # The id of the artifact is at the end of the name that a column has meanwhile.
        check = quote(f"_zanith_not_null_{self.column[-8:]}_{self.depth}")
        add = f"ADD CONSTRAINT {check} CHECK ({quote(self.column)} IS NOT NULL) NOT VALID"
        return Online(
            guard=(f"ALTER TABLE {relation} {add}",),
            then=(
                validating(relation, check),
                Short(
                    (
                        *self.restore(relation),
                        f"ALTER TABLE {relation} DROP CONSTRAINT {check}",
                    )
                ),
            ),
            undo=dropping_constraint(relation, check),
        )
