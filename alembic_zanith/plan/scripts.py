"""What is asked of scripts and their operations: text and line, names and schemas."""

from __future__ import annotations

import inspect
import sys
from functools import lru_cache
from pathlib import Path
from types import FrameType, ModuleType
from weakref import WeakKeyDictionary

from alembic.operations import MigrateOperation
from alembic.operations.ops import ExecuteSQLOp
from alembic.runtime.migration import MigrationContext
from alembic.script import Script
from sqlalchemy import TextClause

from alembic_zanith.risk.change import Change
from alembic_zanith.risk.reading import changes_of
from alembic_zanith.risk.schemas import Schemas, in_schemas

_SOURCES: WeakKeyDictionary[ModuleType, str] = WeakKeyDictionary()


def schemas_of(context: MigrationContext | None) -> Schemas:
    """Return the schemas that SQLAlchemy puts in place of those that a script names, if any.

    https://docs.sqlalchemy.org/en/20/core/connections.html#translation-of-schema-names
    """
    if context is None or context.as_sql or context.connection is None:
        return {}
    found: Schemas | None = context.connection.get_execution_options().get("schema_translate_map")
    return found or {}


def changes_in_schemas(operation: MigrateOperation, schemas: Schemas) -> tuple[Change, ...]:
    """Return what an operation changes. SQL that is written as text stays as it is."""
    changes = changes_of(operation)
    if not schemas:
        return changes
    if isinstance(operation, ExecuteSQLOp) and isinstance(operation.sqltext, str | TextClause):
        return changes
    return tuple(in_schemas(change, schemas) for change in changes)


def source_of(script: Script) -> str:
    """Return the text of a script. It is read once: a plan and its run look at the same."""
    source = _SOURCES.get(script.module)
    if source is None:
        try:
            source = Path(script.path).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            source = inspect.getsource(script.module)
        _SOURCES[script.module] = source
    return source


def line_in(path: str) -> int | None:
    """Return the line of a script that is running; None where none of it is."""
    frame: FrameType | None = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename == path:
            return frame.f_lineno
        frame = frame.f_back
    return None


def is_ours(operation: MigrateOperation) -> bool:
    """Whether the operation is one of this package's own."""
    return type(operation).__module__.startswith("alembic_zanith.")


def is_plain_sql(operation: MigrateOperation) -> bool:
    """Whether its SQL can be written ahead: operations that look around first have none."""
    return not is_ours(operation) or bool(getattr(operation, "writes_sql", False))


def operation_name(operation: MigrateOperation) -> str:
    """Return the name of an operation on `op`: `drop_column` of a `DropColumnOp`."""
    if isinstance(operation, ExecuteSQLOp):
        return "execute"
    return _name_of(type(operation).__module__, type(operation).__name__)


@lru_cache(maxsize=256)
def _name_of(module: str, cls: str) -> str:
    package = module.partition(".")[0]
    if package not in ("alembic", "alembic_zanith"):
        return f"{package}.{cls}"
    name = cls.removesuffix("Op")
    return "".join(f"_{c.lower()}" if c.isupper() else c for c in name).lstrip("_")
