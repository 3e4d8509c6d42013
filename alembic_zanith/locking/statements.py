"""What the text of a statement says about how it waits for locks."""

from __future__ import annotations

import re

_CONCURRENTLY = re.compile(
    r"""\s*(
        (CREATE\s+(UNIQUE\s+)?INDEX | DROP\s+INDEX) \s+CONCURRENTLY\b
        | REINDEX\s+ ( \([^)]*\)\s* )? \w+\s+CONCURRENTLY\b
        | REINDEX\s+ \([^)]*\bCONCURRENTLY\b
    )""",
    re.IGNORECASE | re.VERBOSE,
)


def is_concurrent(statement: str) -> bool:
    """Tell whether it builds or drops an index while the table is read and written.

    Such a statement may wait for long and nobody who reads or writes queues up behind it; when it
    is broken off, it leaves an invalid index.
    https://www.postgresql.org/docs/current/sql-createindex.html#SQL-CREATEINDEX-CONCURRENTLY

    >>> is_concurrent("CREATE UNIQUE INDEX CONCURRENTLY i ON users (id)")
    True
    >>> is_concurrent("CREATE INDEX i ON users (id)")
    False
    """
    return _CONCURRENTLY.match(statement) is not None
