"""The receipt of a rehearsal: what it is good for, which is exactly what was rehearsed."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import itemgetter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic.util import to_tuple

from alembic_zanith.errors import ZanithError

from .loaded import is_loaded_from
from .receipt_file import AGAIN, UnusableReceiptError, read_receipt, write_receipt
from .rehearsal import OK, Receipt, Rehearsal, Rehearsed

if TYPE_CHECKING:
    from alembic.runtime.migration import MigrationContext
    from alembic.script import Script

__all__ = [
    "Receipt",
    "Rehearsal",
    "Rehearsed",
    "UnusableReceiptError",
    "database_of",
    "edited_since",
    "read_receipt",
    "rehearsed",
    "why_not",
    "write_receipt",
]

_SKEW = timedelta(minutes=5)
"""How far the clocks of two machines may be apart."""


def database_of(context: MigrationContext, arguments: Mapping[str, Any]) -> str | None:
    """Return what env.py calls a database, as in the template multidb; None where it has no name.

    `arguments` are those that it hands to the scripts. The name is for `Rehearsal.database`, and
    what `why_not` finds the right one by.
    """
    token = str(context.opts.get("upgrade_token", ""))
    name = token.removesuffix("_upgrades")
    if name not in ("", "upgrades"):
        return name
    given = arguments.get("engine_name")
    return None if given is None else str(given)


def rehearsed(scripts: Iterable[Script]) -> tuple[Rehearsed, ...]:
    """Return scripts with the digests of their files as these are now, in the same order.

    To be called as soon as scripts are loaded, before the first of them runs. A script without a
    source, of a project with `sourceless`, has the digest of its .pyc.

    Raises `ZanithError` where a file cannot be read, or has not what was loaded any more.
    """
    return tuple(map(_rehearsed, scripts))


def _rehearsed(script: Script) -> Rehearsed:
    down = tuple(to_tuple(script.down_revision, default=()))
    # The one that Alembic has loaded: that may be a .pyc though the path is of a .py.
    path = Path(getattr(script.module, "__file__", None) or script.path)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ZanithError(
            f"Nobody can tell what revision {script.revision} is: {_shown(path)} cannot be read "
            f"({error.strerror}). Bring the file back."
        ) from error
    if path.suffix == ".py" and not is_loaded_from(script.module, content):
        raise ZanithError(
            f"Revision {script.revision} is not loaded from what {_shown(path)} has now: it was "
            "edited in the meantime, or __pycache__ beside it is stale. Remove that, and start "
            "again."
        )
    return Rehearsed(script.revision, down, hashlib.sha256(content).hexdigest())


def why_not(
    path: Path,
    pending: Sequence[Script],
    heads: Sequence[str] | None,
    *,
    max_age_ms: int | None,
    now: datetime,
    server_version: str | None,
    database: str | None = None,
) -> str | None:
    """Return why a receipt is not good for running exactly these scripts, or None where it is.

    `pending` are in the order in which they run, `heads` is where the database stands, `now` has a
    time zone, `server_version` is that of the server that they run on, `database` is what
    `database_of` says. What is None is not compared; without `max_age_ms` no receipt is too old.

    Example::

        reason = why_not(Path("zanith-verify.json"), scripts, heads, max_age_ms=86_400_000,
                         now=datetime.now(UTC), server_version="17.2")
        if reason is not None:
            raise RefusedError(reason)
    """
    try:
        receipt = read_receipt(path)
        run = _Run(path, rehearsed(pending), pending, heads, server_version)
    except ZanithError as error:
        return str(error)
    return (
        _out_of_date(path, receipt.created_at, max_age_ms, now)
        or _not_ok(path, receipt.rehearsals)
        or _unfit(run, receipt.rehearsals, database)
    )


def edited_since(path: Path, pending: Iterable[Script]) -> str | None:
    """Return which of these scripts was rehearsed and then edited, as a sentence; else None.

    None as well where there is no receipt that anybody could read. For runs that need none.
    """
    try:
        receipt = read_receipt(path)
        scripts = tuple(pending)
        now = rehearsed(scripts)
    except ZanithError:
        return None
    for rehearsal in receipt.rehearsals:
        then = {each.revision: each for each in rehearsal.scripts}
        for script, each in zip(scripts, now, strict=True):
            if each != then.get(each.revision, each):
                return _edited(path, script)
    return None


# -- what a receipt may not be good for --------------------------------------------------


def _out_of_date(
    path: Path, created_at: datetime, max_age_ms: int | None, now: datetime
) -> str | None:
    age = now - created_at
    if age < -_SKEW:
        written, here = (f"{each.astimezone(UTC):%Y-%m-%d %H:%M:%S}" for each in (created_at, now))
        return (
            f"The receipt {path} is from the future: it was written at {written} UTC, and the "
            f"clock here says {here}. Set the clocks right. {AGAIN}"
        )
    if max_age_ms is None or age <= timedelta(milliseconds=max_age_ms):
        return None
    # A little more is not as much as is allowed.
    is_old = timedelta(seconds=math.ceil(age.total_seconds()))
    return (
        f"The receipt {path} is too old: {is_old}, and it was good for "
        f"{timedelta(milliseconds=max_age_ms)} (receipt_max_age). {AGAIN}"
    )


def _not_ok(path: Path, rehearsals: Iterable[Rehearsal]) -> str | None:
    for each in rehearsals:
        if each.verdict != OK:
            of = "" if each.database is None else f" of {each.database}"
            return (
                f"The receipt {path} is of a rehearsal{of} that was not ok, but ended as "
                f"{each.verdict}. Run alembic zanith-verify again, and see why."
            )
    return None


@dataclass(frozen=True)
class _Run:
    """What is about to run; `scripts` and `pending` are the same."""

    path: Path
    scripts: tuple[Rehearsed, ...]
    pending: Sequence[Script]
    heads: Sequence[str] | None
    server_version: str | None

    @property
    def revisions(self) -> list[str]:
        return [each.revision for each in self.scripts]


def _unfit(run: _Run, rehearsals: Sequence[Rehearsal], database: str | None) -> str | None:
    """Return what is wrong with the rehearsal that comes closest to the run."""
    found = [_difference(each, run) for each in rehearsals if database in (None, each.database)]
    differences = [each for each in found if each is not None]
    if len(differences) < len(found):
        return None
    if differences:
        return max(differences, key=itemgetter(0))[1]
    names = ", ".join(each.database or "one without a name" for each in rehearsals)
    which = "any database" if database is None else f"the database {database}"
    about = f", but about {names}" if names else ""
    return f"The receipt {run.path} is not about {which}{about}. {AGAIN}"


def _difference(rehearsal: Rehearsal, run: _Run) -> tuple[int, str] | None:
    """Return the first difference, and its number: the higher, the less there is."""
    for number, difference in enumerate(_DIFFERENCES):
        reason = difference(rehearsal, run)
        if reason is not None:
            return number, reason
    return None


def _other_revisions(rehearsal: Rehearsal, run: _Run) -> str | None:
    then, now = [each.revision for each in rehearsal.scripts], run.revisions
    if then == now:
        return None
    more = [each for each in now if each not in then]
    less = [each for each in then if each not in now]
    parts = [f"{_were(more)} not rehearsed and would run"] if more else []
    parts += [f"{_were(less)} rehearsed and would not run"] if less else []
    if not parts:
        return (
            f"The receipt {run.path} is about another order: {', '.join(then)} were rehearsed, "
            f"and {', '.join(now)} would run. {AGAIN}"
        )
    return (
        f"The receipt {run.path} is about other revisions: {'; '.join(parts)}. Run what was "
        "rehearsed, or alembic zanith-verify again for what is to run."
    )


def _were(revisions: Sequence[str]) -> str:
    return f"{', '.join(revisions)} {'was' if len(revisions) == 1 else 'were'}"


def _other_scripts(rehearsal: Rehearsal, run: _Run) -> str | None:
    for then, now, script in zip(rehearsal.scripts, run.scripts, run.pending, strict=True):
        if then != now:
            return _edited(run.path, script)
    return None


def _edited(path: Path, script: Script) -> str:
    return (
        f"Revision {script.revision} was edited after its rehearsal: {_shown(script.path)} is not "
        f"the file that the receipt {path} is about. {AGAIN}"
    )


def _other_start(rehearsal: Rehearsal, run: _Run) -> str | None:
    if run.heads is None or set(rehearsal.heads) == set(run.heads):
        return None
    then, now = (", ".join(sorted(each)) or "base" for each in (rehearsal.heads, run.heads))
    return (
        f"The receipt {run.path} is of a rehearsal that began at {then}, and the database is at "
        f"{now}. {AGAIN}"
    )


def _other_server(rehearsal: Rehearsal, run: _Run) -> str | None:
    then, now = rehearsal.server_version, run.server_version
    if now is None or _major(then) == _major(now):
        return None
    return (
        f"The receipt {run.path} is of a rehearsal on PostgreSQL {then}, and the server has "
        f"{now}. Run alembic zanith-verify again with a shadow of the same major version."
    )


_DIFFERENCES: tuple[Callable[[Rehearsal, _Run], str | None], ...] = (
    _other_revisions,
    _other_scripts,
    _other_start,
    _other_server,
)


def _major(version: str) -> str:
    """Return `18` of `18.1 (Debian 18.1-1)` and of `18beta2`."""
    digits = re.match(r"\d+", version)
    return version if digits is None else digits[0]


def _shown(path: str | Path) -> str:
    """Return a path from the current folder on, if it is in there."""
    path = Path(path).absolute()
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)
