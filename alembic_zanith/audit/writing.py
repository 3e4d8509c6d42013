"""Rows of history, written with as few round trips as there can be.

Without SQLAlchemy's events and ORM: what is recorded must not be heard as a statement of the
script, and an upgrade that records nothing else has no use for the models.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from sqlalchemy import Connection

from alembic_zanith.identifiers import literal, quote
from alembic_zanith.locking.connections import driver_errors, quietly
from alembic_zanith.redaction import without_secrets_within
from alembic_zanith.sql import is_autocommit, one

_RUN = {
    "run_id": "text",
    "revision": "text",
    "description": "text",
    "direction": "text",
    "outcome": "text",
    "mode": "text",
    "run_by": "text",
    "host": "text",
    "application_version": "text",
    "flags": "jsonb",
    "overrides": "jsonb",
    "snapshot_before": "text",
    "snapshot_after": "text",
    "error": "text",
    "started_at": "timestamptz",
    "elapsed_seconds": "float8",
}
_STEP = {
    "position": "int4",
    "operation": "text",
    "kind": "text",
    "object_name": "text",
    "sql": "text",
    "level": "text",
    "score": "int4",
    "reasons": "jsonb",
    "status": "text",
    "row_count": "int8",
    "elapsed_seconds": "float8",
    "error": "text",
}


def _columns(types: Mapping[str, str], prefix: str = "") -> str:
    return ", ".join(f"{prefix}{name}" for name in types)


def _typed(types: Mapping[str, str]) -> str:
    return ", ".join(f"{name} pg_catalog.{type_}" for name, type_ in types.items())


# Ids are taken first, because RETURNING tells nothing of the order. A foreign key is checked when
# the whole statement is done.
_INSERT = f"""
WITH given AS MATERIALIZED (
    SELECT pg_catalog.nextval(pg_catalog.pg_get_serial_sequence({{runs_literal}}, 'id')) AS id, r.*
      FROM pg_catalog.jsonb_to_recordset(CAST({{rows}} AS pg_catalog.jsonb))
        AS r({_typed(_RUN)}, steps pg_catalog.jsonb)
), written AS (
    INSERT INTO {{runs}} (id, {_columns(_RUN)}, database_role, server_version)
    SELECT id, {_columns(_RUN)}, current_user, pg_catalog.current_setting('server_version')
      FROM given
)
INSERT INTO {{steps}} (migration_id, {_columns(_STEP)})
SELECT given.id, {_columns(_STEP, "s.")}
  FROM given CROSS JOIN LATERAL pg_catalog.jsonb_to_recordset(given.steps) AS s({_typed(_STEP)})
"""

_PRESENT = """
SELECT pg_catalog.count(*) FROM pg_catalog.pg_attribute
 WHERE attnum > 0 AND (
       (attrelid = pg_catalog.to_regclass({runs}) AND attname IN ({run_columns}))
    OR (attrelid = pg_catalog.to_regclass({steps}) AND attname IN ({step_columns}))
    OR (attrelid = pg_catalog.to_regclass({snapshots}) AND attname IN ('digest', 'snapshot')))
"""

_KNOWN = """
SELECT pg_catalog.string_agg(digest, ' ') FROM {snapshots} WHERE digest IN ({digests})
"""

_SNAPSHOT = """
INSERT INTO {snapshots} (digest, snapshot)
VALUES ({digest}, CAST({content} AS pg_catalog.jsonb)) ON CONFLICT DO NOTHING
"""


def is_complete(connection: Connection, schema: str) -> bool:
    """Whether the tables are there, with all columns that are written."""
    names = (*_RUN, "database_role", "server_version")
    query = _PRESENT.format(
        runs=literal(f"{quote(schema)}._zanith_migrations"),
        steps=literal(f"{quote(schema)}._zanith_migration_steps"),
        snapshots=literal(f"{quote(schema)}._zanith_schema_snapshots"),
        run_columns=", ".join(literal(name) for name in names),
        step_columns=", ".join(literal(name) for name in _STEP),
    )
    return int(one(connection, query)[0]) == len(names) + len(_STEP) + 2


def write_rows(connection: Connection, schema: str, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert runs with their steps. An error leaves the transaction as it was before.

    Raises the driver's own error.
    """
    runs = f"{quote(schema)}._zanith_migrations"
    _in_savepoint(
        connection,
        _INSERT.format(
            runs=runs,
            runs_literal=literal(runs),
            steps=f"{quote(schema)}._zanith_migration_steps",
            rows=_json(rows),
        ),
    )


def write_snapshots(
    connection: Connection, schema: str, snapshots: Mapping[str, Mapping[str, Any]]
) -> None:
    """Insert the contents of snapshots, by digest, that are not there yet.

    An error leaves the transaction as it was before.

    Raises the driver's own error.
    """
    table = f"{quote(schema)}._zanith_schema_snapshots"
    digests = ", ".join(literal(digest) for digest in snapshots)
    with _savepoint(connection):
        found = quietly(connection, _KNOWN.format(snapshots=table, digests=digests))
        known = set(str(found or "").split())
        for digest, content in snapshots.items():
            if digest not in known:
                values = {
                    "digest": literal(digest),
                    "content": _json(without_secrets_within(content)),
                }
                quietly(connection, _SNAPSHOT.format(snapshots=table, **values))


def _json(value: object) -> str:
    # jsonb knows neither NUL nor half of a surrogate pair:
    # https://www.postgresql.org/docs/current/datatype-json.html
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str)
    text = text.replace("\\u0000", "").encode("utf-8", "replace").decode()
    return literal(text)


_WAITS_LITTLE = """
SELECT pg_catalog.set_config('alembic_zanith.lock_timeout',
                             pg_catalog.current_setting('lock_timeout'), true),
       pg_catalog.set_config('lock_timeout', '{patience}', true)
"""
_WAITS_AS_BEFORE = """
SELECT pg_catalog.set_config('lock_timeout',
                             pg_catalog.current_setting('alembic_zanith.lock_timeout'), true)
"""


@contextmanager
def waiting_at_most(connection: Connection, patience: str) -> Iterator[None]:
    """Wait for a lock no longer than so in the block, which leaves the transaction in order."""
    if is_autocommit(connection):  # where a setting would stay
        yield
        return
    quietly(connection, _WAITS_LITTLE.format(patience=patience))
    try:
        yield
    finally:
        with suppress(driver_errors(connection)):
            quietly(connection, _WAITS_AS_BEFORE)


_SAVEPOINT = "_zanith_audit"


@contextmanager
def _savepoint(connection: Connection) -> Iterator[None]:
    """Let nothing that fails in the block be a failure of the transaction."""
    if is_autocommit(connection):
        yield
        return
    quietly(connection, f"SAVEPOINT {_SAVEPOINT}")
    # UnicodeError: a script may have chosen a client_encoding that has not all characters.
    with _rolled_back_on(connection, driver_errors(connection), UnicodeError):
        yield
        quietly(connection, f"RELEASE SAVEPOINT {_SAVEPOINT}")


@contextmanager
def _rolled_back_on(connection: Connection, *errors: type[Exception]) -> Iterator[None]:
    try:
        yield
    except errors:
        quietly(connection, f"ROLLBACK TO SAVEPOINT {_SAVEPOINT}")
        quietly(connection, f"RELEASE SAVEPOINT {_SAVEPOINT}")
        raise


def _in_savepoint(connection: Connection, statement: str) -> None:
    """Do the same for one statement, in one round trip where the driver can."""
    if is_autocommit(connection):
        quietly(connection, statement)
    elif connection.dialect.driver == "asyncpg":  # it prepares each
        with _savepoint(connection):
            quietly(connection, statement)
    else:
        at_once = f"SAVEPOINT {_SAVEPOINT}; {statement}; RELEASE SAVEPOINT {_SAVEPOINT}"
        # What cannot be encoded has not been sent, and made no savepoint.
        with _rolled_back_on(connection, driver_errors(connection)):
            quietly(connection, at_once)
