"""The receipt of a rehearsal: what it says, and whether it is good for what is about to run."""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from alembic_zanith.errors import ZanithError

if TYPE_CHECKING:
    from alembic.script import Script

FORMAT = 1
_SKEW = dt.timedelta(minutes=5)
"""Clocks of two machines may differ by so much."""

AGAIN = "Run `alembic zanith-verify` again."


@dataclass(frozen=True)
class Rehearsed:
    """One script as it was rehearsed; `digest` is the SHA-256 of its file."""

    revision: str
    down_revisions: tuple[str, ...]
    digest: str


@dataclass(frozen=True)
class RehearsedDatabase:
    """One database of the project: from where it was, by which scripts, on which servers.

    `scripts` are in the order in which they ran. `database` is its name in a project with several.
    """

    database: str | None
    heads: tuple[str, ...]
    scripts: tuple[Rehearsed, ...]
    server_version: str
    production_version: str
    verdict: str
    findings: tuple[str, ...]


@dataclass(frozen=True)
class Receipt:
    """What `alembic zanith-verify` has written where all went well."""

    databases: tuple[RehearsedDatabase, ...]
    alembic_heads: tuple[str, ...]
    created_at: dt.datetime
    package_version: str


class UnusableReceiptError(ZanithError):
    """A receipt cannot be read, or is not as it was written."""


def rehearsed(scripts: Iterable[Script]) -> tuple[Rehearsed, ...]:
    """Return scripts as their files are now.

    Raises `OSError` where a file cannot be read.
    """
    return tuple(
        Rehearsed(each.revision, tuple(_down(each)), _digest_of(Path(each.path)))
        for each in scripts
    )


def _down(script: Script) -> list[str]:
    down = script.down_revision
    if down is None:
        return []
    return [down] if isinstance(down, str) else [*down]


def _digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_receipt(path: Path, receipt: Receipt) -> None:
    """Write a receipt, whole or not at all.

    Raises `ZanithError` where the file cannot be written.
    """
    content = _content(receipt)
    text = json.dumps({**content, "digest": _digest(content)}, indent=2, sort_keys=True) + "\n"
    try:
        handle, name = tempfile.mkstemp(dir=path.absolute().parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as stream:
                stream.write(text)
            Path(name).chmod(0o644)
            Path(name).replace(path)
        except BaseException:
            with suppress(OSError):
                Path(name).unlink()
            raise
    except OSError as error:
        raise ZanithError(f"The receipt was not written: {path}: {error.strerror}.") from error


def _content(receipt: Receipt) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "alembic_heads": [*receipt.alembic_heads],
        "created_at": receipt.created_at.astimezone(dt.UTC).isoformat(timespec="seconds"),
        "package_version": receipt.package_version,
        "databases": [json.loads(json.dumps(asdict(each))) for each in receipt.databases],
    }


def _digest(content: dict[str, Any]) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def read_receipt(path: Path) -> Receipt:
    """Read a receipt.

    Raises `UnusableReceiptError` with a sentence that says why there is none.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise UnusableReceiptError(
            f"there is no receipt of a rehearsal ({path}). Run `alembic zanith-verify`."
        ) from None
    except OSError as error:
        raise UnusableReceiptError(
            f"the receipt {path} cannot be read: {error.strerror}."
        ) from error
    except (UnicodeDecodeError, ValueError):
        raise UnusableReceiptError(f"the receipt {path} is no JSON. {AGAIN}") from None
    if not isinstance(found, dict) or "digest" not in found:
        raise UnusableReceiptError(f"{path} is no receipt of a rehearsal. {AGAIN}")
    content = {key: value for key, value in found.items() if key != "digest"}
    if found["digest"] != _digest(content):
        raise UnusableReceiptError(f"the receipt {path} was edited after it was written. {AGAIN}")
    if content.get("format") != FORMAT:
        raise UnusableReceiptError(
            f"the receipt {path} is of another version of alembic-zanith. {AGAIN}"
        )
    return _receipt(content)


def _receipt(content: dict[str, Any]) -> Receipt:
    databases = (
        RehearsedDatabase(
            each["database"],
            tuple(each["heads"]),
            tuple(
                Rehearsed(script["revision"], tuple(script["down_revisions"]), script["digest"])
                for script in each["scripts"]
            ),
            each["server_version"],
            each["production_version"],
            each["verdict"],
            tuple(each["findings"]),
        )
        for each in content["databases"]
    )
    return Receipt(
        tuple(databases),
        tuple(content["alembic_heads"]),
        dt.datetime.fromisoformat(content["created_at"]),
        content["package_version"],
    )


def why_not(
    path: Path,
    pending: Sequence[Script],
    heads: Sequence[str] | None,
    *,
    max_age_ms: int | None,
    server_version: str | None = None,
    now: dt.datetime | None = None,
) -> str | None:
    """Return why a receipt is not good for running these scripts on a database at `heads`.

    None where it is: it was written for exactly these scripts, byte for byte, from there, within
    `max_age_ms` milliseconds, on a server of the same major version. Else a sentence. What is None,
    because there is no database to ask, is not compared.

    Example::

        why_not(Path("zanith-verify.json"), scripts, heads, max_age_ms=86_400_000)
    """
    try:
        receipt = read_receipt(path)
    except UnusableReceiptError as error:
        return str(error)
    aged = _aged(receipt, path, max_age_ms, now or dt.datetime.now(dt.UTC))
    if aged is not None:
        return aged
    # A project may have several databases; the one that is meant is the one that fits best.
    reasons = [[*_reasons(each, pending, heads, server_version)] for each in receipt.databases]
    fewest = min(reasons, key=len, default=["is of no database."])
    return f"the receipt {path} {fewest[0]} {AGAIN}" if fewest else None


def _aged(receipt: Receipt, path: Path, max_age_ms: int | None, now: dt.datetime) -> str | None:
    age = now - receipt.created_at
    if age < -_SKEW:
        written = f"{receipt.created_at:%Y-%m-%d %H:%M} UTC"
        return f"the receipt {path} is from the future ({written}). {AGAIN}"
    if max_age_ms is not None and age > dt.timedelta(milliseconds=max_age_ms):
        hours = age.total_seconds() / 3600
        return (
            f"the receipt {path} is {hours:.1f} hours old, and at most "
            f"{max_age_ms / 3_600_000:g} are allowed (receipt_max_age). {AGAIN}"
        )
    return None


def _reasons(
    rehearsal: RehearsedDatabase,
    pending: Sequence[Script],
    heads: Sequence[str] | None,
    server_version: str | None,
) -> Iterator[str]:
    if rehearsal.verdict != "ok":
        yield f"is of a rehearsal that ended with {rehearsal.verdict}."
    known = [each.revision for each in rehearsal.scripts]
    now = [each.revision for each in pending]
    if known != now:
        more = [each for each in now if each not in known]
        less = [each for each in known if each not in now]
        if more:
            yield f"does not cover revision {', '.join(more)}, which is pending."
        elif less:
            yield f"also covers revision {', '.join(less)}, which is not about to run."
        else:
            yield "was written for these revisions in another order."
    if heads is not None and set(rehearsal.heads) != set(heads):
        before, is_at = (", ".join(sorted(each)) or "base" for each in (rehearsal.heads, heads))
        yield f"was written for a database at {before}, and this one is at {is_at}."
    for script, was in zip(pending, rehearsal.scripts, strict=False):
        try:
            (current,) = rehearsed([script])
        except OSError as error:
            yield f"cannot be compared: {script.path} cannot be read ({error.strerror})."
            continue
        if current.digest != was.digest:
            yield f"does not fit: revision {script.revision} was edited since ({script.path})."
        elif current != was:
            yield f"has revision {script.revision} behind another one than now."
    if server_version and _major(server_version) != _major(rehearsal.server_version):
        yield (f"is of PostgreSQL {rehearsal.server_version}, and this server is {server_version}.")


def _major(version: str) -> str:
    return version.partition(".")[0]
