"""PostgreSQL's COPY TO STDOUT through whichever driver a connection has.

SQLAlchemy has no COPY of its own, and fetching rows instead would be many times slower.
https://www.postgresql.org/docs/current/sql-copy.html
"""

from __future__ import annotations

import io
from contextlib import suppress
from dataclasses import dataclass
from itertools import repeat
from operator import itemgetter
from typing import Any, BinaryIO, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.errors import UnsupportedDatabaseError
from alembic_zanith.identifiers import literal


@dataclass(frozen=True)
class CopyFormat:
    """How COPY writes rows, always as CSV in UTF-8.

    `VERBATIM` makes a single text column come out as it is: nothing that a JSON text holds has to
    be quoted when the special characters are control characters, which JSON always escapes.
    """

    header: bool
    delimiter: str = ","
    quote: str = '"'

    @property
    def sql(self) -> str:
        return (
            f"FORMAT csv, HEADER {'true' if self.header else 'false'}, ENCODING 'UTF8', "
            f"DELIMITER {literal(self.delimiter)}, QUOTE {literal(self.quote)}"
        )


CSV = CopyFormat(header=True)
VERBATIM = CopyFormat(header=False, delimiter="\x02", quote="\x01")


class _Copy(Protocol):
    def __call__(
        self, connection: Connection, query: str, layout: CopyFormat, output: BinaryIO
    ) -> int: ...


def copy_out(connection: Connection, query: str, layout: CopyFormat, output: BinaryIO) -> int:
    """Write the rows of a query to `output` as they arrive, and return how many they were.

    Raises `DBAPIError` for what the server reports, whatever the driver, and
    `UnsupportedDatabaseError` for a driver without COPY.
    """
    copy = _copy_of(connection)
    try:
        return copy(connection, query, layout, output)
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _DRIVERS:
            raise
        raise _as_sqlalchemy_error(connection, _statement(query, layout), error) from error


_DRIVERS = ("asyncpg", "psycopg", "psycopg2")


def _copy_of(connection: Connection) -> _Copy:
    driver_connection = connection.connection.driver_connection
    if hasattr(driver_connection, "copy_from_query"):
        return _asyncpg
    if hasattr(driver_connection, "pgconn"):
        return _psycopg
    if hasattr(connection.connection.cursor(), "copy_expert"):
        return _psycopg2
    raise UnsupportedDatabaseError(
        f"The driver {connection.dialect.driver} cannot export: no COPY of it is known here. "
        "Use psycopg, psycopg2 or asyncpg."
    )


def _as_sqlalchemy_error(connection: Connection, statement: str, error: Exception) -> DBAPIError:
    """Wrap an error of the driver as SQLAlchemy does, which has not seen this one."""
    lost = connection.dialect.is_disconnect(
        error,  # type: ignore[arg-type]  # any exception of the driver
        connection.connection.dbapi_connection,
        None,
    )
    if lost:
        connection.invalidate(error)
    return DBAPIError(statement, None, error, connection_invalidated=lost)


def _statement(query: str, layout: CopyFormat) -> str:
    return f"COPY ({query}) TO STDOUT ({layout.sql})"


def _psycopg2(connection: Connection, query: str, layout: CopyFormat, output: BinaryIO) -> int:
    cursor: Any = connection.connection.cursor()
    try:
        cursor.copy_expert(_statement(query, layout), output)
        return int(cursor.rowcount)
    finally:
        cursor.close()


def _psycopg(connection: Connection, query: str, layout: CopyFormat, output: BinaryIO) -> int:
    """Read through libpq itself: `Cursor.copy` takes two to three times as long for each row.

    https://www.psycopg.org/psycopg3/docs/api/pq.html
    """
    from psycopg.errors import error_from_result
    from psycopg.pq import ExecStatus

    driver_connection: Any = connection.connection.driver_connection
    pgconn = driver_connection.pgconn
    started = pgconn.exec_(_statement(query, layout).encode())
    if started.status != ExecStatus.COPY_OUT:
        raise error_from_result(started)
    try:
        _drain(pgconn, output)
    except BaseException:
        _cancel(pgconn)
        raise
    finished = pgconn.get_result()
    pgconn.get_result()
    if finished.status != ExecStatus.COMMAND_OK:
        raise error_from_result(finished)
    return int(finished.command_tuples or 0)


def _drain(pgconn: Any, output: BinaryIO) -> None:
    """Write all that COPY sends.

    Millions of rows go through here, so the innermost loop is one of C: `all` ends with the row
    that is empty, which stands for the end. It is short enough for Ctrl-C, and for large rows.
    """
    block = io.BytesIO()
    while all(map(block.write, map(_DATA, map(pgconn.get_copy_data, repeat(0, _ROWS_AT_ONCE))))):
        if block.tell() > _BLOCK_BYTES:
            output.write(block.getbuffer())
            block = io.BytesIO()
    output.write(block.getbuffer())


_DATA = itemgetter(1)
_ROWS_AT_ONCE = 32
_BLOCK_BYTES = 1 << 17


def _cancel(pgconn: Any) -> None:
    """End a COPY that nobody reads any more, so that the transaction can be rolled back."""
    from psycopg import OperationalError
    from psycopg.pq import ConnStatus

    if pgconn.status == ConnStatus.OK:
        pgconn.get_cancel().cancel()
        with suppress(OperationalError):  # the last row has come already
            while pgconn.get_copy_data(0)[0] > 0:
                pass
        while pgconn.get_result() is not None:
            pass


def _asyncpg(connection: Connection, query: str, layout: CopyFormat, output: BinaryIO) -> int:
    async def write(data: bytes) -> None:
        output.write(data)

    async def copy(driver_connection: Any) -> str:
        status: str = await driver_connection.copy_from_query(
            query,
            output=write,
            format="csv",
            header=layout.header,
            encoding="UTF8",
            delimiter=layout.delimiter,
            quote=layout.quote,
            timeout=_NO_TIMEOUT,
        )
        return status

    adapted: Any = connection.connection.dbapi_connection
    return int(adapted.run_async(copy).rpartition(" ")[2])


_NO_TIMEOUT = 30 * 86400.0
"""Seconds, in place of the `command_timeout` of the engine, which is meant for queries."""
