"""Renames as operations that autogenerate can write, and what is written beside them as a comment.

A comment is carried by the operation that it stands above, never by one of its own: what hooks make
of the list, and what `alembic check` counts, is the same with it and without.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from alembic.autogenerate import render, renderers
from alembic.operations.ops import (
    AlterColumnOp,
    CreateTableOp,
    DropTableOp,
    ExecuteSQLOp,
    MigrateOperation,
    ModifyTableOps,
    OpContainer,
    RenameTableOp,
)

from alembic_zanith.identifiers import quote
from alembic_zanith.operations.rendering import call, name_literal

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext


@dataclass(frozen=True)
class Note:
    """A comment: a sentence, and operations as the code that it speaks of."""

    sentence: str
    operations: tuple[MigrateOperation, ...]

    def reverse(self) -> Note:
        """Return the comment for the other direction."""
        return Note(self.sentence, tuple(each.reverse() for each in reversed(self.operations)))

    def lines(self, context: AutogenContext) -> list[str]:
        """Return the lines of the script."""
        # As Alembic lays out its own, so that the code is right once the marks are taken away.
        with warnings.catch_warnings():
            # What it warns of stands in the comment as well, and nothing there runs by itself.
            warnings.simplefilter("ignore", UserWarning)
            body = render._render_cmd_body(OpContainer(self.operations), context)
        code = [line for line in body.splitlines() if line.strip() and not line.startswith("# ###")]
        return [f"# {line}".rstrip() for line in (*self.sentence.splitlines(), *code)]


class NotedTableOps(ModifyTableOps):
    """Operations on one table with comments above them."""

    def __init__(
        self,
        table_name: str,
        ops: Sequence[MigrateOperation],
        *,
        schema: str | None = None,
        notes: Iterable[Note] = (),
    ) -> None:
        super().__init__(table_name, ops, schema=schema)
        self.notes = tuple(notes)

    @classmethod
    def of(cls, operations: ModifyTableOps) -> NotedTableOps:
        """Return the same operations, with room for comments."""
        if isinstance(operations, cls):
            return operations
        return cls(operations.table_name, operations.ops, schema=operations.schema)

    def reverse(self) -> NotedTableOps:
        """Return the operations for the downgrade, the comments too."""
        plain = super().reverse()
        notes = [note.reverse() for note in reversed(self.notes)]
        return NotedTableOps(plain.table_name, plain.ops, schema=plain.schema, notes=notes)


class NotedCreateTableOp(CreateTableOp):
    """A new table with a comment above it."""

    note: Note

    @classmethod
    def of(cls, operation: CreateTableOp, note: Note) -> Self:
        """Return the same operation with a comment."""
        noted = cls(operation.table_name, operation.columns, schema=operation.schema)
        noted.__dict__.update(operation.__dict__, note=note)
        return noted

    def reverse(self) -> NotedDropTableOp:
        """Return the drop, the comment too."""
        return NotedDropTableOp.of(super().reverse(), self.note.reverse())


class NotedDropTableOp(DropTableOp):
    """The drop of a table with a comment above it."""

    note: Note

    @classmethod
    def of(cls, operation: DropTableOp, note: Note) -> Self:
        """Return the same operation with a comment."""
        noted = cls(operation.table_name, schema=operation.schema)
        noted.__dict__.update(operation.__dict__, note=note)
        return noted

    def reverse(self) -> NotedCreateTableOp:
        """Return the new table, the comment too."""
        return NotedCreateTableOp.of(super().reverse(), self.note.reverse())


class RenameColumn(AlterColumnOp):
    """`op.alter_column(…, new_column_name=…)`, which Alembic can neither reverse nor compare."""

    def __init__(self, table_name: str, old: str, new: str, *, schema: str | None = None) -> None:
        super().__init__(table_name, old, schema=schema, modify_name=new)
        self.new = new

    def reverse(self) -> RenameColumn:
        """Return the rename back."""
        return RenameColumn(self.table_name, self.new, self.column_name, schema=self.schema)

    def to_diff_tuple(self) -> tuple[str, str | None, str, str, str]:
        """Return what is renamed."""
        return ("rename_column", self.schema, self.table_name, self.column_name, self.new)


class RenameTable(RenameTableOp):
    """`op.rename_table`, which Alembic can neither reverse nor render, with a comment above it."""

    def __init__(
        self, old: str, new: str, *, schema: str | None = None, note: Note | None = None
    ) -> None:
        super().__init__(old, new, schema=schema)
        self.note = note

    def reverse(self) -> RenameTable:
        """Return the rename back, the comment too."""
        note = None if self.note is None else self.note.reverse()
        return RenameTable(self.new_table_name, self.table_name, schema=self.schema, note=note)

    def to_diff_tuple(self) -> tuple[str, str | None, str, str]:
        """Return what is renamed."""
        return ("rename_table", self.schema, self.table_name, self.new_table_name)


class RenameOnTable(ExecuteSQLOp):
    """An index or a constraint of a table gets the name that the models have for it.

    Alembic has no operation for that, so that it is written as SQL.
    """

    def __init__(
        self, table_name: str, old: str, new: str, *, is_index: bool, schema: str | None = None
    ) -> None:
        self.table_name = table_name
        self.schema = schema
        self.old = old
        self.new = new
        self.is_index = is_index
        # `op.execute` reads `:name` as a parameter unless there is a backslash before it.
        super().__init__(self._statement().replace(":", "\\:"))

    def _statement(self) -> str:
        prefix = f"{quote(str(self.schema))}." if self.schema else ""
        old, new = quote(self.old), quote(self.new)
        if self.is_index:
            return f"ALTER INDEX {prefix}{old} RENAME TO {new}"
        return f"ALTER TABLE {prefix}{quote(str(self.table_name))} RENAME CONSTRAINT {old} TO {new}"

    def reverse(self) -> RenameOnTable:
        """Return the rename back."""
        return RenameOnTable(
            self.table_name, self.new, self.old, is_index=self.is_index, schema=self.schema
        )


@renderers.dispatch_for(NotedTableOps)
def render_noted_table(context: AutogenContext, operation: NotedTableOps) -> list[str]:
    plain = ModifyTableOps(operation.table_name, operation.ops, schema=operation.schema)
    code = render.render_op(context, plain)
    notes = [line for note in operation.notes for line in note.lines(context)]
    return [*notes, *code] if code else []


@renderers.dispatch_for(NotedCreateTableOp)
def render_noted_create(context: AutogenContext, operation: NotedCreateTableOp) -> list[str]:
    return [*operation.note.lines(context), render._add_table(context, operation)]


@renderers.dispatch_for(NotedDropTableOp)
def render_noted_drop(context: AutogenContext, operation: NotedDropTableOp) -> list[str]:
    return [*operation.note.lines(context), render._drop_table(context, operation)]


@renderers.dispatch_for(RenameColumn)
def render_rename_column(context: AutogenContext, operation: RenameColumn) -> str:
    names = [name_literal(operation.table_name), name_literal(operation.column_name)]
    keywords: dict[str, object] = {"new_column_name": str(operation.new)}
    if context._has_batch:
        return call(context, "alter_column", names[1:], keywords)
    return call(context, "alter_column", names, {**keywords, **_schema(operation)})


@renderers.dispatch_for(RenameTable)
def render_rename_table(context: AutogenContext, operation: RenameTable) -> list[str]:
    names = [name_literal(operation.table_name), name_literal(operation.new_table_name)]
    notes = [] if operation.note is None else operation.note.lines(context)
    return [*notes, call(context, "rename_table", names, _schema(operation))]


@renderers.dispatch_for(RenameOnTable)
def render_rename_on_table(context: AutogenContext, operation: RenameOnTable) -> str:
    return call(context, "execute", [repr(operation.sqltext)], {})


def _schema(operation: RenameColumn | RenameTable) -> dict[str, object]:
    return {"schema": str(operation.schema)} if operation.schema else {}
