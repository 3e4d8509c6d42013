"""The types that settings have, and how each is read from text or TOML.

A parser raises `ValueError` with a sentence that continues "<value> …" and says what is right.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TypeVar

from alembic_zanith.errors import ZanithError, did_you_mean
from alembic_zanith.identifiers import DEFAULT_ARCHIVE_SCHEMA, MAX_BYTES, split_target

E = TypeVar("E", bound=StrEnum)


class Mode(StrEnum):
    """How strict the project is with what its migrations do."""

    DEV = "dev"
    STAGING = "staging"
    PRODUCTION = "production"


class DropStrategy(StrEnum):
    """What autogenerate writes for a column or table that vanished from the metadata."""

    SOFT_DROP = "soft_drop"
    ARCHIVE = "archive"
    DROP = "drop"


class UnknownTables(StrEnum):
    """What autogenerate does with tables that no revision of the project ever named."""

    IGNORE = "ignore"
    DROP = "drop"


class DetectRenames(StrEnum):
    """What autogenerate does with a drop and an add that may be one rename."""

    ASK = "ask"
    """Whoever sits at the terminal is asked; without one it is as with `comment`."""
    COMMENT = "comment"
    """The rename is written beside them, as a comment."""
    OFF = "off"
    """Nothing."""


class DestructiveOps(StrEnum):
    """What becomes of a drop that a script calls."""

    REFUSE = "refuse"
    """It has to pass the gates."""
    PROTECT = "protect"
    """It parks what it would have dropped."""


class ShadowCheck(StrEnum):
    """Whether a run needs the receipt of a rehearsal on a shadow database."""

    OFF = "off"
    RECOMMENDED = "recommended"
    REQUIRED = "required"


class ShadowTopology(StrEnum):
    """Where migrations are rehearsed."""

    AUTO = "auto"
    """On the server of `shadow_url` where there is one, else in a database next to production."""
    URL = "url"
    """In the database that `shadow_url` names."""
    DATABASE = "database"
    """In a database of its own on production's server, dropped afterwards."""
    SCHEMA = "schema"
    """In a schema of its own in production's database, dropped afterwards."""


class PlanSource(StrEnum):
    """Where a plan comes from."""

    RECORD = "record"
    """Scripts are called once with a connection that runs nothing."""
    STATIC = "static"
    """Scripts are read, and nothing of them is called."""


@dataclass(frozen=True)
class StrategyOverride:
    """A pattern and the drop strategy of what it matches.

    The pattern has one to three parts, `table`, `schema.table`, `table.column` or
    `schema.table.column`, each with `*`, `?` and `[…]` as in file names. A pattern for a table
    holds for its columns too.
    """

    pattern: str
    strategy: DropStrategy

    def matches(self, schema: str, table: str, column: str | None = None) -> bool:
        """Tell whether the pattern is about this table, or this column of it."""
        names: list[tuple[str, ...]] = [(table,), (schema, table)]
        if column is not None:
            names += [(table, column), (schema, table, column)]
        pattern = split_target(self.pattern)
        return any(
            len(name) == len(pattern) and all(map(fnmatchcase, name, pattern)) for name in names
        )


def choice(enum: type[E]) -> Callable[[object], E]:
    def parse(value: object) -> E:
        try:
            return enum(str(value).strip().lower())
        except ValueError:
            allowed = ", ".join(enum)
            hint = did_you_mean(str(value), [member.value for member in enum], limit=1)
            raise ValueError(f"is not one of {allowed}.{hint}") from None

    return parse


def parse_text(value: object) -> str | None:
    """Return a text, or None for an empty one.

    >>> parse_text(" 2.4.1 "), parse_text("")
    ('2.4.1', None)
    """
    if value is None:
        return None
    text = str(value).strip()
    if "\x00" in text:
        raise ValueError("has a NUL in it.")
    return text or None


def parse_path(value: object) -> str:
    """Return the name of a file."""
    path = parse_text(value)
    if path is None:
        raise ValueError("is not the name of a file.")
    return path


def parse_retention_days(value: object) -> int | None:
    """Return a number of days, or None for ever.

    Raises `ValueError` whose text follows the name of the value in a message.
    """
    if value is None or (isinstance(value, str) and value.strip().lower() == "none"):
        return None
    if not isinstance(value, bool) and isinstance(value, int | str):
        try:
            days = int(value)
        except ValueError:
            days = -1
        if days >= 0:
            return days
    raise ValueError("is not a number of days (0 or more), or none to keep for ever.")


def parse_archive_schema(value: object) -> str:
    name = value.strip() if isinstance(value, str) else ""
    if not name or "\x00" in name or len(name.encode()) > MAX_BYTES:
        raise ValueError(f"is not the name of a schema (1 to {MAX_BYTES} bytes).")
    if name in ("public", "information_schema") or name.startswith("pg_"):
        raise ValueError(
            "cannot be the archive schema, which holds nothing but archives. "
            f"Choose a schema of its own, for example {DEFAULT_ARCHIVE_SCHEMA}."
        )
    return name


def parse_overrides(value: object) -> tuple[StrategyOverride, ...]:
    strategy = choice(DropStrategy)
    overrides: list[StrategyOverride] = []
    for pattern, text in _override_items(value):
        try:
            split_target(pattern)
        except ZanithError:
            raise ValueError(
                f"has {pattern!r}, which is no pattern. Write table, schema.table, table.column "
                "or schema.table.column, with * and ? in any part."
            ) from None
        try:
            overrides.append(StrategyOverride(pattern, strategy(text)))
        except ValueError as error:
            raise ValueError(f"has {pattern!r} = {text!r}, which {error}") from None
    return tuple(overrides)


def _override_items(value: object) -> Iterator[tuple[str, object]]:
    """Yield pattern and strategy from a TOML table or from lines of `pattern = strategy`."""
    if isinstance(value, Mapping):
        yield from value.items()
        return
    if not isinstance(value, str):
        raise ValueError("is not a table of pattern = strategy.")
    for line in value.replace(",", "\n").splitlines():
        if line.strip():
            pattern, equals, strategy = line.rpartition("=")
            if not equals:
                raise ValueError(f"has {line.strip()!r}, which is not pattern = strategy.")
            yield pattern.strip(), strategy.strip()
