"""Read SQL into changes: PostgreSQL's own grammar, one file a family of statements."""

from . import alter_table, drops, functions, names, objects, privileges, rows, sessions
from .registry import changes_in

__all__ = [
    "alter_table",
    "changes_in",
    "drops",
    "functions",
    "names",
    "objects",
    "privileges",
    "rows",
    "sessions",
]
