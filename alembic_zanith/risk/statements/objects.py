"""CREATE of everything, and ALTER of all but tables."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from alembic_zanith.risk.change import Change, Lock, TableRef
from alembic_zanith.risk.changes import (
    extensions,
    indexes,
    objects,
    row_security,
    tables,
)
from alembic_zanith.risk.changes.defined import Trigger
from alembic_zanith.risk.changes.raw import Harmless
from alembic_zanith.risk.schemas import in_schemas

from .functions import calls, calls_in
from .parser import Node, Statement, enum_name, strings, unwrap
from .registry import read_node, statement
from .values import is_temporary, object_word, table, table_of


@statement("create_stmt", "create_foreign_table_stmt")
def create_table(each: Statement) -> Iterator[Change]:
    node = each.node.base_stmt if each.name == "create_foreign_table_stmt" else each.node
    made = table(node.relation)
    above = tuple(table(unwrap(parent)[1]) for parent in node.inh_relations)
    is_partition = node.HasField("partbound")
    yield tables.CreateTable(
        made,
        node.if_not_exists,
        tuple(dict.fromkeys(parent for parent in _parents(node) if parent != made)),
        above[0] if is_partition else None,
        () if is_partition else above,
        is_temporary(node.relation),
        enum_name(node, "oncommit") == "ONCOMMIT_DROP",
        is_foreign=each.name == "create_foreign_table_stmt",
    )


def _parents(node: Node) -> Iterator[TableRef]:
    """Yield the tables that foreign keys of a new table point to."""
    for element in node.table_elts:
        kind, content = unwrap(element)
        if kind == "constraint" and content.HasField("pktable"):
            yield table(content.pktable)
        elif kind == "column_def":
            for constraint in content.constraints:
                _, inner = unwrap(constraint)
                if inner.HasField("pktable"):
                    yield table(inner.pktable)


@statement("create_table_as_stmt")
def create_table_as(each: Statement) -> Iterator[Change]:
    what = object_word(enum_name(each.node, "objtype"))
    into = each.node.into
    made = table(into.rel)
    if what == "table":
        yield tables.CreateTable(
            made,
            each.node.if_not_exists,
            is_temporary=is_temporary(into.rel),
            ends_with_transaction=enum_name(into, "on_commit") == "ONCOMMIT_DROP",
        )
    else:
        yield objects.CreateObject(what, str(made), if_not_exists=each.node.if_not_exists)
    if not into.skip_data or what == "table":
        # What it selects may delete in its WITH, call functions, or be a prepared statement.
        found = read_node(*unwrap(each.node.query), each.text)
        yield from (change for change in found if not isinstance(change, Harmless))


@statement("index_stmt")
def create_index(each: Statement) -> Iterator[Change]:
    node = each.node
    columns = _plain_columns(node)
    yield indexes.AddIndex(
        table(node.relation),
        node.idxname,
        node.unique,
        node.concurrent,
        node.if_not_exists,
        columns=columns,
    )
    if not columns:
        yield from calls(node)


def _plain_columns(node: Node) -> tuple[str, ...]:
    """Return the columns of an index that is made of nothing else."""
    more = node.HasField("where_clause") or node.index_including_params or node.options
    if more or node.nulls_not_distinct or node.access_method != "btree" or node.table_space:
        return ()
    elements = [unwrap(each)[1] for each in node.index_params]
    plain = all(
        each.name
        and not (each.opclass or each.collation or each.opclassopts)
        and enum_name(each, "ordering") == "SORTBY_DEFAULT"
        and enum_name(each, "nulls_ordering") == "SORTBY_NULLS_DEFAULT"
        for each in elements
    )
    return tuple(str(each.name) for each in elements) if plain else ()


@statement("create_extension_stmt")
def create_extension(each: Statement) -> Iterator[Change]:
    yield extensions.CreateExtension(each.node.extname)


@statement("alter_extension_stmt", "alter_extension_contents_stmt")
def alter_extension(each: Statement) -> Iterator[Change]:
    yield extensions.AlterExtension(each.node.extname)


@statement("create_policy_stmt")
def create_policy(each: Statement) -> Iterator[Change]:
    yield row_security.CreatePolicy(table(each.node.table), each.node.policy_name)
    yield from calls_in(each)  # which run in the statements of everybody from here on


@statement("alter_policy_stmt")
def alter_policy(each: Statement) -> Iterator[Change]:
    yield row_security.AlterPolicy(table(each.node.table), each.node.policy_name)
    yield from calls_in(each)


# The names of what is made, as the grammar has them.
_MADE: dict[str, tuple[str, Callable[[Node], str]]] = {
    "create_schema_stmt": ("schema", lambda node: node.schemaname),
    "create_seq_stmt": ("sequence", lambda node: str(table(node.sequence))),
    "create_enum_stmt": ("type", lambda node: ".".join(strings(node.type_name))),
    "create_range_stmt": ("type", lambda node: ".".join(strings(node.type_name))),
    "composite_type_stmt": ("type", lambda node: str(table(node.typevar))),
    "create_domain_stmt": ("domain", lambda node: ".".join(strings(node.domainname))),
    "create_stats_stmt": ("statistics", lambda node: ".".join(strings(node.defnames))),
    "create_cast_stmt": ("cast", lambda node: ".".join(strings(node.sourcetype.names))),
    "create_conversion_stmt": ("conversion", lambda node: ".".join(strings(node.conversion_name))),
    "create_op_class_stmt": ("operator class", lambda node: ".".join(strings(node.opclassname))),
    "create_op_family_stmt": ("operator family", lambda node: ".".join(strings(node.opfamilyname))),
    "create_transform_stmt": ("transform", lambda node: node.lang),
    "create_am_stmt": ("access method", lambda node: node.amname),
    "create_fdw_stmt": ("foreign data wrapper", lambda node: node.fdwname),
    "create_foreign_server_stmt": ("server", lambda node: node.servername),
    "create_user_mapping_stmt": ("user mapping", lambda node: node.servername),
    "create_publication_stmt": ("publication", lambda node: node.pubname),
    "create_plang_stmt": ("language", lambda node: node.plname),
    "import_foreign_schema_stmt": ("foreign schema", lambda node: node.remote_schema),
}


@statement(*_MADE)
def create(each: Statement) -> Iterator[Change]:
    what, name_of = _MADE[each.name]
    exists = bool(getattr(each.node, "if_not_exists", False))
    on = next((table(unwrap(node)[1]) for node in getattr(each.node, "relations", ())), None)
    lock = Lock.NONE if on is None else Lock.SHARE_UPDATE_EXCLUSIVE
    yield objects.CreateObject(what, name_of(each.node), table=on, lock=lock, if_not_exists=exists)
    for node in getattr(each.node, "schema_elts", ()):
        for made in read_node(*unwrap(node), each.text):
            yield in_schemas(made, {None: each.node.schemaname})


@statement("define_stmt")
def define(each: Statement) -> Iterator[Change]:
    made = objects.ReplaceObject if each.node.replace else objects.CreateObject
    what = object_word(enum_name(each.node, "kind"))
    yield made(what, ".".join(strings(each.node.defnames)))


@statement("view_stmt")
def create_view(each: Statement) -> Iterator[Change]:
    name = str(table(each.node.view))
    if each.node.replace:
        yield objects.ReplaceObject("view", name, lock=Lock.ACCESS_EXCLUSIVE)
    else:
        yield objects.CreateObject("view", name)


# How the grammar counts the events of triggers, and those of rules.
_EVENTS = {4: "insert", 8: "delete", 16: "update", 32: "truncate"}
_COMMANDS = {"CMD_INSERT": "insert", "CMD_DELETE": "delete", "CMD_UPDATE": "update"}


@statement("create_trig_stmt")
def create_trigger(each: Statement) -> Iterator[Change]:
    # It runs in the writes of everybody from here on.
    node, on = each.node, table(each.node.relation)
    events = frozenset(word for bit, word in _EVENTS.items() if node.events & bit)
    trigger = Trigger(node.trigname, on, events, calls=table_of(strings(node.funcname)))
    name = f"{node.trigname} of {on}"
    lock = Lock.SHARE_ROW_EXCLUSIVE
    yield objects.AddTrigger("trigger", name, table=on, lock=lock, defines=trigger)


@statement("create_event_trig_stmt", "alter_event_trig_stmt")
def event_trigger(each: Statement) -> Iterator[Change]:
    yield objects.AddTrigger("event trigger", each.node.trigname)


@statement("rule_stmt")
def create_rule(each: Statement) -> Iterator[Change]:
    node, on = each.node, table(each.node.relation)
    command = _COMMANDS.get(enum_name(node, "event"))
    found = [change for action in node.actions for change in read_node(*unwrap(action), each.text)]
    does = tuple(change for change in found if not isinstance(change, Harmless))
    rule = Trigger(node.rulename, on, frozenset([command] if command else []), does=does)
    name = f"{node.rulename} of {on}"
    lock = Lock.ACCESS_EXCLUSIVE
    yield objects.AddTrigger("rule", name, table=on, lock=lock, defines=rule)


@statement("alter_enum_stmt")
def alter_enum(each: Statement) -> Iterator[Change]:
    name = ".".join(strings(each.node.type_name))
    if each.node.old_val:
        yield objects.RenameObject("label", f"{each.node.old_val!r} of {name}")
    else:
        yield objects.AddEnumValue("type", name)


@statement("alter_domain_stmt")
def alter_domain(each: Statement) -> Iterator[Change]:
    name = ".".join(strings(each.node.type_name))
    # In the grammar: T default, N / O drop and set NOT NULL, C / X add and drop, V validate.
    if each.node.subtype in ("C", "O", "V"):
        yield objects.ReplaceObject("constraint of domain", name)
    elif each.node.subtype == "X":
        yield objects.DropObject("constraint of domain", name)
    else:
        yield objects.AlterObject("domain", name)


# Other options of what stays what it is.
_ALTERED = {
    "alter_collation_stmt": "collation",
    "alter_database_refresh_coll_stmt": "database",
    "alter_database_stmt": "database",
    "alter_fdw_stmt": "foreign data wrapper",
    "alter_foreign_server_stmt": "server",
    "alter_function_stmt": "function",
    "alter_object_depends_stmt": "object",
    "alter_op_family_stmt": "operator family",
    "alter_operator_stmt": "operator",
    "alter_publication_stmt": "publication",
    "alter_seq_stmt": "sequence",
    "alter_stats_stmt": "statistics",
    "alter_subscription_stmt": "subscription",
    "alter_table_space_options_stmt": "tablespace",
    "alter_tsconfiguration_stmt": "text search configuration",
    "alter_tsdictionary_stmt": "text search dictionary",
    "alter_type_stmt": "type",
    "alter_user_mapping_stmt": "user mapping",
}


@statement(*_ALTERED)
def alter(each: Statement) -> Iterator[Change]:
    what = _ALTERED[each.name]
    yield objects.AlterObject(what, _name_of(each, what))


def _name_of(each: Statement, what: str) -> str:
    """Return the first field that names something; which one it is differs by statement."""
    for field in ("dbname", "fdwname", "servername", "pubname", "subname", "tablespacename"):
        if field in each.node.DESCRIPTOR.fields_by_name:
            return str(getattr(each.node, field))
    # ALTER, the words of the object, its name.
    words = re.sub(r"\bIF\s+EXISTS\b", "", each.text, flags=re.IGNORECASE).split()
    return "".join(words[1 + len(what.split()) :][:1])
