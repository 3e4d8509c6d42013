"""What a script for psql makes sure of before it brings something back.

The command looks at how things are by then, and follows what it can: a table or partition that was
renamed, a key of another type. A script cannot, so it stops where anything is not as it was.
"""

from __future__ import annotations

from collections.abc import Iterator

from alembic_zanith.artifacts import Artifact
from alembic_zanith.identifiers import QualifiedName, literal
from alembic_zanith.integrity import archive_differs_sql
from alembic_zanith.models import ArtifactKind, ArtifactStatus

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
    name = artifact.source_name.display
    here = _is_here(definition)
    instead = f"run alembic zanith-recover restore-column {artifact.id}"
    if artifact.is_column:
        yield (f"{table} IS NULL", f"there is no table {name}: {instead}")
    if artifact.kind is ArtifactKind.ARCHIVE_COLUMN:
        if here is not None:
            yield (
                f"{here} AND {table}::oid <> {definition.relation_oid}",
                f"{name} is another table than the one that was archived",
            )
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
    if artifact.is_column and definition.root.is_partitioned:
        known = ", ".join(literal(str(holding.name)) for holding in definition.holdings)
        yield (
            f"ARRAY(SELECT relid::oid FROM pg_partition_tree({table}) ORDER BY 1) IS DISTINCT"
            f" FROM ARRAY(SELECT to_regclass(name)::oid FROM unnest(ARRAY[{known}]) name"
            " ORDER BY 1)",
            f"{name} has other partitions than it had: {instead}",
        )
    if artifact.is_column and here is not None and len(definition.holdings) > 1:
        below = ", ".join(
            f"({literal(str(holding.name))}, {holding.oid}::oid)"
            for holding in definition.holdings[1:]
        )
        yield (
            f"{here} AND EXISTS (SELECT FROM (VALUES {below}) AS held (name, oid)"
            " WHERE to_regclass(held.name)::oid IS DISTINCT FROM held.oid)",
            f"tables below {name} have other names than they had: {instead}",
        )


def _is_here(definition: Definition) -> str | None:
    """The condition that this is the database it was parked in: OIDs mean nothing elsewhere."""
    if definition.database_id is None:
        return None
    return (
        "(SELECT s.system_identifier::text || '/' || d.oid::text FROM pg_control_system() s,"
        " pg_database d WHERE d.datname = current_database())"
        f" = {literal(definition.database_id)}"
    )


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
