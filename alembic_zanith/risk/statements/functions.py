"""Functions that statements call, and the statements that define and run code."""

from __future__ import annotations

from collections.abc import Iterator

from alembic_zanith.risk.change import Change
from alembic_zanith.risk.changes import objects
from alembic_zanith.risk.changes.defined import Routine
from alembic_zanith.risk.changes.raw import Harmless, RawSql, SetSearchPath

from .catalog_functions import only_reads
from .known_functions import effect_of
from .parser import Node, Statement, descendants, string, strings, unwrap
from .plpgsql import changes_in_block, changes_in_body
from .registry import changes_in, read_node, statement
from .values import option, table_of, type_text


def calls(node: Node) -> Iterator[Change]:
    """Yield what the functions that are called anywhere in a statement change."""
    for name, call in descendants(node):
        if name == "func_call":
            yield from called(call)


def calls_in(each: Statement) -> Iterator[Change]:
    """Yield the same for a statement."""
    if may_call(each):
        yield from calls(each.node)


def may_call(each: Statement) -> bool:
    """Whether a look is worth while: every call of a function has a bracket in its text."""
    return "(" in each.text


def calls_in_expression(text: str) -> Iterator[Change]:
    """Yield the same for an expression that is written as SQL."""
    if "(" in text:
        yield from (each for each in changes_in(f"SELECT {text}") if not isinstance(each, Harmless))


def called(call: Node) -> Iterator[Change]:
    """Yield what one call changes: what is known of the function, or that nothing is."""
    parts, effect = effect_of(call)
    if effect is not None:
        yield from effect(parts[-1], call)
    elif not (parts[-2:-1] in ([], ["pg_catalog"]) and only_reads(parts[-1])):
        yield unseen("function", parts)


def unseen(what: str, parts: list[str]) -> RawSql:
    """Return that a routine is called whose body is not at hand; the plan may know it."""
    name = table_of(parts)
    return RawSql(str(name), f"the {what} {name} is not seen through", name)


@statement("call_stmt")
def call(each: Statement) -> Iterator[Change]:
    yield unseen("procedure", strings(each.node.funccall.funcname))
    for argument in each.node.funccall.args:
        yield from calls(argument)


@statement("create_function_stmt")
def create_function(each: Statement) -> Iterator[Change]:
    # To define it deletes nothing; what it does counts where it is called.
    made = objects.ReplaceObject if each.node.replace else objects.CreateObject
    what = "procedure" if each.node.is_procedure else "function"
    name = table_of(strings(each.node.funcname))
    does = tuple(_body(each, str(name)))
    if any(unwrap(node)[1].defname == "set" for node in each.node.options):
        # With a search path of its own, perhaps, which ends with the call.
        elsewhere = SetSearchPath(f"SET of {name}")
        does = (elsewhere, *does, elsewhere)
    routine = Routine(name, _arguments(each.node), does)
    yield made(what, str(name), defines=routine)


def _arguments(node: Node) -> str:
    types = (type_text(unwrap(each)[1].arg_type) for each in node.parameters)
    return ", ".join(types)


def _body(each: Statement, name: str) -> Iterator[Change]:
    node = each.node
    if node.HasField("sql_body"):
        yield from _atomic(node.sql_body, each.text)
        return
    language = _language(node)
    source = option(node.options, "as")
    texts = strings(unwrap(source)[1].items) if source is not None else []
    if language == "sql" and texts:
        yield from changes_in(texts[0])
    elif language == "plpgsql" and texts:
        yield from changes_in_body(each.text, texts[0], _result(node))
    else:
        yield RawSql(name, f"the body of {name} is not read: it is written in {language}")


def _language(node: Node) -> str:
    language = option(node.options, "language")
    return string(language).lower() if language is not None else "sql"


def _result(node: Node) -> str:
    return strings(node.return_type.names)[-1] if node.HasField("return_type") else "void"


def _atomic(node: Node, text: str) -> Iterator[Change]:
    """Yield what is between BEGIN ATOMIC and END, or behind RETURN."""
    name, content = unwrap(node)
    if name == "list":
        for item in content.items:
            yield from _atomic(item, text)
    elif name == "return_stmt":
        yield from calls(content)
    else:
        yield from read_node(name, content, text)


@statement("do_stmt")
def do(each: Statement) -> Iterator[Change]:
    language = option(each.node.args, "language")
    if language is not None and string(language).lower() != "plpgsql":
        yield RawSql(each.text[:80], f"it is written in {string(language)}, which is not read")
        return
    yield from changes_in_block(each.text)
