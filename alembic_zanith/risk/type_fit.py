"""Whether the values of one type fit into another, from the names of the types alone."""

from __future__ import annotations

import re
from enum import Enum


class Fit(Enum):
    """How the values of an old type go into a new one."""

    SAME = "same"
    """As they are: the table is not rewritten.
    https://www.postgresql.org/docs/current/sql-altertable.html#SQL-ALTERTABLE-NOTES"""
    WIDER = "wider"
    """All of them, but the table is rewritten."""
    NARROWER = "narrower"
    """Not all of them."""
    UNKNOWN = "unknown"


_ALIASES = {
    "bool": "boolean",
    "char": "character",
    "decimal": "numeric",
    "float": "double precision",
    "float4": "real",
    "float8": "double precision",
    "int": "integer",
    "int2": "smallint",
    "int4": "integer",
    "int8": "bigint",
    "bigserial": "bigint",
    "serial": "integer",
    "smallserial": "smallint",
    "bpchar": "character",
    "time": "time without time zone",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "timetz": "time with time zone",
    "varbit": "bit varying",
    "varchar": "character varying",
}

# In each row a value of one type is also one of every type after it.
_RISING = (
    ("smallint", "integer", "bigint", "numeric"),
    ("real", "double precision"),
    ("date", "timestamp without time zone"),
)

# A longer limit, or none at all, of these needs no rewrite.
_LIMIT_ONLY = {
    "character varying",
    "bit varying",
    "interval",
    "numeric",
    "time without time zone",
    "time with time zone",
    "timestamp without time zone",
    "timestamp with time zone",
}

_MOMENTS = ("time", "interval")

_TYPE = re.compile(
    r"^(?P<name>[^(\[]+?)\s*(?:\((?P<limits>[^)]*)\)(?P<rest>[^(\[]*))?(?P<array>(?:\[\d*\])*)$"
)


def parts(type_: str) -> tuple[str, tuple[int, ...], str]:
    """Split the name of a type into its plain name, its limits, and `[]` for an array.

    >>> parts("VARCHAR(20)"), parts("int4[]")
    (('character varying', (20,), ''), ('integer', (), '[]'))
    >>> parts("timestamp(3) with time zone")
    ('timestamp with time zone', (3,), '')
    """
    text = re.sub(r"\s+", " ", type_.strip()).lower().removeprefix("pg_catalog.")
    match = _TYPE.match(text)
    if match is None:
        return text, (), ""
    name = " ".join(f"{match['name']} {match['rest'] or ''}".split())
    numbers = [part.strip() for part in (match["limits"] or "").split(",") if part.strip()]
    if name.startswith(_MOMENTS) and numbers == ["6"]:  # as precise as without a limit
        numbers = []
    if not all(re.fullmatch(r"-?\d+", number) for number in numbers):
        return text, (), ""
    return _ALIASES.get(name, name), tuple(map(int, numbers)), "[]" if match["array"] else ""


def fit(old: str, new: str) -> Fit:
    """Tell how the values of a type go into another.

    >>> fit("varchar(20)", "varchar(50)").value, fit("varchar(50)", "varchar(20)").value
    ('same', 'narrower')
    >>> fit("integer", "bigint").value, fit("bigint", "integer").value
    ('wider', 'narrower')
    >>> fit("text", "jsonb").value
    'unknown'
    """
    if not old:
        return Fit.UNKNOWN
    (old_name, old_limits, old_array), (new_name, new_limits, new_array) = parts(old), parts(new)
    if (old_name, old_limits, old_array) == (new_name, new_limits, new_array):
        return Fit.SAME
    if old_array or new_array:  # written anew, or not, by what is in them
        return Fit.UNKNOWN
    if old_name == new_name:
        return _by_limits(old_name, old_limits, new_limits)
    return _by_name(old_name, new_name, new_limits)


def _by_limits(name: str, old: tuple[int, ...], new: tuple[int, ...]) -> Fit:
    if not _is_within(name, old, new):
        return Fit.NARROWER
    return Fit.SAME if name in _LIMIT_ONLY else Fit.WIDER


def _is_within(name: str, old: tuple[int, ...], new: tuple[int, ...]) -> bool:
    if name in ("character", "bit"):  # without a limit they are of one character
        return (old or (1,)) <= (new or (1,))
    if not new:
        return True
    if not old:
        return False
    if name == "numeric":
        (old_digits, old_scale), (new_digits, new_scale) = _digits(old), _digits(new)
        # Another scale rounds the values, or writes them with other digits.
        return old_scale == new_scale and old_digits <= new_digits
    return old <= new


def _digits(limits: tuple[int, ...]) -> tuple[int, int]:
    precision, scale = (*limits, 0)[:2]
    return precision, scale


def _by_name(old: str, new: str, new_limits: tuple[int, ...]) -> Fit:
    if {old, new} == {"character varying", "text"}:  # stored in the same way
        return Fit.NARROWER if new_limits else Fit.SAME
    for row in _RISING:
        if old in row and new in row:
            if row.index(old) > row.index(new) or new_limits:
                return Fit.NARROWER
            return Fit.WIDER
    return Fit.UNKNOWN
