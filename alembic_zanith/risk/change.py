"""What every change has: a kind, what it is on, and a judgement.

A *change* is one elementary thing that an operation or an SQL statement does. `ALTER TABLE t DROP
a, DROP b` is two; `op.alter_column(nullable=False, type_=…)` too. Whoever reads operations or SQL
makes changes; each class of changes says what there is to say about it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import ClassVar, TypeVar

from alembic_zanith.identifiers import display_name

from .levels import Level
from .reasons import Reason


class Lock(Enum):
    """The strongest lock taken on a table, weakest first, in PostgreSQL's words.

    https://www.postgresql.org/docs/current/explicit-locking.html#LOCKING-TABLES
    """

    NONE = ""
    """No other than reading takes, ACCESS SHARE."""
    ROW_SHARE = "ROW SHARE"
    ROW_EXCLUSIVE = "ROW EXCLUSIVE"
    SHARE_UPDATE_EXCLUSIVE = "SHARE UPDATE EXCLUSIVE"
    SHARE = "SHARE"
    SHARE_ROW_EXCLUSIVE = "SHARE ROW EXCLUSIVE"
    EXCLUSIVE = "EXCLUSIVE"
    ACCESS_EXCLUSIVE = "ACCESS EXCLUSIVE"


class Cost(Enum):
    """What becomes of the rows that are in the table."""

    NOTHING = "nothing"
    SCANS = "scans"
    """Each is read under the lock."""
    REWRITES = "rewrites"
    """Each is written anew under the lock."""
    LOSES = "loses"
    """Values or whole rows are gone afterwards."""


@dataclass(frozen=True, order=True)
class TableRef:
    """A table as the script names it; without a schema it is what the search path finds.

    >>> str(TableRef("users", "app"))
    'app.users'
    """

    name: str
    schema: str | None = None

    def __str__(self) -> str:
        parts = [self.name] if self.schema is None else [self.schema, self.name]
        return ".".join(display_name(part) for part in parts)


@dataclass(frozen=True)
class Judgement:
    """What a change amounts to before anyone has looked at the database.

    `instead` is the safe way, ready to paste; empty where there is nothing safer.
    """

    level: Level
    reasons: tuple[Reason, ...]
    lock: Lock = Lock.NONE
    cost: Cost = Cost.NOTHING
    instead: str = ""


@dataclass(frozen=True)
class Change(ABC):
    """One elementary change. `kind` is its published name."""

    kind: ClassVar[str]

    @property
    @abstractmethod
    def subject(self) -> str:
        """The object it is done to, as in a report: `users.email`."""

    @abstractmethod
    def judge(self) -> Judgement:
        """Return what it amounts to, from nothing but the change itself."""

    @property
    def on(self) -> TableRef | None:
        """The table whose rows it concerns, if it is one."""
        return None


KINDS: dict[str, type[Change]] = {}
"""Every class of changes by its kind."""

C = TypeVar("C", bound=type[Change])


def kind(name: str) -> Callable[[C], C]:
    """Publish a class of changes under a name."""

    def register(cls: C) -> C:
        if name in KINDS:
            raise ValueError(f"There is a kind {name!r} already: {KINDS[name].__name__}.")
        cls.kind = name
        KINDS[name] = cls
        return cls

    return register
