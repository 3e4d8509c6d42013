"""Numbers, sizes, moments and names as short text."""

from __future__ import annotations

import datetime as dt

UNKNOWN = "-"

_SIZES = ("B", "kB", "MB", "GB", "TB")
_AGES = ((7 * 86400 * 8, 7 * 86400, "w"), (86400 * 2, 86400, "d"), (3600, 3600, "h"), (60, 60, "m"))


def count(number: int | None, unit: str | None = None) -> str:
    """Return a number with separators, and its unit in the right form if one is given.

    >>> count(50000), count(1, "row"), count(2, "row"), count(None)
    ('50,000', '1 row', '2 rows', '-')
    """
    if number is None:
        return UNKNOWN
    return f"{number:,}" if unit is None else f"{number:,} {unit}{'' if number == 1 else 's'}"


def size(number: int | None) -> str:
    """Return a number of bytes in units of 1024, as pg_size_pretty does.

    >>> size(0), size(8192), size(3250586), size(None)
    ('0 B', '8 kB', '3.1 MB', '-')
    """
    if number is None:
        return UNKNOWN
    value, unit = float(number), 0
    while value >= 1024 and unit < len(_SIZES) - 1:
        value, unit = value / 1024, unit + 1
    digits = 1 if unit >= 2 and value < 100 else 0
    return f"{value:.{digits}f} {_SIZES[unit]}"


def duration(span: dt.timedelta) -> str:
    """Return the length of a span in its largest sensible unit, rounded.

    >>> duration(dt.timedelta(hours=2, minutes=5)), duration(dt.timedelta(days=11, hours=23))
    ('2h', '12d')
    """
    seconds = round(abs(span.total_seconds()))
    for threshold, divisor, letter in _AGES:
        if seconds >= threshold:
            return f"{(seconds + divisor // 2) // divisor}{letter}"
    return f"{seconds}s"


def expiry(expires_at: dt.datetime | None, now: dt.datetime) -> str:
    """Say when an artifact may be purged by `cleanup`.

    >>> day = dt.timedelta(days=1); now = dt.datetime(2026, 5, 1)
    >>> expiry(None, now), expiry(now + 3 * day, now), expiry(now - 3 * day, now)
    ('never', 'in 3d', '3d ago')
    """
    if expires_at is None:
        return "never"
    if expires_at > now:
        return f"in {duration(expires_at - now)}"
    return f"{duration(now - expires_at)} ago"


def moment(at: dt.datetime | None) -> str:
    """Return a point in time as UTC, to the second.

    >>> moment(dt.datetime(2026, 5, 1, 11, 30, tzinfo=dt.timezone.utc))
    '2026-05-01 11:30:00 UTC'
    """
    return UNKNOWN if at is None else f"{at.astimezone(dt.UTC):%Y-%m-%d %H:%M:%S} UTC"


def printable(text: str) -> str:
    r"""Escape what could move the cursor or break a line: names may hold any character.

    >>> printable("a\nb\x1b[2J é")
    'a\\nb\\x1b[2J é'
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )
