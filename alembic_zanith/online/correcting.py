"""The last look at values that are back: each is that of its row's key, whatever keys did since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alembic_zanith.catalog.column_parts import Identity, SequenceFill
from alembic_zanith.catalog.parts import Default
from alembic_zanith.recovery.definition import Definition
from alembic_zanith.recovery.looking import refuses_nulls

from .returning import ReturningValues


@dataclass(frozen=True)
class Correcting(ReturningValues):
    """See `alembic_zanith.movement.walk.Work`. A row is done that has the value of its key.

    Rows whose key the archive does not have are left alone where they may have got their value
    otherwise: from those who wrote them, or from an expression that gives another one each time.
    """

    @property
    def undone(self) -> str:
        return f"({' OR '.join(self._undone())})"

    def _undone(self) -> Iterator[str]:
        other = self._is_not("_zanith_a.value")
        yield f"EXISTS (SELECT FROM {self._archived} AND {other})"
        if self.filler is not None and self.filler.is_constant:
            yield f"NOT EXISTS (SELECT FROM {self._archived}) AND {self._is_not(self.filler.sql)}"
        elif self.filler is None and not _keeps_own(self.definition):
            yield f"NOT EXISTS (SELECT FROM {self._archived}) AND {self._is_not('NULL')}"

    def _is_not(self, value: str) -> str:
        """By their texts, because not every type can be compared, and what prints the same is."""
        there, here = (
            f'(CAST({each} AS pg_catalog.text) COLLATE pg_catalog."C")'
            for each in (f"CAST({value} AS {self._type})", f"{self.table}.{self._column}")
        )
        return f"{here} IS DISTINCT FROM {there}"


def _keeps_own(definition: Definition) -> bool:
    """Whether a row may have a value that the archive does not know, or cannot be without one."""
    if refuses_nulls(definition):
        return True
    return any(
        isinstance(part, Default | Identity | SequenceFill) for _, part in definition.parts()
    )
