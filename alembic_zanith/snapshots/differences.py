"""What differs between two snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from alembic_zanith.identifiers import display_name

from .model import Snapshot


class Change(StrEnum):
    """What became of a thing."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True)
class Difference:
    """One thing that is in one snapshot only, or another one in each.

    `name` is as people write it: `users.email`; in other schemas than public, with the schema.
    """

    change: Change
    kind: str
    name: str
    before: str | None = None
    after: str | None = None


_PARTS = {
    "constraints": "constraint",
    "indexes": "index",
    "triggers": "trigger",
    "policies": "policy",
    "rules": "rule",
    "statistics": "statistics",
}
_PROPERTIES = (
    "unlogged",
    "options",
    "row_security",
    "replica_identity",
    "partition_key",
    "bound",
    "inherits",
    "tablespace",
    "server",
    "comment",
    "definition",
)
_OF_THE_DATABASE = {
    "extensions": "extension",
    "event_triggers": "event trigger",
    "publications": "publication",
}


def differences(before: Snapshot, after: Snapshot) -> tuple[Difference, ...]:
    """Return what differs, by kind and name; nothing where nothing does.

    What belongs to a table that is new or gone is not told by itself. Columns are compared by
    name: their order alone is no difference.
    """
    old, new = dict(_things(before)), dict(_things(after))
    gone = {key[1] for key in old.keys() - new.keys() if key[0] in _OWNERS}
    come = {key[1] for key in new.keys() - old.keys() if key[0] in _OWNERS}
    found = list[Difference]()
    for key in sorted(old.keys() | new.keys()):
        kind, name = key
        was, is_ = old.get(key), new.get(key)
        if was == is_:
            continue
        assert was is not None or is_ is not None
        owner = (was or is_ or _Thing("", "")).owner
        if owner and ((was is None and owner in come) or (is_ is None and owner in gone)):
            continue
        change = Change.CHANGED
        if was is None:
            change = Change.ADDED
        elif is_ is None:
            change = Change.REMOVED
        found.append(
            Difference(
                change,
                kind,
                name,
                None if was is None else was.definition,
                None if is_ is None else is_.definition,
            )
        )
    return tuple(found)


@dataclass(frozen=True)
class _Thing:
    definition: str
    owner: str


_OWNERS = {
    "schema",
    "table",
    "partitioned table",
    "foreign table",
    "view",
    "materialized view",
}


def _things(snapshot: Snapshot) -> Iterator[tuple[tuple[str, str], _Thing]]:
    for schema, content in snapshot.content["schemas"].items():
        yield ("schema", display_name(schema)), _Thing("", "")
        prefix = "" if schema == "public" else f"{display_name(schema)}."
        owner = display_name(schema)
        for group in ("tables", "views"):
            for table, relation in content[group].items():
                name = f"{prefix}{display_name(table)}"
                yield from _of_relation(relation, name, owner)
        for sequence, definition in content["sequences"].items():
            yield ("sequence", f"{prefix}{display_name(sequence)}"), _Thing(definition, owner)
        for type_, found in content["types"].items():
            name = f"{prefix}{display_name(type_)}"
            yield (f"{found['kind']} type", name), _Thing(found["definition"], owner)
        for signature, found in content["functions"].items():
            yield (found["kind"], f"{prefix}{signature}"), _Thing(found["definition"], owner)
    for group, kind in _OF_THE_DATABASE.items():
        for name, definition in snapshot.content.get(group, {}).items():
            yield (kind, display_name(name)), _Thing(definition, "")


def _of_relation(
    relation: dict[str, Any], name: str, schema: str
) -> Iterator[tuple[tuple[str, str], _Thing]]:
    columns = ", ".join(
        f"{display_name(each['name'])} {each['type']}" for each in relation["columns"]
    )
    properties = [
        f"{key.replace('_', ' ')} {_text(relation[key])}" for key in _PROPERTIES if key in relation
    ]
    yield (relation["kind"], name), _Relation("; ".join(properties), schema, f"({columns})")
    for column in relation["columns"]:
        definition = column_text(column)
        yield ("column", f"{name}.{display_name(column['name'])}"), _Thing(definition, name)
    for group, kind in _PARTS.items():
        for part, definition in relation.get(group, {}).items():
            yield (kind, f"{name}.{display_name(part)}"), _Thing(definition, name)


@dataclass(frozen=True)
class _Relation(_Thing):
    """A table, whose columns are compared by themselves."""

    columns: str

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Relation) and self.definition == other.definition

    def __hash__(self) -> int:
        return hash(self.definition)


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def column_text(column: dict[str, Any]) -> str:
    """Return the definition of a column as one would write it.

    >>> column_text({"name": "n", "type": "integer", "not_null": True, "default": "0"})
    'integer NOT NULL DEFAULT 0'
    """
    words = [column["type"]]
    for key, word in (
        ("collation", "COLLATE"),
        ("storage", "STORAGE"),
        ("compression", "COMPRESSION"),
    ):
        if key in column:
            words += [word, column[key]]
    if column.get("not_null"):
        words.append("NOT NULL")
    if "default" in column:
        words += ["DEFAULT", column["default"]]
    if "generated" in column:
        how = "STORED" if column["stored"] else "VIRTUAL"
        words.append(f"GENERATED ALWAYS AS ({column['generated']}) {how}")
    if "identity" in column:
        words.append(f"GENERATED {column['identity'].upper()} AS IDENTITY")
    if "comment" in column:
        words.append(f"COMMENT {column['comment']!r}")
    return " ".join(words)
