"""Columns that leave and come back while others read and write, in steps of their own."""

from __future__ import annotations

from .archiving import OnlineArchive

__all__ = ["OnlineArchive"]
