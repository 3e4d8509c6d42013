"""The captured definition of an artifact, to and from JSON."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from alembic_zanith.catalog.constraints import NamedNotNull
from alembic_zanith.catalog.parts import Part, part_from_json
from alembic_zanith.catalog.relation import Column
from alembic_zanith.catalog.type_shapes import EnumLabels
from alembic_zanith.errors import ZanithError
from alembic_zanith.identifiers import QualifiedName

FORMAT = 1


@dataclass(frozen=True)
class Holding:
    """The parts of one relation: the table itself or one of its partitions.

    `name` is the name it had, `parked` the one it has while parked; they differ for whole tables.
    `depth` is its distance from the table, `oid` finds it in the same database under another name.
    """

    name: QualifiedName
    parked: QualifiedName
    depth: int
    parts: tuple[Part, ...]
    is_partitioned: bool = False
    oid: int = 0

    @property
    def has_moved(self) -> bool:
        """Whether it has another name while parked, as tables have but for a shelter."""
        return self.name != self.parked

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": self.name.schema,
            "name": self.name.name,
            "parked_schema": self.parked.schema,
            "parked_name": self.parked.name,
            "depth": self.depth,
            "is_partitioned": self.is_partitioned,
            "oid": self.oid,
            "parts": [part.to_json() for part in self.parts],
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Holding:
        return cls(
            QualifiedName(values["schema"], values["name"]),
            QualifiedName(values["parked_schema"], values["parked_name"]),
            values["depth"],
            tuple(part_from_json(part) for part in values["parts"]),
            values["is_partitioned"],
            values["oid"],
        )


@dataclass(frozen=True)
class ArchiveKey:
    """One column of the key that archived values are found by.

    `number` tells it from another column of that name, in the same database; `type` is what it had
    when the values were archived, and `type_oid` finds that under another name.
    """

    name: str
    stored_as_text: bool
    is_collatable: bool = False
    number: int | None = None
    type: str | None = None
    type_oid: int | None = None

    def live(self, expression: str) -> str:
        """Return the SQL that makes a value of the live key comparable with the archive's.

        The archive has the default collation, so that no other is needed for as long as it lives.
        """
        if self.stored_as_text:
            expression = f"CAST({expression} AS text)"
        if self.stored_as_text or self.is_collatable:
            expression = f'({expression} COLLATE pg_catalog."default")'
        return expression


@dataclass(frozen=True)
class Archiving:
    """The archive that a parked column is on its way to: its table, and what it will be brought
    back by.
    """

    table: QualifiedName
    definition: Definition

    def to_json(self) -> dict[str, Any]:
        return {
            "schema": self.table.schema,
            "table": self.table.name,
            "definition": self.definition.to_json(),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Archiving:
        table = QualifiedName(values["schema"], values["table"])
        return cls(table, Definition.from_json(values["definition"]))

    @property
    def giving_up(self) -> str:
        """The statement that takes away what is copied so far."""
        return f"DROP TABLE IF EXISTS {self.table}"


@dataclass(frozen=True)
class Definition:
    """All that was captured when something was parked.

    `working_name` is the unique name a column has until the last step of its restore,
    `database_id` the database that `relation_oid` and the OIDs of the holdings are of, `enums` the
    labels that archived values and keys consist of, or of the types that took the names of parked
    ones. `archiving` is of a parked column whose values are being copied to an archive.
    """

    relation_oid: int
    server_version: int
    holdings: tuple[Holding, ...]
    column: Column | None = None
    working_name: str | None = None
    value_as_text: bool = False
    key: tuple[ArchiveKey, ...] = ()
    structure: dict[str, Any] | None = None
    generated_expression: str | None = None
    constant_default: str | None = None
    column_names: tuple[str, ...] = ()
    type_sql: tuple[str, ...] = ()
    database_id: str | None = None
    enums: tuple[EnumLabels, ...] = ()
    archiving: Archiving | None = None

    @property
    def root(self) -> Holding:
        return self.holdings[0]

    @property
    def lookup_key(self) -> tuple[ArchiveKey, ...]:
        """The key that a restore looks values up by; none if it generates them again."""
        return self.key if self.generated_expression is None else ()

    @property
    def is_never_null(self) -> bool:
        """Whether PostgreSQL has made sure that no row is without a value of the column."""
        named = [part for _, part in self.parts() if isinstance(part, NamedNotNull)]
        unsure = any(part.definition.endswith("NOT VALID") for part in named)
        return self.column is not None and self.column.not_null and not unsure

    def parts(self) -> Iterator[tuple[Holding, Part]]:
        """Yield all parts in the order of a restore: by kind, children before parents."""
        pairs = [(holding, part) for holding in self.holdings for part in holding.parts]
        yield from sorted(pairs, key=lambda pair: (pair[1].order, -pair[0].depth))

    def to_json(self) -> dict[str, Any]:
        values = {
            name: getattr(self, name)
            for name in (
                "relation_oid",
                "server_version",
                "working_name",
                "value_as_text",
                "structure",
                "generated_expression",
                "constant_default",
                "database_id",
            )
        }
        values["format"] = FORMAT
        values["holdings"] = [holding.to_json() for holding in self.holdings]
        values["column"] = None if self.column is None else asdict(self.column)
        values["key"] = [asdict(key) for key in self.key]
        values["key_columns"] = [key.name for key in self.key]
        values["column_names"] = list(self.column_names)
        values["type_sql"] = list(self.type_sql)
        values["enums"] = [enum.to_json() for enum in self.enums]
        if self.archiving is not None:
            values["archiving"] = self.archiving.to_json()
        return values

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Definition:
        if values.get("format") != FORMAT:
            raise ZanithError(
                f"This artifact was written in format {values.get('format')}, which this version "
                "of alembic-zanith does not read. Use the version that wrote it, or its "
                "recovery_sql with psql."
            )
        column = values["column"]
        if column is not None:
            column = Column(**{**column, "options": tuple(column["options"])})
        return cls(
            relation_oid=values["relation_oid"],
            server_version=values["server_version"],
            holdings=tuple(Holding.from_json(holding) for holding in values["holdings"]),
            column=column,
            working_name=values["working_name"],
            value_as_text=values["value_as_text"],
            key=tuple(ArchiveKey(**key) for key in values["key"]),
            structure=values["structure"],
            generated_expression=values["generated_expression"],
            constant_default=values["constant_default"],
            column_names=tuple(values["column_names"]),
            type_sql=tuple(values["type_sql"]),
            database_id=values.get("database_id"),
            enums=tuple(EnumLabels.from_json(enum) for enum in values.get("enums", ())),
            archiving=Archiving.from_json(values["archiving"]) if "archiving" in values else None,
        )


def park_order(holdings: tuple[Holding, ...]) -> Iterator[tuple[Holding, Part]]:
    """Yield all parts in the order of parking: the reverse of a restore, parents first."""
    pairs = [(holding, part) for holding in holdings for part in holding.parts]
    yield from sorted(pairs, key=lambda pair: (-pair[1].order, pair[0].depth))
