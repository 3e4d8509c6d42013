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
        *keys, value = self.selected
        table = self.archive.relation.name
        if self.never_null:
            yield f"{table}.{quote(self.archive.working_name)} IS NOT NULL"
        found = [
            f"a.{name} OPERATOR(pg_catalog.=) {key}"
            for name, key in zip(self.archive.keys, keys, strict=True)
        ]
        # By their texts, because not every type can be compared, and what prints the same is.
        same = f"CAST(a.{VALUE} AS text) IS NOT DISTINCT FROM CAST({value} AS text)"
        conditions = " AND ".join([*found, same])
        yield f"NOT EXISTS (SELECT FROM {self.archive.table} AS a WHERE {conditions})"

    def statement(self, conditions: str) -> str:
        archive = self.archive
        keys = ", ".join(archive.keys)
        return (
            f"INSERT INTO {archive.table} AS a ({keys}, {VALUE})"
            f" SELECT {', '.join(self.selected)} FROM {archive.relation.name} WHERE {conditions}"
            f" ON CONFLICT ({keys}) DO UPDATE SET {VALUE} = excluded.{VALUE} RETURNING 1"
        )

    @property
    def rest(self) -> str:
        """The statement that does all rows that are not done."""
        return self.statement(self.undone)
