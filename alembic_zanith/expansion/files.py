"""Writing the two revisions into the project, as `alembic revision` does."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.util import CommandError, rev_id

from .scripts import Body

if TYPE_CHECKING:
    from alembic.config import Config
    from alembic.script import Script, ScriptDirectory


@dataclass(frozen=True)
class Place:
    """Where revisions go: on top of `head`, for the functions that env.py names by `tokens`.

    `ids` are those of both revisions; None lets Alembic choose.
    """

    head: str | None = None
    version_path: str | None = None
    ids: tuple[str | None, str | None] = (None, None)
    tokens: tuple[str, str] = ("upgrades", "downgrades")


def write_pair(
    config: Config,
    directory: ScriptDirectory,
    place: Place,
    bodies: Mapping[str, Body],
) -> list[Script]:
    """Write revisions one on top of the other, each with its message; return them.

    Raises `CommandError` where Alembic refuses, and then leaves none of them behind.
    """
    written: list[Script] = []
    with _taken_back(written):
        head = place.head
        for (message, body), given in zip(bodies.items(), place.ids, strict=True):
            upgrades, downgrades = place.tokens
            texts: dict[str, Any] = {"upgrades": "", "downgrades": "", "imports": ""}
            texts |= {upgrades: _indented(body.upgrade), downgrades: _indented(body.downgrade)}
            made = directory.generate_revision(
                given or rev_id(),
                message,
                head=head,
                version_path=place.version_path,
                refresh=True,
                config=config,
                **texts,
            )
            if made is None:
                raise CommandError("The revision was written where Alembic does not look for it.")
            written.append(made)
            head = made.revision
    return written


@contextmanager
def _taken_back(written: list[Script]) -> Iterator[None]:
    try:
        yield
    except BaseException:
        for each in written:
            Path(each.path).unlink(missing_ok=True)
        raise


def _indented(body: str) -> str:
    """Return a body as templates take it: they indent the first line."""
    return textwrap.indent(body, "    ").lstrip()
