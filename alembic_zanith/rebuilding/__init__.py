"""Rebuild a table: build it in another shape beside the old one, copy the rows, swap the two."""

from __future__ import annotations

from .online import OnlineRebuild
from .shape import NewColumn
from .whole import Rebuild, rebuild_table

__all__ = ["NewColumn", "OnlineRebuild", "Rebuild", "rebuild_table"]
