"""Proof that what is parked is what was parked: checksums, fingerprints, pinned settings."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from .errors import ConfigurationError
from .identifiers import QualifiedName, literal, quote
from .sql import CALLERS_PATH, one, run, scalar

_PINNED = {
    "search_path": "pg_catalog, pg_temp",
    "row_security": "off",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "TimeZone": "UTC",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "xmloption": "content",
    "lc_monetary": "C",
    "quote_all_identifiers": "off",
    "check_function_bodies": "on",
    "standard_conforming_strings": "on",
    "array_nulls": "on",
    "transform_null_equals": "off",
    "default_tablespace": "",
    "default_table_access_method": "heap",
    "jit": "off",
    "client_min_messages": "warning",
}
"""Settings that change how values or definitions print or are read, or which rows are seen.

`row_security = off` makes PostgreSQL raise an error where a policy would hide rows, so that an
archive can never silently lack them:
https://www.postgresql.org/docs/current/runtime-config-client.html#GUC-ROW-SECURITY
"""


@contextmanager
def pinned_settings(connection: Connection) -> Iterator[None]:
    """Run a block under fixed session settings, then put the caller's back.

    The settings are local to the transaction; if that fails, PostgreSQL itself restores them.

    Raises `ConfigurationError` where the driver does not notice that they change.

    >>> with pinned_settings(connection):                        # doctest: +SKIP
    ...     checksum(connection, rows)
    """
    before = settings_now(connection, [*_PINNED, CALLERS_PATH])
    if before[CALLERS_PATH] and _PINNED.items() <= before.items():
        yield  # inside of another such block
        return
    remembered = before[CALLERS_PATH] or f"={before['search_path']}"
    apply_settings(connection, {**_PINNED, CALLERS_PATH: remembered})
    try:
        if before["standard_conforming_strings"] == "off":
            _require_backslashes(connection)
        yield
    except DBAPIError:
        raise  # the transaction takes no further statement
    except BaseException:
        with suppress(SQLAlchemyError):  # the transaction may have failed, or lost its connection
            apply_settings(connection, before)
        raise
    apply_settings(connection, before)


def pins(connection: Connection) -> dict[str, str]:
    """Return the settings of `pinned_settings`, to have them for a session.

    Blocks under `pinned_settings` have nothing to set there.
    """
    before = settings_now(connection, ["search_path", CALLERS_PATH])
    remembered = before[CALLERS_PATH] or f"={before['search_path']}"
    return {**_PINNED, CALLERS_PATH: remembered}


def _require_backslashes(connection: Connection) -> None:
    """Make sure that parameters arrive as they are.

    psycopg2 looks at the setting only when it connects, and escapes backslashes by that.
    """
    sent = r"\\"
    if scalar(connection, "SELECT CAST(:sent AS text)", sent=sent) != sent:
        raise ConfigurationError(
            "The setting standard_conforming_strings is off where the connection begins, and the "
            f"driver {connection.dialect.driver} does not notice that it changes, so that text "
            "with backslashes would not be kept as it is. Nothing has changed. Set it on for the "
            "database or the role, or for the connections of env.py with "
            "?options=-c%20standard_conforming_strings%3Don in the URL."
        )


def given_settings(connection: Connection) -> dict[str, str]:
    """Return what the caller has of the settings that are pinned elsewhere.

    Call it outside of `pinned_settings`; `under_settings` gives them back inside of it, where SQL
    that the caller wrote is run.
    """
    return settings_now(connection, [name for name in _PINNED if name != "row_security"])


@contextmanager
def under_settings(connection: Connection, values: Mapping[str, str]) -> Iterator[None]:
    """Run a block under other settings, local to the transaction, then put these back.

    If the transaction fails, PostgreSQL itself restores them.
    """
    before = settings_now(connection, [*values])
    apply_settings(connection, values)
    try:
        yield
    except DBAPIError:
        raise  # the transaction takes no further statement, or a savepoint takes them back
    except BaseException:
        with suppress(SQLAlchemyError):
            apply_settings(connection, before)
        raise
    apply_settings(connection, before)


@contextmanager
def roomy_memory(connection: Connection) -> Iterator[None]:
    """Let index builds use at least 256 MB, unless the server gives them more already."""
    before = run(connection, "SELECT pg_catalog.current_setting('maintenance_work_mem')").scalar()
    run(
        connection,
        "SELECT pg_catalog.set_config('maintenance_work_mem', '256MB', true)"
        " WHERE pg_catalog.pg_size_bytes(pg_catalog.current_setting('maintenance_work_mem'))"
        " < pg_catalog.pg_size_bytes('256MB')",
    )
    yield
    apply_settings(connection, {"maintenance_work_mem": str(before)})


def settings_now(connection: Connection, names: Sequence[str]) -> dict[str, str]:
    """Return the current values of settings; an empty text for one that is not set."""
    calls = ", ".join(f"pg_catalog.current_setting(:n{i}, true)" for i, _ in enumerate(names))
    parameters = {f"n{i}": name for i, name in enumerate(names)}
    found = connection.execute(text(f"SELECT {calls}"), parameters).one()
    return {name: value or "" for name, value in zip(names, found, strict=True)}


def apply_settings(
    connection: Connection, values: Mapping[str, str], *, of_session: bool = False
) -> None:
    """Give settings values, until the transaction ends or for the session."""
    local = "false" if of_session else "true"
    calls = ", ".join(f"pg_catalog.set_config(:n{i}, :v{i}, {local})" for i, _ in enumerate(values))
    parameters: dict[str, str] = {}
    for i, (name, value) in enumerate(values.items()):
        parameters |= {f"n{i}": name, f"v{i}": value}
    connection.execute(text(f"SELECT {calls}"), parameters)


def pinned_sql() -> list[str]:
    """Return the statements that pin what recovery SQL depends on, for a script of its own."""
    values = {name: literal(value) for name, value in _PINNED.items()}
    values["search_path"] = _PINNED["search_path"]  # a list of names; a literal would be one name
    return [f"SET LOCAL {quote(name)} = {value}" for name, value in sorted(values.items())]


CHECKSUM_ALGORITHM = "md5-sum128"
FINGERPRINT_ALGORITHM = "sha256-structure"


@dataclass(frozen=True)
class Content:
    """Row count and checksum of a set of rows."""

    row_count: int
    checksum: str


def content(connection: Connection, relation: QualifiedName, columns: Sequence[str]) -> Content:
    """Count and checksum the rows of a table, over the given columns.

    Each row is hashed with MD5 and the halves of the hashes are summed, so the result does not
    depend on the order of rows, counts duplicates, and never holds more than one row in memory.
    Call it under `pinned_settings`; the text of every value is then the same on every server
    version from 14 on.
    """
    return _hashed(connection, _row_texts(relation, columns))


def archive_content(
    connection: Connection, archive: QualifiedName, keys: Sequence[str], value: str
) -> Content:
    """Count and checksum an archive of one column: key columns that are never NULL, and a value.

    As `content`, at a third of its cost: the text of a row is put together by `concat_ws`, which
    leaves out a NULL value, with the length of each key before it to mark where it ends.
    """
    return _hashed(connection, _archive_texts(archive, keys, value))


def archive_differs_sql(
    archive: QualifiedName, keys: Sequence[str], value: str, checksum: str
) -> str:
    """Return the SQL of whether an archive's checksum is another, for a script of its own."""
    return _differs(_archive_texts(archive, keys, value), checksum)


def content_differs_sql(relation: QualifiedName, columns: Sequence[str], checksum: str) -> str:
    """Return the SQL of whether the checksum of a table's rows is another, for a script."""
    return _differs(_row_texts(relation, columns), checksum)


def _differs(query: str, checksum: str) -> str:
    modulus = 1 << 128
    total = f"coalesce(high, 0) * {1 << 64} + coalesce(low, 0)"
    return (
        f"(SELECT mod(mod({total}, {modulus}) + {modulus}, {modulus}) <> {int(checksum, 16)}"
        f" FROM ({_sums(query)}) AS sums)"
    )


def _row_texts(relation: QualifiedName, columns: Sequence[str]) -> str:
    row = f"CAST(ROW({', '.join(f't.{quote(name)}' for name in columns)}) AS text)"
    return f"SELECT {row} AS r FROM {relation} AS t"


def _archive_texts(archive: QualifiedName, keys: Sequence[str], value: str) -> str:
    items = [f"pg_catalog.length(pg_catalog.concat(t.{k})), t.{k}" for k in map(quote, keys)]
    text_of_row = f"pg_catalog.concat_ws('=', {', '.join(items)}, t.{quote(value)})"
    return f"SELECT {text_of_row} AS r FROM {archive} AS t"


def _sums(query: str) -> str:
    """Return the SQL that counts and hashes the texts which a query yields in its one column `r`.

    `clock_timestamp()` keeps the planner from flattening the subquery, which would compute every
    hash twice; unlike OFFSET 0 it leaves the plan parallel.
    """
    return (
        "SELECT pg_catalog.count(*) AS count,"
        " pg_catalog.sum(CAST(CAST(h AS bit(64)) AS bigint)) AS high,"
        " pg_catalog.sum(CAST(CAST(h << 64 AS bit(64)) AS bigint)) AS low"
        " FROM (SELECT CAST('x' || pg_catalog.md5(r) AS bit(128)) AS h,"
        f" pg_catalog.clock_timestamp() FROM ({query}) AS texts) AS hashes"
    )


def _hashed(connection: Connection, query: str) -> Content:
    count, high, low = one(connection, _sums(query))
    total = (int(high or 0) << 64) + int(low or 0)
    return Content(int(count), f"{total % (1 << 128):032x}")


def fingerprint(structure: Any) -> str:
    """Return the SHA-256 of a structure of JSON types, the same however its keys are ordered.

    >>> fingerprint({"a": 1, "b": 2}) == fingerprint({"b": 2, "a": 1})
    True
    """
    canonical = json.dumps(structure, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(canonical.encode()).hexdigest()
