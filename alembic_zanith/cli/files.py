"""Files that appear complete or not at all."""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from alembic_zanith.errors import ZanithError


@contextlib.contextmanager
def complete_file(path: Path, *, overwrite: bool) -> Iterator[BinaryIO]:
    """Give a file to write that gets its name only when the block ends well.

    Nobody but its owner can read it: it may hold what is not for every user of the machine. A
    device or a pipe is written to directly.

    Raises `ZanithError` when the file exists already and `overwrite` is false.
    """
    if path.exists() and not path.is_file():
        if path.is_dir():
            raise ZanithError(f"{path} is a folder. Give the name of a file in it.")
        with path.open("wb") as device:
            yield device
        return
    if path.exists() and not overwrite:
        raise _exists(path)
    part = path.with_name(f".zanith-{secrets.token_hex(8)}.part")
    try:
        with os.fdopen(_create(part), "wb") as output:
            yield output
            output.flush()
            os.fsync(output.fileno())
        _publish(part, path, overwrite)
    finally:
        part.unlink(missing_ok=True)


def _create(part: Path) -> int:
    try:
        return os.open(
            part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), 0o600
        )
    except OSError as error:
        raise ZanithError(f"Nothing was exported: {part.parent}: {error.strerror}.") from error


def _publish(part: Path, path: Path, overwrite: bool) -> None:
    if not overwrite:
        # Unlike a rename, a link never replaces a file that has come up in the meantime.
        try:
            path.hardlink_to(part)
        except FileExistsError:
            raise _exists(path) from None
        except OSError:  # a file system without links
            part.replace(path)
        return
    part.replace(path)


def _exists(path: Path) -> ZanithError:
    return ZanithError(
        f"{path} exists already and was left as it is. Give another name, or --force to replace it."
    )
