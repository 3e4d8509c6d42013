"""Functions that do more than their result says, and what they do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from alembic_zanith.risk.change import Change
from alembic_zanith.risk.changes import objects
from alembic_zanith.risk.changes.raw import RawSql, SetSearchPath

from .parser import Node, strings, unwrap
from .registry import changes_in

Effect = Callable[[str, Node], Iterator[Change]]
EFFECTS: dict[str, Effect] = {}
"""What a call of a function changes, from its name and the node of the call."""

E = TypeVar("E", bound=Effect)


def does(*names: str) -> Callable[[E], E]:
    """Register what functions of these names do."""

    def register(effect: E) -> E:
        EFFECTS.update(dict.fromkeys(names, effect))
        return effect

    return register


def constants(call: Node) -> list[str | None]:
    """Return the arguments of a call that are written out; None for each that is not."""
    found: list[str | None] = []
    for node in call.args:
        name, content = unwrap(node)
        if name == "type_cast":
            name, content = unwrap(content.arg)
        is_text = name == "a_const" and content.HasField("sval")
        found.append(str(content.sval.sval) if is_text else None)
    return found


@does("setval")
def set_sequence(name: str, call: Node) -> Iterator[Change]:
    sequence, *_ = [*constants(call), None]
    yield objects.AlterObject("sequence", "…" if sequence is None else sequence)


@does("set_config")
def set_config(name: str, call: Node) -> Iterator[Change]:
    setting, value, *_ = [*constants(call), None, None]
    if setting is None:
        yield RawSql(name, f"the name of the setting that {name} changes is computed")
    elif setting.lower() == "session_replication_role" and value != "origin":
        yield objects.DisableProtection("every trigger, by", f"{name}('{setting}', …)")
    elif setting.lower() == "search_path":
        is_local = _third_is_true(call)
        # Where nobody knows how long it holds, nobody knows where names are looked up.
        path = None if is_local is None else first_schema(value)
        yield SetSearchPath(f"{name}('search_path', …)", schema=path, is_local=bool(is_local))


def _third_is_true(call: Node) -> bool | None:
    """Whether the third argument of a call is true; None where it is not written out."""
    if len(call.args) < 3:
        return None
    name, content = unwrap(call.args[2])
    if name != "a_const" or not content.HasField("boolval"):
        return None
    return bool(content.boolval.boolval)


def first_schema(path: str | None) -> str | None:
    """Return the first schema of a search path that is one name for everybody."""
    first = (path or "").split(",")[0].strip().strip('"')
    return first if first and first != "$user" else None


@does("lo_unlink", "lo_truncate", "lo_truncate64")
def drop_large_objects(name: str, call: Node) -> Iterator[Change]:
    yield objects.DropLargeObject("large object", f"by {name}")


@does("lo_put", "lowrite")
def write_large_object(name: str, call: Node) -> Iterator[Change]:
    yield objects.AlterObject("large object", f"by {name}")


@does(
    "lo_export",
    "lo_import",
    "pg_cancel_backend",
    "pg_create_logical_replication_slot",
    "pg_create_physical_replication_slot",
    "pg_create_restore_point",
    "pg_drop_replication_slot",
    "pg_file_rename",
    "pg_file_unlink",
    "pg_file_write",
    "pg_logical_slot_get_binary_changes",
    "pg_logical_slot_get_changes",
    "pg_promote",
    "pg_read_binary_file",
    "pg_read_file",
    "pg_reload_conf",
    "pg_replication_origin_advance",
    "pg_replication_origin_create",
    "pg_replication_origin_drop",
    "pg_replication_slot_advance",
    "pg_rotate_logfile",
    "pg_switch_wal",
    "pg_terminate_backend",
    "pg_wal_replay_pause",
    "pg_wal_replay_resume",
)
def change_server(name: str, call: Node) -> Iterator[Change]:
    yield objects.AlterServer("function", name)


@does("dblink", "dblink_exec", "dblink_open", "dblink_send_query")
def other_database(name: str, call: Node) -> Iterator[Change]:
    yield RawSql(name, f"{name} runs SQL in another database")
    for text in constants(call)[-2:]:  # the connection may be named before the SQL
        if text is not None:
            yield from (each for each in changes_in(text) if not isinstance(each, RawSql))


@does("query_to_xml", "query_to_xmlschema", "query_to_xml_and_xmlschema", "ts_stat", "ts_rewrite")
def run_query(name: str, call: Node) -> Iterator[Change]:
    texts = [text for text in constants(call) if text and text.lstrip()[:6].lower() == "select"]
    if not texts and name.startswith("query"):
        yield RawSql(name, f"{name} runs a string that is computed")
    for text in texts:
        yield from changes_in(text)


def effect_of(call: Node) -> tuple[list[str], Effect | None]:
    """Return the name of the function that is called in parts, and what is known of it."""
    parts = strings(call.funcname)
    return parts, EFFECTS.get(parts[-1]) if _may_be_catalog(parts) else None


def _may_be_catalog(parts: list[str]) -> bool:
    return len(parts) == 1 or parts[-2] == "pg_catalog" or parts[-1].startswith("dblink")
