"""Reading the schema of a database from its catalogs."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection

from alembic_zanith.identifiers import display_name, is_zanith_name
from alembic_zanith.integrity import pinned_settings
from alembic_zanith.sql import rows

from . import queries
from .model import FORMAT, Snapshot

_KINDS = {
    "r": "table",
    "p": "partitioned table",
    "f": "foreign table",
    "v": "view",
    "m": "materialized view",
}
_STORAGE = {"p": "PLAIN", "e": "EXTERNAL", "m": "MAIN", "x": "EXTENDED"}
_COMPRESSION = {"p": "pglz", "l": "lz4"}
_FIRED = {"O": "", "D": "disabled", "R": "replica", "A": "always"}
_COMMANDS = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE", "*": "ALL"}
_TYPES = {"e": "enum", "d": "domain", "c": "composite", "r": "range"}
_FUNCTIONS = {"f": "function", "p": "procedure", "a": "aggregate", "w": "window function"}


def take_snapshot(
    connection: Connection,
    *,
    archive_schema: str,
    schemas: Collection[str] | None = None,
    version_tables: Collection[tuple[str, str]] = (),
) -> Snapshot:
    """Return the schema of the database, or of some `schemas` of it.

    Left out are owners and grants, which differ from server to server; members of extensions;
    the tables that Alembic (`version_tables`, as schema and name) and this package keep; and all
    that is parked: a soft drop looks like a drop. Of sequences the definition counts, not the
    value. The order of columns is kept, for whoever wants to see it.

    Example::

        before = take_snapshot(connection, archive_schema="_zanith_archive")
        differences(before, take_snapshot(connection, archive_schema="_zanith_archive"))
    """
    with pinned_settings(connection):
        return _Reader(connection, archive_schema, schemas, set(version_tables)).snapshot()


class _Reader:
    def __init__(
        self,
        connection: Connection,
        archive_schema: str,
        schemas: Collection[str] | None,
        version_tables: set[tuple[str, str]],
    ) -> None:
        self._connection = connection
        self._scope = {
            "schemas": None if schemas is None else list(schemas),
            "without": [archive_schema],
        }
        self._wanted = schemas
        self._version_tables = version_tables
        self._schemas: dict[str, dict[str, Any]] = {}
        self._relations: dict[int, dict[str, Any]] = {}

    def snapshot(self) -> Snapshot:
        for (name,) in self._rows(queries.SCHEMAS):
            self._schemas[name] = {
                "tables": {},
                "views": {},
                "sequences": {},
                "types": {},
                "functions": {},
            }
        self._read_relations()
        self._read_columns()
        self._read_parts()
        self._read_others()
        content: dict[str, Any] = {"format": FORMAT, "schemas": self._schemas}
        if self._wanted is None:
            content |= self._of_the_database()
        return Snapshot(content)

    def _rows(self, query: str) -> list[Any]:
        return rows(self._connection, query, **self._scope)

    def _read_relations(self) -> None:
        for oid, schema, name, kind, definition, properties in self._rows(queries.RELATIONS):
            if is_zanith_name(name) or (schema, name) in self._version_tables:
                continue
            relation: dict[str, Any] = {"kind": _KINDS[kind], **json.loads(properties)}
            if definition is not None:
                relation["definition"] = definition.strip()
            relation["columns"] = []
            self._relations[oid] = relation
            self._schemas[schema]["views" if kind in "vm" else "tables"][name] = relation

    def _read_columns(self) -> None:
        for oid, name, type_, not_null, default, identity, generated, *rest in self._rows(
            queries.COLUMNS
        ):
            if oid not in self._relations or is_zanith_name(name):
                continue
            collation, storage, compression, comment = rest
            column: dict[str, Any] = {"name": name, "type": type_}
            if not_null:
                column["not_null"] = True
            if generated:
                column["generated"] = default
                column["stored"] = generated == "s"
            elif default is not None:
                column["default"] = default
            if identity:
                column["identity"] = "always" if identity == "a" else "by default"
            if collation is not None:
                column["collation"] = collation
            if storage is not None:
                column["storage"] = _STORAGE.get(storage, storage)
            if compression is not None:
                column["compression"] = _COMPRESSION.get(compression, compression)
            if comment is not None:
                column["comment"] = comment
            self._relations[oid]["columns"].append(column)

    def _read_parts(self) -> None:
        for oid, name, definition in self._rows(queries.CONSTRAINTS):
            self._add(oid, "constraints", name, definition)
        for oid, name, definition, valid, clustered, is_identity in self._rows(queries.INDEXES):
            notes = ["invalid"] * (not valid) + ["clustered"] * clustered
            notes += ["replica identity"] * is_identity
            self._add(oid, "indexes", name, _noted(definition, notes))
        for oid, name, definition, fired in self._rows(queries.TRIGGERS):
            self._add(oid, "triggers", name, _noted(definition, [_FIRED.get(fired, fired)]))
        for oid, name, command, permissive, roles, using, check in self._rows(queries.POLICIES):
            words = ["PERMISSIVE" if permissive else "RESTRICTIVE", "FOR", _COMMANDS[command]]
            words += ["TO", roles] + (["USING", f"({using})"] if using else [])
            words += ["WITH CHECK", f"({check})"] if check else []
            self._add(oid, "policies", name, " ".join(words))
        for oid, name, definition, fired in self._rows(queries.RULES):
            self._add(oid, "rules", name, _noted(definition, [_FIRED.get(fired, fired)]))
        for oid, name, definition in self._rows(queries.STATISTICS):
            self._add(oid, "statistics", name, definition)

    def _add(self, oid: int, kind: str, name: str, definition: str) -> None:
        if oid in self._relations and not is_zanith_name(name):
            self._relations[oid].setdefault(kind, {})[name] = definition

    def _read_others(self) -> None:
        for schema, name, type_, start, increment, low, high, cache, cycle, owner in self._rows(
            queries.SEQUENCES
        ):
            if not is_zanith_name(name):
                text = f"AS {type_} START {start} INCREMENT {increment} MINVALUE {low}"
                text += f" MAXVALUE {high} CACHE {cache}" + (" CYCLE" if cycle else "")
                if owner and not any(map(is_zanith_name, owner[1:])):
                    text += f" OWNED BY {'.'.join(map(display_name, owner))}"
                self._schemas[schema]["sequences"][name] = text
        for schema, name, kind, definition in self._rows(queries.TYPES):
            if not is_zanith_name(name):
                text = f"{_TYPES[kind]} ({definition})" if kind in "ec" else f"{definition}"
                self._schemas[schema]["types"][name] = {"kind": _TYPES[kind], "definition": text}
        for schema, signature, kind, definition in self._rows(queries.FUNCTIONS):
            if not is_zanith_name(signature):
                self._schemas[schema]["functions"][signature] = {
                    "kind": _FUNCTIONS[kind],
                    "definition": definition.strip(),
                }

    def _of_the_database(self) -> dict[str, Any]:
        return {
            "extensions": {
                name: f"version {version} in {schema}"
                for name, version, schema in rows(self._connection, queries.EXTENSIONS)
            },
            "event_triggers": {
                name: _noted(
                    f"ON {event} EXECUTE {function}" + (f" WHEN TAG IN ({tags})" if tags else ""),
                    [_FIRED.get(fired, fired)],
                )
                for name, event, function, fired, tags in rows(
                    self._connection, queries.EVENT_TRIGGERS
                )
            },
            "publications": {
                name: _publication(*rest)
                for name, *rest in rows(self._connection, queries.PUBLICATIONS)
            },
        }


def _publication(
    of_all: bool, insert: bool, update: bool, delete: bool, truncate: bool, tables: str | None
) -> str:
    actions = {"insert": insert, "update": update, "delete": delete, "truncate": truncate}
    published = ", ".join(name for name, is_on in actions.items() if is_on)
    return f"FOR {'ALL TABLES' if of_all else f'TABLE {tables}'} ({published})"


def _noted(definition: str, notes: list[str]) -> str:
    shown = ", ".join(note for note in notes if note)
    return f"{definition} ({shown})" if shown else definition
