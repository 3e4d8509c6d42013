"""Names in PostgreSQL: quoting, the 63-byte limit, parked names, and targets as users type them."""

from __future__ import annotations

import re
import secrets
from dataclasses import dataclass
from typing import NamedTuple

from .errors import ZanithError

MAX_BYTES = 63
"""Longest identifier of a stock server, in bytes (NAMEDATALEN - 1):
https://www.postgresql.org/docs/current/limits.html"""

PARKED_PREFIX = "_zanith_dropped_"
ARCHIVED_PREFIX = "_zanith_archived_"
BOOKKEEPING_PREFIX = "_zanith_"
DEFAULT_ARCHIVE_SCHEMA = "_zanith_archive"

_ID_BYTES = 4


def quote(name: str) -> str:
    """Quote an identifier, always, as `pg_dump --quote-all-identifiers` does.

    >>> quote('my "own" table')
    '"my ""own"" table"'
    """
    if "\x00" in name:
        raise ZanithError(f"{name!r} holds a NUL character, which no PostgreSQL name can have.")
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    r"""Quote a string literal so that it reads the same whatever standard_conforming_strings is.

    >>> literal("it's")
    "'it''s'"
    >>> literal("a\\b")
    "E'a\\\\b'"
    """
    escaped = text.replace("'", "''")
    if "\\" in text:
        return "E'" + escaped.replace("\\", "\\\\") + "'"
    return f"'{escaped}'"


@dataclass(frozen=True, order=True)
class QualifiedName:
    """A relation name with its schema.

    >>> str(QualifiedName("public", "users"))
    '"public"."users"'
    """

    schema: str
    name: str

    def __str__(self) -> str:
        return f"{quote(self.schema)}.{quote(self.name)}"

    @property
    def display(self) -> str:
        """The name as a person types it: quoted only where SQL needs it."""
        return f"{display_name(self.schema)}.{display_name(self.name)}"

    def renamed(self, name: str) -> QualifiedName:
        return QualifiedName(self.schema, name)


_PLAIN = re.compile(r"[a-z_][a-z0-9_$]*\Z")


def display_name(name: str) -> str:
    """Quote a name only if it has characters that a target or SQL would misread.

    >>> display_name("users"), display_name("Order Lines")
    ('users', '"Order Lines"')
    """
    return name if _PLAIN.match(name) else quote(name)


def truncate(name: str, max_bytes: int) -> str:
    """Cut a name to at most `max_bytes` bytes of UTF-8, never inside a character.

    >>> truncate("žluťoučký", 5)
    'žlu'
    """
    return name.encode()[:max_bytes].decode(errors="ignore")


def fit(prefix: str, name: str, suffix: str) -> str:
    """Join the three so that the result has at most 63 bytes; only `name` is shortened."""
    return prefix + truncate(name, MAX_BYTES - len(prefix.encode()) - len(suffix.encode())) + suffix


def new_artifact_id() -> str:
    """Return a random artifact id: eight hexadecimal digits, for example `a4c09f1e`."""
    return secrets.token_hex(_ID_BYTES)


def parked_name(name: str, artifact_id: str, part: int | None = None) -> str:
    """Return the name that something is parked under: `_zanith_dropped_<name>_<id>`.

    `part` numbers the subordinate objects (indexes, constraints, sequences) of one artifact, so
    that two long names that are cut to the same text still differ.

    >>> parked_name("legacy_uuid", "a4c09f1e")
    '_zanith_dropped_legacy_uuid_a4c09f1e'
    """
    tail = f"_{artifact_id}" if part is None else f"_{artifact_id}_{part}"
    return fit(PARKED_PREFIX, name, tail)


def archived_name(name: str, artifact_id: str) -> str:
    """Return the name of an archive table: `_zanith_archived_<name>_<id>`."""
    return fit(ARCHIVED_PREFIX, name, f"_{artifact_id}")


def marker_name(checkpoint_id: str) -> str:
    """Return the name of the column that tells which rows are done: `_zanith_done_<id>`."""
    return fit("_zanith_done_", "", checkpoint_id)


def is_zanith_name(name: str) -> bool:
    """Tell whether a table or column name is one that this package gave.

    >>> is_zanith_name("_zanith_migration_artifacts"), is_zanith_name("users")
    (True, False)
    """
    return name.startswith(BOOKKEEPING_PREFIX)


_PART = re.compile(r'\s*(?:"((?:[^"]|"")+)"|([^\s".]+))\s*')


class TargetPart(NamedTuple):
    """One name of a target, and whether it was quoted, so that letter case counts."""

    name: str
    is_quoted: bool


def target_parts(text: str) -> tuple[TargetPart, ...]:
    """Split `schema.table.column` into its parts, quoted as in SQL where needed; at most three.

    >>> target_parts('"Order Lines".Note')[1]
    TargetPart(name='Note', is_quoted=False)

    Raises `ZanithError` when the text is no name.
    """
    parts: list[TargetPart] = []
    position = 0
    while True:
        match = _PART.match(text, position)
        if match is None:
            break
        quoted, bare = match.groups()
        is_quoted = quoted is not None
        parts.append(TargetPart(quoted.replace('""', '"') if is_quoted else bare, is_quoted))
        position = match.end()
        if position == len(text):
            if len(parts) <= 3:
                return tuple(parts)
            break
        if text[position] != ".":
            break
        position += 1
    raise ZanithError(
        f"{text!r} is no target. Write an artifact id, table, schema.table, table.column or "
        'schema.table.column; quote a part that has spaces, dots or quotes: "Order Lines".note'
    )


def split_target(text: str) -> tuple[str, ...]:
    """Return the names in a target, in the spelling that they are given in.

    >>> split_target('public."Order Lines".note')
    ('public', 'Order Lines', 'note')

    Raises `ZanithError` when the text is no name.
    """
    return tuple(part.name for part in target_parts(text))
