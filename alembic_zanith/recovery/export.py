"""Streaming the rows of an artifact out, before it is purged or instead of restoring it."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from enum import StrEnum
from typing import BinaryIO

from sqlalchemy import Connection

from alembic_zanith.artifacts import Artifact
from alembic_zanith.catalog.relation import Relation
from alembic_zanith.errors import DataMissingError
from alembic_zanith.identifiers import quote
from alembic_zanith.integrity import pinned_settings
from alembic_zanith.models import ArtifactKind
from alembic_zanith.sql import rows
from alembic_zanith.workspace import Workspace

from .copying import CSV, VERBATIM, copy_out
from .listing import find_artifact
from .locate import locate_parked, require_parked
from .report import ExportReport
from .row_security import require_all_rows
from .session import reading, require_transaction
from .sinks import JsonArraySink, Sink

_BUFFER_BYTES = 1 << 18


class ExportFormat(StrEnum):
    """`csv` with a header, as COPY writes it; `jsonl` one object a line; `json` an array."""

    CSV = "csv"
    JSONL = "jsonl"
    JSON = "json"


@reading
def export_artifact(
    connection: Connection,
    target: str,
    *,
    format: ExportFormat | str = ExportFormat.CSV,  # noqa: A002  # named as the option is
    output: BinaryIO,
    on_progress: Callable[[int], None] | None = None,
    workspace: Workspace | None = None,
) -> ExportReport:
    """Write all rows of an artifact to `output`, a binary file, as they come from the server.

    A table has its columns; a column has the key of its table (if it has one) and its value, under
    their source names. Values print the same under any session settings: dates as ISO, times in
    UTC, bytea in hex. SQL NULL is an empty unquoted field in csv and null in json. `on_progress`
    is called now and then with the number of rows so far.

    Raises `UnknownObjectError` and `AmbiguousTargetError` for the target, `DataMissingError` when
    its data is gone.

    Example::

        with engine.connect() as connection, open("uuids.csv", "wb") as output:
            export_artifact(connection, "users.legacy_uuid", output=output)
    """
    require_transaction(connection, "export_artifact")
    artifact = find_artifact(connection, target, workspace=workspace)
    chosen = ExportFormat(format)
    holder = _holder(connection, artifact)
    require_all_rows(connection, holder, f"exporting {artifact.source}")
    select = _select(connection, artifact, holder)
    sink = (JsonArraySink if chosen is ExportFormat.JSON else Sink)(output, on_progress)
    # Should the output fail, the caller's transaction lives on.
    with pinned_settings(connection), connection.begin_nested():
        count = _stream(connection, chosen, select, sink)
    return ExportReport(artifact, count, sink.size)


def _holder(connection: Connection, artifact: Artifact) -> Relation:
    if artifact.restored_at is not None and locate_parked(connection, artifact) is None:
        raise DataMissingError(
            f"Artifact {artifact.id} holds no data any more: {artifact.source} was restored, as "
            f"{artifact.restored_as}. Read it there."
        )
    return require_parked(connection, artifact)


def _stream(connection: Connection, chosen: ExportFormat, select: str, sink: Sink) -> int:
    # Drivers write row by row; the buffer, which is C, makes few calls of Python from many.
    buffer = io.BufferedWriter(sink, _BUFFER_BYTES)
    try:
        if chosen is ExportFormat.CSV:
            count = copy_out(connection, select, CSV, buffer)
        else:
            count = copy_out(connection, _as_json(select), VERBATIM, buffer)
        buffer.flush()
        sink.finish()
    except BaseException:
        sink.abandon()
        raise
    finally:
        buffer.detach()
    return count


def _as_json(select: str) -> str:
    """Return a query whose only column is the JSON object of a row, without line breaks.

    A value of type json keeps the line breaks it was written with; they are outside of its
    strings, where a blank means the same.
    """
    line = "CAST(pg_catalog.row_to_json(exported.*) AS text)"
    for code in (10, 13):
        line = f"pg_catalog.replace({line}, pg_catalog.chr({code}), ' ')"
    return f"SELECT {line} FROM ({select}) AS exported"


def _select(connection: Connection, artifact: Artifact, parked: Relation) -> str:
    """Return the query of the exported columns under their exported names."""
    match artifact.kind:
        case ArtifactKind.SOFT_DROP_COLUMN:
            key = [(name, name) for name in _key_columns(connection, parked)]
            columns = _with_value(key, artifact.parked_column or "", artifact)
        case ArtifactKind.ARCHIVE_COLUMN:
            names = artifact.definition["key_columns"]
            key = [(f"key_{number}", name) for number, name in enumerate(names, 1)]
            columns = _with_value(key, "value", artifact)
        case _:
            columns = [(name, name) for name in _all_columns(connection, parked)]
    listing = ", ".join(f"parked.{quote(name)} AS {quote(label)}" for name, label in columns)
    return f"SELECT {listing} FROM {parked.name} AS parked"


def _with_value(
    key: Sequence[tuple[str, str]], column: str, artifact: Artifact
) -> list[tuple[str, str]]:
    """Add the value under the name of the source column, unless the key by now has that name."""
    label = artifact.source_column or "value"
    if label in [name for _, name in key]:
        label = column
    return [*key, (column, label)]


def _key_columns(connection: Connection, parked: Relation) -> list[str]:
    return [
        row.name
        for row in rows(
            connection,
            "SELECT a.attname::text AS name FROM pg_catalog.pg_index i"
            " CROSS JOIN LATERAL unnest(i.indkey) WITH ORDINALITY AS k (attnum, position)"
            " JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = k.attnum"
            " WHERE i.indrelid = CAST(:oid AS oid) AND i.indisprimary"
            " AND k.position <= i.indnkeyatts ORDER BY k.position",
            oid=parked.oid,
        )
    ]


def _all_columns(connection: Connection, parked: Relation) -> list[str]:
    return [
        row.name
        for row in rows(
            connection,
            "SELECT attname::text AS name FROM pg_catalog.pg_attribute"
            " WHERE attrelid = CAST(:oid AS oid) AND attnum > 0 AND NOT attisdropped"
            " ORDER BY attnum",
            oid=parked.oid,
        )
    ]
