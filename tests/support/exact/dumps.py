"""Compare two dumps without regard to the order of columns, and to nothing else.

An archived column comes back as the last one. That moves it in CREATE TABLE and COPY, in the
column lists that PostgreSQL keeps sorted by number (extended statistics, publications), and in
the order of the statements about single columns. Everything else has to be the same.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_ENTRY = re.compile(r"^--\n-- (?=(?:Data for )?Name: )", re.MULTILINE)
_TYPE = re.compile(r"; Type: ([^;]+);")
_COPY = re.compile(r"^(COPY \S.*?) \((.*)\) FROM stdin;\n(.*?)^\\\.\n", re.MULTILINE | re.DOTALL)
_STATISTICS = re.compile(r"^(CREATE STATISTICS .* ON )(.*)( FROM .*;)$", re.MULTILINE)
_PUBLICATION = re.compile(r"^(ALTER PUBLICATION .* ADD TABLE ONLY \S+ )\(([^()]*)\)", re.MULTILINE)
_SEPARATOR = re.compile(r", (?=(?:[^()]|\([^()]*\))*$)")


def without_column_order(dump: str) -> list[str]:
    """Return the entries of a dump, sorted, each written as if columns were sorted by name.

    Two dumps give the same list exactly if they differ in nothing but the order of columns.
    """
    head, *entries = _ENTRY.split(dump)
    return [head, *sorted(_entry(entry) for entry in entries)]


def _entry(entry: str) -> str:
    found = _TYPE.search(entry)
    kind = found.group(1) if found else ""
    if kind == "TABLE DATA":
        return _COPY.sub(_sorted_copy, entry)
    if kind == "TABLE":
        return "\n".join(sorted(line.rstrip(",") for line in entry.splitlines()))
    if kind == "STATISTICS":
        return _STATISTICS.sub(_sorted_list, entry)
    if kind == "PUBLICATION TABLE":
        return _PUBLICATION.sub(lambda m: f"{m[1]}({', '.join(sorted(m[2].split(', ')))})", entry)
    return entry


def _sorted_list(match: re.Match[str]) -> str:
    return match[1] + ", ".join(sorted(_SEPARATOR.split(match[2]))) + match[3]


def _sorted_copy(match: re.Match[str]) -> str:
    names = match[2].split(", ")
    order = sorted(range(len(names)), key=names.__getitem__)
    rows = "".join(_reordered(match[3], order))
    return f"{match[1]} ({', '.join(names[i] for i in order)}) FROM stdin;\n{rows}\\.\n"


def _reordered(data: str, order: list[int]) -> Iterator[str]:
    # COPY escapes every tab and newline inside a value, so that splitting is safe.
    for line in data.splitlines():
        fields = line.split("\t")
        assert len(fields) == len(order), f"no row of {len(order)} columns: {line!r}"
        yield "\t".join(fields[i] for i in order) + "\n"
