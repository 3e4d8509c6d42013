"""Every kind of change, one file a family."""

from . import (
    columns,
    constraints,
    extensions,
    indexes,
    objects,
    parking,
    raw,
    row_security,
    rows,
    tables,
)

__all__ = [
    "columns",
    "constraints",
    "extensions",
    "indexes",
    "objects",
    "parking",
    "raw",
    "row_security",
    "rows",
    "tables",
]
