"""Copy a column's values to an archive table, then drop the column for real."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact, ArtifactStore
from alembic_zanith.catalog import capture
from alembic_zanith.catalog.capture import Scope
from alembic_zanith.catalog.column_parts import (
    ColumnAttributes,
    ColumnComment,
)
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
from alembic_zanith.errors import NoKeyError, NotDroppableError, ZanithError
from alembic_zanith.identifiers import (
    QualifiedName,
    archived_name,
    literal,
    parked_name,
    quote,
)
from alembic_zanith.integrity import (
    CHECKSUM_ALGORITHM,
    Content,
    archive_content,
    pinned_settings,
    roomy_memory,
)
from alembic_zanith.models import ArtifactKind
from alembic_zanith.privileges import close_to_others
from alembic_zanith.sql import one, run, run_all
from alembic_zanith.workspace import Workspace

from .archive_schema import ensure_archive_schema
from .definition import ArchiveKey, Definition, Holding
from .expressions import expression_parts
from .park_column import begin, rename, storage_clauses
from .record import Proof, Ticket, record
from .row_security import require_all_rows
from .sequence_parts import archived_sequence_parts
from .session import atomic

KEY_PREFIX = "key_"
VALUE = "value"


@atomic
def archive_column(
    connection: Connection,
    table: str,
    column: str,
    *,
    schema: str | None = None,
    retention_days: int | None = 30,
    workspace: Workspace | None = None,
) -> Artifact:
    """Copy key and value of every row to an archive table, check the copy, drop the column.

    The table must have a primary key, or a unique index over NOT NULL columns, that the column is
    not part of. `retention_days` is how many days until `cleanup` may purge the archive; None
    keeps it for ever.

    Raises `NoKeyError` for a table without such a key, and otherwise what `soft_drop_column`
    raises.

    >>> archive_column(connection, "orders", "discount_code").row_count    # doctest: +SKIP
    50000
    """
    store = ArtifactStore(connection, workspace)
    relation, original = begin(connection, table, column, schema)
    require_all_rows(connection, relation, f"archive_column({table!r}, {column!r})")
    _refuse_without_rewriting(connection, relation, column)
    with pinned_settings(connection):
        key = _key(connection, relation, original)
    ticket = Ticket.draw(store, retention_days)
    working_name = parked_name(column, ticket.id)
    archive = QualifiedName(
        store.workspace.archive_schema,
        archived_name(f"{relation.name.name}_{column}", ticket.id),
    )
    ensure_archive_schema(connection, archive.schema)
    rename(connection, relation, column, working_name)
    with pinned_settings(connection):
        current = get_column(connection, relation, working_name)
        type_sql, enums = _types(connection, relation, current, key)
        stored = _copy(connection, relation, current, key, archive)
        holdings = tuple(_holdings(connection, relation, working_name, archive))
        defaults = list(capture.defaults(Scope(connection, relation, current)))
        run(connection, f"ALTER TABLE {relation.name} DROP COLUMN {quote(working_name)}")
    generated = next((d.part.expression for d in defaults if d.generated), None)
    constant = next(
        (d.part.expression for d in defaults if d.is_constant and not d.generated), None
    )
    definition = Definition(
        relation_oid=relation.oid,
        server_version=server_version(connection),
        holdings=holdings,
        column=original,
        working_name=working_name,
        value_as_text=not original.is_builtin,
        type_sql=type_sql,
        enums=enums,
        key=key,
        generated_expression=generated,
        constant_default=constant,
        column_names=_archive_columns(key),
    )
    return record(
        store,
        ticket,
        ArtifactKind.ARCHIVE_COLUMN,
        source=relation.name,
        column=column,
        parked=archive,
        proof=Proof(stored.checksum, CHECKSUM_ALGORITHM, stored.row_count),
        definition=definition,
    )


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


def _archive_columns(key: tuple[ArchiveKey, ...]) -> tuple[str, ...]:
    return (*(f"{KEY_PREFIX}{number}" for number, _ in enumerate(key, 1)), VALUE)


def _copy(
    connection: Connection,
    relation: Relation,
    column: Column,
    key: tuple[ArchiveKey, ...],
    archive: QualifiedName,
) -> Content:
    """Fill the archive table, and prove that nothing is missing from it."""
    by_name = {each.name: each for each in columns(connection, relation)}
    selected = [
        f"{_portable(by_name[part.name])} AS {KEY_PREFIX}{number}"
        for number, part in enumerate(key, 1)
    ]
    selected.append(f"{_portable(column)} AS {VALUE}")
    copied = run(
        connection,
        f"CREATE TABLE {archive} AS SELECT {', '.join(selected)} FROM {relation.name} AS t",
    ).rowcount
    if copied < 0:  # a driver that does not pass the number on
        copied = int(one(connection, f"SELECT pg_catalog.count(*) FROM {relation.name}")[0])
    close_to_others(connection, archive)
    keys = [f"{KEY_PREFIX}{number}" for number, _ in enumerate(key, 1)]
    with roomy_memory(connection):
        run(connection, f"ALTER TABLE {archive} ADD PRIMARY KEY ({', '.join(keys)})")
    what = f"Archive of {relation.name.display}, made by alembic-zanith"
    run(connection, f"COMMENT ON TABLE {archive} IS {literal(what)}")
    stored = archive_content(connection, archive, keys, VALUE)
    if stored.row_count != copied:
        raise ZanithError(
            f"The archive of {relation.name.display} holds {stored.row_count} rows where the table "
            f"has {copied}. Nothing has changed."
        )
    return stored


def _portable(column: Column) -> str:
    """A value as a type and collation that no later migration can drop."""
    value = f"CAST(t.{quote(column.name)} AS {column.portable_type})"
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
