"""Which calls in a script can change a database, by what they are called on and by their names."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterator

from .handles import DRIVERS, Handle, Handles
from .names import BATCH, OP, Module

# They return something and send nothing.
HARMLESS_OPERATIONS = {
    "batch_alter_table",
    "f",
    "get_bind",
    "get_context",
    "implementation_for",
    "inline_literal",
    "register_operation",
}
_SEND = {
    "bulk_insert_mappings",
    "bulk_save_objects",
    "bulk_update_mappings",
    "add_all",
    "create",
    "create_all",
    "drop",
    "drop_all",
    "exec_driver_sql",
    "execute",
    "stream",
    "stream_scalars",
}
# Of a result they have no argument, and read what was sent already.
_SEND_WITH_ARGUMENT = {"scalar", "scalars"}
_OF_SESSION = {"add", "delete", "merge"}
_OF_QUERY = {"delete", "update"}
_ENGINES = {
    "create_engine",
    "create_async_engine",
    "engine_from_config",
    "async_engine_from_config",
}
_RUN_TEXT = {"exec", "eval", "__import__"}
_RUN_MODULES = {"importlib.import_module", "runpy.run_module", "runpy.run_path"}
# Packages that scripts often use and that know no database.
_QUIET = {"dateutil", "loguru", "pytz", "structlog", "tqdm", "typing_extensions", "ulid", "uuid6"}
_PROGRAMS = ("subprocess.", "os.exec", "os.spawn", "os.posix_spawn", "asyncio.create_subprocess")
_MORE_PROGRAMS = {"os.system", "os.popen", "os.startfile", "pty.spawn"}
_NO_PROGRAM = {"subprocess.list2cmdline", "subprocess.CalledProcessError", "subprocess.STARTUPINFO"}
# The drivers' names for COPY and for one statement with many rows; SQLAlchemy has none of them.
_ONLY_DRIVERS = {
    "copy_expert",
    "copy_from",
    "copy_from_query",
    "copy_from_table",
    "copy_records_to_table",
    "copy_to",
    "copy_to_table",
    "executemany",
}
_OF_DRIVERS = {"connect", "create_pool", "execute_batch", "execute_values", "ConnectionPool"}
_CONNECT = {"connect", "create_pool", "ConnectionPool"}
_HARMLESS_ON_DRIVERS = {
    "close",
    "commit",
    "cursor",
    "fetchall",
    "fetchmany",
    "fetchone",
    "mogrify",
    "raw_connection",
    "get_raw_connection",
    "rollback",
}
_LOOKED_INTO = ast.Name | ast.Attribute | ast.Lambda
_LOOKS_ONLY = {"bool", "closing", "aclosing", "cast", "getattr", "hasattr", "id", "isinstance"}
_LOOKS_ONLY |= {"len", "print", "repr", "str", "type", "enter_context", "enter_async_context"}


def matters(node: ast.AST, module: Module, handles: Handles) -> bool:
    """Whether it is a call that can change the database, or that nothing here can look into."""
    if goes_around(node, module, handles):
        return True
    if not isinstance(node, ast.Call):
        return False
    if any(_hands_over(each, module) for each in _arguments(node)):
        return True
    if not isinstance(node.func, _LOOKED_INTO) and _is_computed(node, module, handles):
        return True
    verdicts = [
        _by_origin(each, node, module, handles) for each in module.origins_of(node.func)
    ] or [None]
    return any(_by_name(node, module, handles) if each is None else each for each in verdicts)


def goes_around(node: ast.AST, module: Module, handles: Handles) -> bool:
    """Whether it reaches the database where SQLAlchemy does not see the statement."""
    if not isinstance(node, ast.Call):
        return _keeps_raw(node, handles)
    origins = module.origins_of(node.func)
    if any(_is_program(each) or _is_of_driver(each) for each in origins):
        return True
    match node.func:
        case ast.Attribute(value=value, attr=name):
            if name in _ONLY_DRIVERS:
                return True
            if Handle.RAW in handles.of(value) and name not in _HARMLESS_ON_DRIVERS:
                return True
        case ast.Name(id=name) if name in module.definitions:
            return False  # its own calls are looked at
        case ast.Name(id=name):
            pass
        case _:
            name = ""
    given = any(Handle.RAW in handles.of(each) for each in _arguments(node))
    return given and name not in _LOOKS_ONLY


def goes_elsewhere(node: ast.AST, module: Module, handles: Handles) -> bool:
    """Whether it calls a program, or connects with a driver by itself: to whichever database."""
    if not isinstance(node, ast.Call):
        return False
    return any(
        _is_program(each) or (_is_of_driver(each) and each.rpartition(".")[2] in _CONNECT)
        for each in module.origins_of(node.func)
    )


def _by_origin(origin: str, call: ast.Call, module: Module, handles: Handles) -> bool | None:
    """Return whether something imported matters; None where its name has to tell."""
    for owner in (BATCH, OP):
        name = origin.removeprefix(f"{owner}.")
        if name != origin and name.isidentifier():
            return name not in HARMLESS_OPERATIONS
    root, last = origin.partition(".")[0], origin.rpartition(".")[2]
    if root == "alembic":
        return True if origin.startswith("alembic.command.") else None
    if root == "sqlalchemy":
        return True if last in _ENGINES else None
    if root in sys.stdlib_module_names:
        return None if "()" in origin else origin in _RUN_MODULES
    if root in DRIVERS:
        return None
    if root in _QUIET:
        return False
    if "()" not in origin and last[:1].isupper():
        # A class, most often a type of columns; it matters where it is handed a connection.
        return any(_leads_there(each, module, handles) for each in _arguments(call))
    return True


def _is_computed(call: ast.Call, module: Module, handles: Handles) -> bool:
    """Whether it calls something of `op` or a connection whose name is worked out first."""
    if module.origins_of(call.func):
        return False  # it is known after all
    within = (each for each in ast.walk(call.func) if isinstance(each, ast.Name))
    return any(_leads_there(each, module, handles) for each in within)


def _by_name(call: ast.Call, module: Module, handles: Handles) -> bool:
    if _is_handed_on(call, module, handles):
        return True
    match call.func:
        case ast.Name(id=name):
            return name in _RUN_TEXT
        case ast.Attribute(value=owner, attr=name):
            if name in _SEND or (name in _SEND_WITH_ARGUMENT and (call.args or call.keywords)):
                return True
            if name in _OF_SESSION and Handle.SESSION in handles.of(owner):
                return True
            return name in _OF_QUERY and _is_query(owner, call)
    return False


def _is_query(owner: ast.expr, call: ast.Call) -> bool:
    if any(each.arg == "synchronize_session" for each in call.keywords):
        return True
    in_chain = (each for each in ast.walk(owner) if isinstance(each, ast.Call))
    return any(
        isinstance(each.func, ast.Attribute) and each.func.attr == "query" for each in in_chain
    )


def _hands_over(argument: ast.expr, module: Module) -> bool:
    """Whether a function that sends is an argument: `map(op.drop_table, names)`."""
    if not isinstance(argument, ast.Attribute | ast.Name):
        return False
    for origin in module.origins_of(argument):
        name = origin.removeprefix(f"{OP}.").removeprefix(f"{BATCH}.")
        if name != origin and name.isidentifier() and name not in HARMLESS_OPERATIONS:
            return True
    return isinstance(argument, ast.Attribute) and argument.attr in _SEND


def _is_handed_on(call: ast.Call, module: Module, handles: Handles) -> bool:
    """Whether something that is not looked into is given `op` or a way to the database."""
    if module.origins_of(call.func) or handles.of(call):
        return False
    if isinstance(call.func, ast.Name) and (
        call.func.id in module.definitions or hasattr(builtins, call.func.id)
    ):
        return False
    return any(_leads_there(each, module, handles) for each in _arguments(call))


def _leads_there(argument: ast.expr, module: Module, handles: Handles) -> bool:
    return bool(handles.of(argument) or module.origins_of(argument) & {OP, BATCH})


def _arguments(call: ast.Call) -> Iterator[ast.expr]:
    yield from call.args
    yield from (each.value for each in call.keywords)


def _is_program(origin: str) -> bool:
    if origin in _NO_PROGRAM or "()" in origin:
        return False
    return origin in _MORE_PROGRAMS or origin.startswith(_PROGRAMS)


def _is_of_driver(origin: str) -> bool:
    parts = origin.split(".")
    return parts[0] in DRIVERS and parts[-1] in _OF_DRIVERS


def _keeps_raw(node: ast.AST, handles: Handles) -> bool:
    """Whether a connection of the driver is put where it is not followed any further."""
    match node:
        case ast.Assign(targets=targets, value=value):
            kept = [value] if any(_is_place(each) for each in targets) else []
        case ast.Dict(values=values) | ast.List(elts=values) | ast.Set(elts=values):
            kept = values
        case ast.Yield(value=ast.expr() as value):
            kept = [value]
        case _:
            return False
    return any(Handle.RAW in handles.of(each) for each in kept)


def _is_place(target: ast.expr) -> bool:
    return isinstance(target, ast.Attribute | ast.Subscript)
