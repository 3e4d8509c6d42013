"""What a script for psql makes sure of before it brings something back.

The command looks at how things are by then, and follows what it can: a table or partition that was
renamed, a key of another type. A script cannot, so it stops where anything is not as it was.
"""

from __future__ import annotations

from collections.abc import Iterator

from alembic_zanith.artifacts import Artifact
from alembic_zanith.identifiers import QualifiedName, literal
from alembic_zanith.integrity import archive_differs_sql, content_differs_sql
from alembic_zanith.models import ArtifactKind, ArtifactStatus

from .carriers import DATABASES
from .definition import ArchiveKey, Definition
from .keys import same_key_sql
from .labels import labels_guard


def guard(artifact: Artifact, bookkeeping: QualifiedName) -> list[str]:
    """Return the statements that stop the script of an artifact, for `pinned_sql` to precede.

    `bookkeeping` is the table that the artifact's row is in.
    """
    definition = Definition.from_json(artifact.definition)
    table = f"to_regclass({literal(str(artifact.source_name))})"
    bodies = (
        f"BEGIN IF {condition} THEN RAISE EXCEPTION USING MESSAGE = {literal(message)}; END IF; END"
        for condition, message in _checks(artifact, definition, table, bookkeeping)
    )
    return [
        *(f"DO {literal(body)}" for body in bodies),
        *labels_guard(artifact, definition, _is_here(definition)),
    ]


def _checks(
    artifact: Artifact, definition: Definition, table: str, bookkeeping: QualifiedName
) -> Iterator[tuple[str, str]]:
    """Yield each condition under which to stop, and what to say then."""
    name, here, instead = _words(artifact, definition)
    if artifact.is_column:
        yield (f"{table} IS NULL", f"there is no table {name}: {instead}")
    if artifact.is_column and here is not None:
        yield (
            f"{here} AND {table}::oid <> {definition.relation_oid}",
            f"{name} is another table than the one that {artifact.source} was dropped from: "
            f"{instead}",
        )
    if artifact.kind is ArtifactKind.ARCHIVE_TABLE:
        yield (
            content_differs_sql(artifact.parked_name, definition.column_names, artifact.checksum),
            f"the content of {artifact.parked} is not what was parked: look at it, then {instead} "
            "--force",
        )
    if artifact.kind is ArtifactKind.ARCHIVE_COLUMN:
        yield from _archive_checks(artifact, definition, table, bookkeeping)
    if artifact.is_column:
        yield from _tree_checks(artifact, definition, table)


def _archive_checks(
    artifact: Artifact, definition: Definition, table: str, bookkeeping: QualifiedName
) -> Iterator[tuple[str, str]]:
    """Yield those of an archived column: its key, and the values."""
    name, here, instead = _words(artifact, definition)
    for key in definition.lookup_key:
        if here is not None and key.number is not None:
            yield (
                f"{here} AND NOT EXISTS ({_column(key, table)} AND (attnum = {key.number}"
                f" OR attnum IN ({_came_back(key.number, definition, bookkeeping)})))",
                f"{key.name} is another column than the one that the values are found by",
            )
        yield (
            f"NOT EXISTS ({_column(key, table)}"
            f" AND format_type(atttypid, atttypmod) = {literal(str(key.type))})",
            f"{name}.{key.name} is not of type {key.type}, as it was: {instead}",
        )
    if definition.lookup_key:
        twice = same_key_sql(definition, artifact.source_name)
        names = ", ".join(key.name for key in definition.lookup_key)
        yield (
            f"NOT {_is_unique(definition.lookup_key, table)} AND EXISTS ({twice})",
            f"several rows of {name} have the same {names} by now, which the values are found "
            "by: make it unique again",
        )
    *keys, value = definition.column_names
    yield (
        archive_differs_sql(artifact.parked_name, keys, value, artifact.checksum),
        f"the content of {artifact.parked} is not what was parked",
    )


def _tree_checks(
    artifact: Artifact, definition: Definition, table: str
) -> Iterator[tuple[str, str]]:
    """Yield those of the partitions and children of a column's table."""
    name, here, instead = _words(artifact, definition)
    if definition.root.is_partitioned:
        known = ", ".join(literal(str(holding.name)) for holding in definition.holdings)
        yield (
            f"ARRAY(SELECT c.oid FROM pg_partition_tree({table}) JOIN pg_class c ON c.oid = relid"
            " WHERE c.relkind <> 'f' ORDER BY 1) IS DISTINCT"
            f" FROM ARRAY(SELECT to_regclass(name)::oid FROM unnest(ARRAY[{known}]) name"
            " ORDER BY 1)",
            f"{name} has other partitions than it had: {instead}",
        )
    if here is not None and len(definition.holdings) > 1:
        below = ", ".join(
            f"({literal(str(holding.name))}, {holding.oid}::oid)"
            for holding in definition.holdings[1:]
        )
        yield (
            f"{here} AND EXISTS (SELECT FROM (VALUES {below}) AS held (name, oid)"
            " WHERE to_regclass(held.name)::oid IS DISTINCT FROM held.oid)",
            f"tables below {name} have other names than they had: {instead}",
        )


def _words(artifact: Artifact, definition: Definition) -> tuple[str, str | None, str]:
    """Return what the table is called, the condition of `_is_here`, and what to do instead."""
    verb = "restore-column" if artifact.is_column else "restore-table"
    instead = f"run alembic zanith-recover {verb} {artifact.id}"
    return artifact.source_name.display, _is_here(definition), instead


def _is_here(definition: Definition) -> str | None:
    """The condition that this is the database it was parked in: OIDs mean nothing elsewhere."""
    if definition.database_id is None:
        return None
    return f"{literal(definition.database_id)} IN ({DATABASES})"


def _column(key: ArchiveKey, table: str) -> str:
    return f"SELECT FROM pg_attribute WHERE attrelid = {table} AND attname = {literal(key.name)}"


def _came_back(number: int, definition: Definition, bookkeeping: QualifiedName) -> str:
    """The number that a column has now which was archived itself meanwhile and came back."""
    return (
        f"SELECT (a.restore_report ->> 'column_number')::int FROM {bookkeeping} a"
        f" WHERE a.status = {literal(ArtifactStatus.RESTORED)}"
        f" AND a.definition ->> 'relation_oid' = '{definition.relation_oid}'"
        f" AND a.definition -> 'column' ->> 'number' = '{number}'"
    )


def _is_unique(key: tuple[ArchiveKey, ...], table: str) -> str:
    """The condition that a unique index tells rows apart by the key, or by some of its columns.

    Those of tables that inherit are not in it.
    """
    names = ", ".join(literal(column.name) for column in key)
    return (
        f"EXISTS (SELECT FROM pg_index i JOIN pg_class r ON r.oid = i.indrelid"
        f" WHERE i.indrelid = {table} AND i.indisunique"
        " AND i.indisvalid AND i.indimmediate AND i.indpred IS NULL AND i.indexprs IS NULL"
        " AND (r.relkind = 'p'"
        " OR NOT EXISTS (SELECT FROM pg_inherits h WHERE h.inhparent = i.indrelid))"
        " AND NOT EXISTS (SELECT FROM unnest(i.indkey::int2[]) WITH ORDINALITY AS k (number, place)"
        " JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.number"
        f" WHERE k.place <= i.indnkeyatts AND a.attname NOT IN ({names})))"
    )
