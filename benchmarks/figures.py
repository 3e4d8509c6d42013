"""What a benchmark returns."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One line of the table: what ours and the bare SQL took, and the number that has a limit.

    `measured` and `limit` are in `unit`: `x` for a ratio, `ms` or `MB`.
    """

    what: str
    ours: str
    bare: str
    measured: float
    limit: float
    unit: str

    @property
    def is_met(self) -> bool:
        return self.measured <= self.limit


def duration(seconds: float) -> str:
    """Return a time as a person reads it: milliseconds below one second.

    >>> duration(0.0123), duration(12.345)
    ('12 ms', '12.35 s')
    """
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"


def megabytes(size: int) -> str:
    return f"{size / 1e6:.0f} MB"


def ratio_of_times(what: str, ours: float, bare: float, limit: float) -> Figure:
    """Compare two times in seconds."""
    return Figure(what, duration(ours), duration(bare), ours / bare, limit, "x")
