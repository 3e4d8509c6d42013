"""The copy of a parked column's values to its archive, as work of a walk."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from alembic_zanith.identifiers import quote
from alembic_zanith.recovery.column_archive import VALUE, ColumnArchive


@dataclass(frozen=True)
class Copying:
    """See `alembic_zanith.movement.walk.Work`; it is for pinned settings.

    `selected` is the SQL of key and value of a row. A row is done when the archive has the very
    value for its key, so that doing one again changes nothing. Where the column is `never_null`, a
    row without a value was written since it was parked and has none to keep.
    """

    archive: ColumnArchive
    selected: tuple[str, ...]
    never_null: bool

    @property
    def undone(self) -> str:
        return " AND ".join(self._undone())

    def _undone(self) -> Iterator[str]:
        if self.never_null:
            yield f"{self._column} IS NOT NULL"
        # By their texts, because not every type can be compared, and what prints the same is.
        same = f"CAST(a.{VALUE} AS text) IS NOT DISTINCT FROM CAST({self.selected[-1]} AS text)"
        conditions = f"{self._of_a_row} AND {same}"
        yield f"NOT EXISTS (SELECT FROM {self.archive.table} AS a WHERE {conditions})"

    @property
    def _column(self) -> str:
        return f"{self.archive.relation.name}.{quote(self.archive.working_name)}"

    @property
    def _of_a_row(self) -> str:
        """The condition of the entry of a row, which is known as `a`."""
        keys = zip(self.archive.keys, self.selected, strict=False)
        return " AND ".join(f"a.{name} OPERATOR(pg_catalog.=) {key}" for name, key in keys)

    def statement(self, conditions: str) -> str:
        archive = self.archive
        keys = ", ".join(archive.keys)
        return (
            f"INSERT INTO {archive.table} AS a ({keys}, {VALUE})"
            f" SELECT {', '.join(self.selected)} FROM {archive.relation.name} WHERE {conditions}"
            f" ON CONFLICT ({keys}) DO UPDATE SET {VALUE} = excluded.{VALUE} RETURNING 1"
        )

    def corrections(self) -> Iterator[str]:
        """Yield the statements that do all rows that are not done, RETURNING a row for each.

        Where a new row has got the key of one that was deleted since it was copied, the value goes.
        """
        yield self.statement(self.undone)
        if self.never_null:
            archive = self.archive
            yield (
                f"DELETE FROM {archive.table} AS a USING {archive.relation.name}"
                f" WHERE {self._of_a_row} AND {self._column} IS NULL RETURNING 1"
            )
