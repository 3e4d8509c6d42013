"""Columns that leave and come back while others read and write, in steps that commit one by one."""

from __future__ import annotations

from .restoring import restore_column_online

__all__ = ["restore_column_online"]
