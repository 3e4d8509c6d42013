"""A schema as JSON."""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from alembic_zanith.identifiers import display_name

FORMAT = 1
"""The version of what `Snapshot.content` looks like."""


@dataclass(frozen=True)
class Snapshot:
    """The schema of a database at one moment.

    `content` has the `schemas` by name, each with its tables, views, sequences, types and
    functions, and what belongs to none: extensions, event triggers, publications. Equal content
    has an equal digest.
    """

    content: dict[str, Any]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of the content, whatever the order of its keys."""
        text = json.dumps(self.content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()

    def with_schema_renamed(self, schema: str, to: str) -> Snapshot:
        """Return the snapshot as if all of a schema had been in another one.

        `schema` is one that this package has made, with a name that stands nowhere else.
        """
        named = re.compile(rf'(?<![\w"])"?{re.escape(schema)}"?\.')
        renamed = _replaced(self.content, named, f"{display_name(to)}.")
        schemas = renamed["schemas"]
        if schema in schemas:
            schemas[to] = schemas.pop(schema)
        return Snapshot(renamed)


def _replaced(value: Any, pattern: re.Pattern[str], by: str) -> Any:
    if isinstance(value, str):
        return pattern.sub(lambda _: by, value)
    if isinstance(value, list):
        return [_replaced(each, pattern, by) for each in value]
    if isinstance(value, dict):
        # Functions are known by the types of their arguments.
        return {_replaced(k, pattern, by): _replaced(v, pattern, by) for k, v in value.items()}
    return value
