"""What the archive of a column is: its table, the key of its rows, what hung on the column."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Self

from sqlalchemy import Connection

from alembic_zanith.catalog import capture
from alembic_zanith.catalog.capture import Scope
from alembic_zanith.catalog.column_parts import ColumnAttributes, ColumnComment
from alembic_zanith.catalog.parts import GeneratedExpression, Part, in_restore_order
from alembic_zanith.catalog.relation import (
    Column,
    Relation,
    columns,
    get_column,
    server_version,
    tree,
)
from alembic_zanith.catalog.retyping import bar_to_rewriting
from alembic_zanith.catalog.type_shapes import EnumLabels, enum_labels, shapes
from alembic_zanith.catalog.unique_keys import unique_keys
from alembic_zanith.catalog.user_types import create_if_missing
from alembic_zanith.errors import NoKeyError, NotDroppableError
from alembic_zanith.identifiers import QualifiedName, archived_name, literal, parked_name, quote
from alembic_zanith.integrity import Content, archive_content, pinned_settings
from alembic_zanith.privileges import close_to_others
from alembic_zanith.sql import run, run_all

from .definition import ArchiveKey, Definition, Holding
from .expressions import expression_parts
from .park_column import storage_clauses
from .row_security import require_all_rows
from .sequence_parts import archived_sequence_parts

KEY_PREFIX = "key_"
VALUE = "value"


@dataclass(frozen=True)
class ColumnArchive:
    """The archive of one column, which is `original` and has `working_name` until it is gone.

    `table` is the table that it is kept in, `key` by what each value finds its row again.
    """

    relation: Relation
    original: Column
    working_name: str
    table: QualifiedName
    key: tuple[ArchiveKey, ...]

    @classmethod
    def of(
        cls,
        key: tuple[ArchiveKey, ...],
        relation: Relation,
        column: Column,
        artifact_id: str,
        schema: str,
    ) -> Self:
        """Return the archive that an artifact of this id is to have in a schema."""
        name = archived_name(f"{relation.name.name}_{column.name}", artifact_id)
        working_name = parked_name(column.name, artifact_id)
        return cls(relation, column, working_name, QualifiedName(schema, name), key)

    @property
    def keys(self) -> list[str]:
        """The key columns of its table."""
        return [f"{KEY_PREFIX}{number}" for number, _ in enumerate(self.key, 1)]

    def selected(self, connection: Connection, row: str) -> list[str]:
        """Return the SQL of key and value of a row; `row` is what its columns are known by.

        All are of types and collations that no later migration can drop.
        """
        by_name = {each.name: each for each in columns(connection, self.relation)}
        key = [_portable(by_name[part.name], part.name, row) for part in self.key]
        return [*key, _portable(self.original, self.working_name, row)]

    def create(self, connection: Connection, *, with_data: bool) -> int:
        """Make its table, with all values or empty; return how many, -1 where nobody says."""
        selected = ", ".join(
            f"{sql} AS {name}"
            for sql, name in zip(self.selected(connection, "t"), [*self.keys, VALUE], strict=True)
        )
        made = run(
            connection,
            f"CREATE TABLE {self.table} AS SELECT {selected} FROM {self.relation.name} AS t"
            f"{'' if with_data else ' WITH NO DATA'}",
        )
        close_to_others(connection, self.table)
        return made.rowcount

    def complete(self, connection: Connection) -> None:
        """Give its table its key."""
        run(connection, f"ALTER TABLE {self.table} ADD PRIMARY KEY ({', '.join(self.keys)})")
        what = f"Archive of {self.relation.name.display}, made by alembic-zanith"
        run(connection, f"COMMENT ON TABLE {self.table} IS {literal(what)}")

    def content(self, connection: Connection) -> Content:
        """Count its values, and sum them up. Call it under `pinned_settings`."""
        return archive_content(connection, self.table, self.keys, VALUE)

    def definition(self, connection: Connection) -> Definition:
        """Capture what brings the column back, which has its working name and is about to go.

        Its own sequences move to the archive schema on the way, under names of their own.
        """
        relation = self.relation
        current = get_column(connection, relation, self.working_name)
        type_sql, enums = _types(connection, relation, current, self.key)
        holdings = tuple(_holdings(connection, relation, self.working_name, self.table))
        defaults = list(capture.defaults(Scope(connection, relation, current)))
        generated = next((d.part.expression for d in defaults if d.generated), None)
        constant = next(
            (d.part.expression for d in defaults if d.is_constant and not d.generated), None
        )
        return Definition(
            relation_oid=relation.oid,
            server_version=server_version(connection),
            holdings=holdings,
            column=self.original,
            working_name=self.working_name,
            value_as_text=not self.original.is_builtin,
            type_sql=type_sql,
            enums=enums,
            key=self.key,
            generated_expression=generated,
            constant_default=constant,
            column_names=(*self.keys, VALUE),
        )


def archive_key(
    connection: Connection, relation: Relation, column: Column, call: str
) -> tuple[ArchiveKey, ...]:
    """Return the key that a column can be archived by; `call` is the operation as messages name it.

    Raises `NoKeyError`, and whatever else stands against an archive.
    """
    require_all_rows(connection, relation, call)
    _refuse_without_rewriting(connection, relation, column.name)
    with pinned_settings(connection):
        return _key(connection, relation, column)


def _key(connection: Connection, relation: Relation, column: Column) -> tuple[ArchiveKey, ...]:
    """The columns by which each value finds its row again.

    A key of plain inheritance holds in the parent alone: a child may have the same values.
    https://www.postgresql.org/docs/current/ddl-inherit.html#DDL-INHERIT-CAVEATS
    """
    if not relation.is_partitioned and len(tree(connection, relation)) > 1:
        raise NoKeyError(
            f"{relation.name.display}.{column.name} cannot be archived: other tables inherit from "
            "it, and a key does not reach over them, so its values could not find their rows "
            f"again. Nothing has changed. Use op.soft_drop_column({relation.name.name!r}, "
            f"{column.name!r}), which needs no key."
        )
    usable = (
        each.columns
        for each in unique_keys(connection, relation)
        if each.is_not_null and column.name not in each.columns
    )
    found = next(usable, None)
    if found is None:
        raise NoKeyError(
            f"{relation.name.display}.{column.name} cannot be archived: the table has no primary "
            "key, and no unique index over NOT NULL columns, besides the column itself, so its "
            "values could not find their rows again. Nothing has changed. Use "
            f"op.soft_drop_column({relation.name.name!r}, {column.name!r}), which needs no key."
        )
    by_name = {each.name: each for each in columns(connection, relation)}
    return tuple(
        ArchiveKey(
            each.name,
            stored_as_text=not each.is_builtin,
            is_collatable=each.is_collatable,
            number=each.number,
            type=each.type,
            type_oid=each.type_oid,
        )
        for each in (by_name[name] for name in found)
    )


def _types(
    connection: Connection, relation: Relation, column: Column, key: tuple[ArchiveKey, ...]
) -> tuple[tuple[str, ...], tuple[EnumLabels, ...]]:
    """What a restore needs of the types whose values are archived as text: SQL, and labels.

    Values of a generated column are made again, so that nothing is read from the archive.
    """
    made_again = create_if_missing(connection, relation, column.name)
    if column.generated:
        return made_again, ()
    values = [] if column.is_builtin else [column.name]
    keys = [each.name for each in key if each.stored_as_text]
    found: dict[str, None] = {}
    enums: list[EnumLabels] = []
    for names, is_key in ((values, False), (keys, True)):
        made_of = shapes(connection, relation, names, is_key=is_key)
        found.update(dict.fromkeys(shape.required() for shape in made_of))
        enums += enum_labels(connection, relation, names, is_key=is_key)
    return (*made_again, *found), tuple(enums)


def _refuse_without_rewriting(connection: Connection, relation: Relation, column: str) -> None:
    """The values come back by rewriting the table."""
    if bar := bar_to_rewriting(connection, relation):
        raise NotDroppableError(
            f"{relation.name.display}.{column} cannot be archived: PostgreSQL does not rewrite the "
            f"table {bar}, so the values could not be put back. Nothing has changed. Use "
            f"op.soft_drop_column({relation.name.name!r}, {column!r}), which rewrites nothing."
        )


def _portable(column: Column, name: str, row: str) -> str:
    value = f"CAST({row}.{quote(name)} AS {column.portable_type})"
    return f'{value} COLLATE pg_catalog."default"' if column.is_collatable else value


def _holdings(
    connection: Connection, relation: Relation, name: str, archive: QualifiedName
) -> Iterator[Holding]:
    """Capture what hangs on the column; its own sequences move to the archive schema on the way.

    A default captured after that speaks of their parked names, so on restore it finds them by
    those and not something else that has the old name by then.
    """
    numbers = count(1)
    members = tree(connection, relation)
    scopes = [Scope(connection, member, get_column(connection, member, name)) for member in members]
    expressions = expression_parts(scopes, with_root=False)
    for depth, (scope, expression) in enumerate(zip(scopes, expressions, strict=True)):
        member = scope.relation
        sequences = list(archived_sequence_parts(scope, depth, archive, numbers))
        for part in reversed(in_restore_order(sequences)):
            run_all(connection, part.park(member.name))
        parts = (*sequences, *expression, *_parts(scope, depth))
        yield Holding(member.name, member.name, depth, parts, member.is_partitioned, member.oid)


def _parts(scope: Scope, depth: int) -> Iterator[Part]:
    column = scope.column
    assert column is not None
    clauses = tuple(attribute_clauses(column))
    if clauses:
        yield ColumnAttributes(column.name, clauses)
    if column.comment is not None:
        yield ColumnComment(column.name, column.comment)
    for found in capture.defaults(scope):
        if not isinstance(found.part, GeneratedExpression):
            yield found.part
    yield from capture.not_null(scope, depth)
    for source in (capture.constraints, capture.indexes, capture.extended_statistics):
        yield from (found.part for found in source(scope))
    yield from capture.column_grants(scope)


def attribute_clauses(column: Column) -> Iterator[str]:
    """Yield the ALTER COLUMN clauses for what ADD COLUMN does not say."""
    yield from storage_clauses(column)
    if column.statistics_target is not None:
        yield f"SET STATISTICS {column.statistics_target}"
    if column.options:
        yield f"SET ({', '.join(column.options)})"
