"""The six levels of risk and their scores."""

from __future__ import annotations

from enum import IntEnum


class Level(IntEnum):
    """How much can go wrong. The value is the score that `--max-risk` is compared with.

    >>> Level.HIGH.score, Level.HIGH.word
    (60, 'high')
    >>> max(Level.LOW, Level.DESTRUCTIVE).word
    'destructive'
    """

    SAFE = 5
    """Takes a moment on a table of any size and can be undone."""
    LOW = 15
    """Harmless but for a short lock, or built while everything else runs on."""
    MEDIUM = 35
    """Can fail on the data that is there, hold a lock while it reads a table, or change what
    queries and roles see."""
    HIGH = 60
    """Fails on rows that are there, or rewrites or reads a whole table under a lock."""
    DESTRUCTIVE = 80
    """Loses data that nothing brings back but a backup."""
    BLOCKED = 95
    """Passes a configured ceiling on this database."""

    @property
    def score(self) -> int:
        """The score, 0 to 100."""
        return int(self)

    @property
    def word(self) -> str:
        """The name as users read and write it."""
        return self.name.lower()
