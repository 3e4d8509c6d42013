"""Parts that tell the planner more than it finds out by itself."""

from __future__ import annotations

from dataclasses import dataclass

from alembic_zanith.identifiers import QualifiedName, quote

from .constraints import set_statistics
from .online import Online
from .parts import Part, comment_on


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

    def online(self, relation: QualifiedName) -> Online | str:
        return Online(first=tuple(self.restore(relation)))


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
