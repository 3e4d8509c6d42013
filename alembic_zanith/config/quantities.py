"""How scores, switches, numbers of rows and times are read from text or TOML.

A parser raises `ValueError` with a sentence that continues "<value> …" and says what is right.
"""

from __future__ import annotations

import re

_ON = {"1", "true", "yes", "on"}
_OFF = {"0", "false", "no", "off"}

# The units of PostgreSQL's own settings, in milliseconds:
# https://www.postgresql.org/docs/current/config-setting.html#CONFIG-SETTING-NAMES-VALUES
_UNITS = {"ms": 1, "s": 1_000, "min": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|min|h|d)")


def parse_switch(value: object) -> bool:
    """Return whether something is on.

    >>> parse_switch("yes"), parse_switch(False)
    (True, False)
    """
    text = str(value).strip().lower()
    if text in _ON:
        return True
    if text in _OFF:
        return False
    raise ValueError("is not one of true, false, yes, no, on, off.")


def parse_score(value: object) -> int:
    """Return a score of risk, 0 to 100."""
    score = _whole(value)
    if score is None or score > 100:
        raise ValueError(
            "is not a score from 0 to 100 (safe 5, low 15, medium 35, high 60, destructive 80, "
            "blocked 95)."
        )
    return score


def parse_count(value: object) -> int:
    """Return a whole number, 0 or more."""
    count = _whole(value)
    if count is None:
        raise ValueError("is not a whole number, 0 or more.")
    return count


def parse_rows(value: object) -> int | None:
    """Return a number of rows, or None for no limit.

    >>> parse_rows("1_000_000"), parse_rows("none")
    (1000000, None)
    """
    if _is_none(value):
        return None
    rows = _whole(value)
    if rows is None:
        raise ValueError("is not a number of rows (0 or more), or none for no limit.")
    return rows


def parse_duration(value: object) -> int | None:
    """Return a time in milliseconds, or None for no limit.

    >>> parse_duration("5s"), parse_duration("1.5 min"), parse_duration("none")
    (5000, 90000, None)
    """
    if _is_none(value) or str(value).strip() == "0":
        return None
    match = _DURATION.fullmatch(str(value).strip().lower())
    if match is None:
        raise ValueError("is not a time with its unit (500ms, 5s, 2min, 1h, 7d), or none.")
    return round(float(match[1]) * _UNITS[match[2]])


def _is_none(value: object) -> bool:
    return value is None or str(value).strip().lower() == "none"


def _whole(value: object) -> int | None:
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    try:
        number = int(value)
    except ValueError:
        return None
    return number if number >= 0 else None
