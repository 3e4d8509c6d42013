"""Backfill: columns of the rows of a table get values, all at once or in batches."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from alembic_zanith.identifiers import quote


@dataclass(frozen=True)
class Filling:
    """What a backfill does: `values` are SQL expressions by column, `where` is a condition."""

    values: Mapping[str, str]
    where: str | None = None
    key: tuple[str, ...] | None = None

    def update(self, table: str, conditions: Sequence[str] = (), marker: str | None = None) -> str:
        """Return the UPDATE of a table, which is SQL; conditions come beside its own.

        >>> Filling({"email": "lower(name)"}, "email IS NULL").update('"users"')
        'UPDATE "users" SET "email" = (lower(name)) WHERE (email IS NULL)'
        """
        assignments = [f"{quote(name)} = {enclosed(text)}" for name, text in self.values.items()]
        if marker is not None:
            assignments.append(f"{quote(marker)} = true")
        conditions = list(conditions) or ([] if self.where is None else [enclosed(self.where)])
        which = f" WHERE {' AND '.join(conditions)}" if conditions else ""
        return f"UPDATE {table} SET {', '.join(assignments)}{which}"

    @property
    def digest(self) -> str:
        """A text that is another for any other definition."""
        parts = [dict(self.values), self.where, self.key]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()

    def cleared_column(self, table_name: str) -> str | None:
        """Return the column by which a row that is done is known: set alone, where it is NULL.

        Then it needs no marker. The expression is evaluated once more, to leave out rows for
        which it gives no value: so it has to be one that may be, and costs little.
        """
        if self.where is None or len(self.values) != 1:
            return None
        # Here, because it takes PostgreSQL's grammar along.
        from alembic_zanith.risk.statements.conditions import columns_without_value
        from alembic_zanith.risk.statements.parser import (
            UnreadableSqlError,
            descendants,
            expression,
            unwrap,
        )
        from alembic_zanith.risk.statements.values import Default, default_of

        ((column, text),) = self.values.items()
        try:
            value, condition = expression(text), expression(self.where)
        except UnreadableSqlError:
            return None
        name, content = unwrap(value)
        kinds = {name, *(each for each, _ in descendants(content))}
        if kinds & {"sub_link", "set_to_default"} or default_of(value) is Default.VOLATILE:
            return None
        return column if column in columns_without_value(condition, table_name) else None


@dataclass(frozen=True)
class FillingWork:
    """A backfill as work of a walk; see `alembic_zanith.movement.walk.Work`."""

    filling: Filling
    table: str
    marker: str | None

    @property
    def undone(self) -> str:
        return " AND ".join(self._undone())

    def _undone(self) -> Iterator[str]:
        if self.filling.where is not None:
            yield enclosed(self.filling.where)
        if self.marker is not None:
            yield f"{quote(self.marker)} IS NULL"
        else:
            # As IS NOT NULL, but for a composite value of which a part is NULL.
            (text,) = self.filling.values.values()
            yield f"NOT ({enclosed(text)} IS NULL)"

    def statement(self, conditions: str) -> str:
        return f"{self.filling.update(self.table, [conditions], self.marker)} RETURNING 1"


@dataclass(frozen=True)
class Origin:
    """Which call of a backfill it is: `ordinal` counts equal ones of the same script, from 0."""

    revision: str | None = None
    is_downgrade: bool = False
    ordinal: int = 0

    @property
    def direction(self) -> str:
        return "downgrade" if self.is_downgrade else "upgrade"

    def checkpoint_id(self, filling: Filling, table: str) -> str:
        """Return the id of the checkpoint, the same whenever the script is run again."""
        parts = [self.revision, self.direction, table, filling.digest, self.ordinal]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:12]


def enclosed(sql: str) -> str:
    """Return an expression in brackets, which a comment at its end does not take along.

    >>> enclosed("a OR b")
    '(a OR b)'
    """
    return f"({sql}\n)" if "--" in sql else f"({sql})"
