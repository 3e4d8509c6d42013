"""Every class of changes, one file a family. To import this package registers all kinds."""

from . import (
    columns,
    constraints,
    extensions,
    indexes,
    objects,
    parking,
    raw,
    reshaping,
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
    "reshaping",
    "row_security",
    "rows",
    "tables",
]
