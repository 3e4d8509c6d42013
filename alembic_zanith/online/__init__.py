"""Columns that leave and come back while others read and write, in steps of their own."""

from __future__ import annotations

from .archiving import OnlineArchive
from .restoring import restore_column_online

__all__ = ["OnlineArchive", "restore_column_online"]
