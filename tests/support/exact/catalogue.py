"""What a generated table may have: the statements in `features/*.sql`, with places to fill.

`{t}` is the table, `{n}` and `{m}` are new names, `{id}` the column that numbers the rows, `{any}`
and `{more}` two columns, `{int}`, `{text}`, `{range}`, `{period}`, `{array}`, `{ref}` and
`{moment}` columns of those families, `{full}` a column without NULLs, `{whole}` one that could
have some, `{owner}`, `{reader}` and `{writer}` roles, `{space}` a tablespace. A blank line ends a
feature; `-- since N` names the first PostgreSQL that knows it, `-- plain` one that no partitioned
table has here. Whatever PostgreSQL refuses for a
generated table is left out of its world.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

_FOLDER = Path(__file__).parent / "features"
_PLACE = re.compile(r"\{(\w+)\}")
_SINCE = re.compile(r"-- since (\d+)\n")
_PLAIN = re.compile(r"-- plain.*\n")


@dataclass(frozen=True)
class Feature:
    """Statements that give a table something, and where they are known."""

    sql: str
    since: int
    plain_only: bool

    @property
    def places(self) -> frozenset[str]:
        """The names in braces."""
        return frozenset(_PLACE.findall(self.sql))


def _read(path: Path) -> list[Feature]:
    features = []
    for text in path.read_text().split("\n\n"):
        since = _SINCE.match(text)
        plain = _PLAIN.search(text) is not None
        sql = _PLAIN.sub("", _SINCE.sub("", text)).strip()
        features.append(Feature(sql, int(since[1]) if since else 14, plain))
    return features


KEYS = _read(_FOLDER / "keys.sql")
DEPENDENTS = _read(_FOLDER / "dependents.sql")
FEATURES = [
    feature
    for path in sorted(_FOLDER.glob("*.sql"))
    if path.stem not in ("keys", "dependents")
    for feature in _read(path)
]
