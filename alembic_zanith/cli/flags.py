"""Flags of a command, where settings read those of `alembic upgrade`."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from alembic.config import Config


@contextlib.contextmanager
def flags_set(config: Config, flags: Mapping[str, Any]) -> Iterator[None]:
    """Have settings read the flags that were given, in the block."""
    given = config.cmd_opts
    values = {f"zanith_{name}": value for name, value in flags.items() if value}
    config.cmd_opts = argparse.Namespace(**(vars(given) if given else {}), **values)
    try:
        yield
    finally:
        config.cmd_opts = given
