"""The file that a receipt is in: JSON with a digest over all of its content."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import stat
from collections.abc import Callable, Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from alembic_zanith.errors import ZanithError

from .rehearsal import Receipt, Rehearsal, Rehearsed

FORMAT = 1
"""Goes up when the fields change. How the digest is made does not, whatever the format."""

AGAIN = "Run alembic zanith-verify again."
_ELSEWHERE = "The setting receipt names another file."


class UnusableReceiptError(ZanithError):
    """There is no receipt, or it is not as it was written. The message says why."""


# -- writing -----------------------------------------------------------------------------


def write_receipt(path: Path, receipt: Receipt) -> None:
    """Write a receipt, in place of the one that may be there: all of it or nothing.

    Raises `ZanithError` where the file cannot be written, and `ValueError` where `created_at` has
    no time zone.

    Example::

        write_receipt(Path(settings.receipt), Receipt(rehearsals, heads, datetime.now(UTC), "0.1"))
    """
    content = _content(receipt)
    document = {**content, "digest": _digest(content)}
    text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    # What is no Unicode, such as a part of a file's name, becomes the escape that JSON has for it.
    _replace(path, text.encode("utf-8", "backslashreplace"))


def _content(receipt: Receipt) -> dict[str, Any]:
    if receipt.created_at.tzinfo is None:
        raise ValueError("created_at has no time zone")
    created_at = receipt.created_at.astimezone(UTC).isoformat()
    return {"format": FORMAT, **asdict(receipt), "created_at": created_at}


def _digest(content: Mapping[str, Any]) -> str:
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode("ascii")).hexdigest()


def _replace(path: Path, content: bytes) -> None:
    try:
        # Where it is a link, the file that it leads to.
        path = Path(os.path.realpath(path))
        if path.exists() and not path.is_file():
            raise ZanithError(f"The receipt was not written: {path} is no file. {_ELSEWHERE}")
        part = path.with_name(f".zanith-{secrets.token_hex(8)}.part")
        try:
            with part.open("xb") as output:
                output.write(content)
                output.flush()
                os.fsync(output.fileno())
            part.replace(path)
        finally:
            part.unlink(missing_ok=True)
    except (OSError, ValueError) as error:
        raise ZanithError(
            f"The receipt was not written: {path}: {_why(error)}. {_ELSEWHERE}"
        ) from error


# -- reading -----------------------------------------------------------------------------


def read_receipt(path: Path) -> Receipt:
    """Return the receipt in a file, as it was written.

    Raises `UnusableReceiptError` where there is none, where it cannot be read, and where anything
    in it is not what was written: a value, a key, the order of a list.
    """
    found = _json(path, _bytes(path))
    if not isinstance(found, dict) or not found.keys() & {"digest", "rehearsals"}:
        raise _no_receipt(path)
    content = {key: value for key, value in found.items() if key != "digest"}
    if found.get("digest") != _digest(content):
        raise _edited(path)
    if isinstance(content.get("format"), int) and content["format"] > FORMAT:
        raise UnusableReceiptError(
            f"The receipt {path} was written by a newer alembic-zanith "
            f"({content.get('package_version')}): its format is {content['format']}, and at most "
            f"{FORMAT} is known here. Install that version, or run alembic zanith-verify with this "
            "one."
        )
    try:
        return _receipt(content)
    except (ValueError, OverflowError):
        raise _no_receipt(path) from None


def _bytes(path: Path) -> bytes:
    try:
        # Reading a pipe or a device might never end.
        if not stat.S_ISREG(path.stat().st_mode):
            raise UnusableReceiptError(f"The receipt {path} is no file. {_ELSEWHERE}")
        return path.read_bytes()
    except FileNotFoundError:
        raise UnusableReceiptError(
            f"There is no receipt of a rehearsal: the file {path} does not exist. Run alembic "
            "zanith-verify."
        ) from None
    except (OSError, ValueError) as error:
        raise UnusableReceiptError(
            f"The receipt {path} cannot be read: {_why(error)}. Make it readable. {_ELSEWHERE}"
        ) from error


def _why(error: OSError | ValueError) -> str:
    return str(error.strerror if isinstance(error, OSError) else error)


class _DuplicateKey(Exception):
    """An object has a key twice, which no digest would tell."""


def _json(path: Path, content: bytes) -> Any:
    try:
        return json.loads(content.decode("utf-8"), object_pairs_hook=_with_each_key_once)
    except UnicodeDecodeError:
        raise UnusableReceiptError(f"The receipt {path} is not UTF-8 text. {AGAIN}") from None
    except (ValueError, RecursionError):
        raise UnusableReceiptError(f"The receipt {path} is no JSON. {AGAIN}") from None
    except _DuplicateKey:
        raise _edited(path) from None


def _with_each_key_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise _DuplicateKey
    return found


def _edited(path: Path) -> UnusableReceiptError:
    return UnusableReceiptError(
        f"The receipt {path} was edited by hand: its content is not what its digest says. {AGAIN}"
    )


def _no_receipt(path: Path) -> UnusableReceiptError:
    return UnusableReceiptError(
        f"The file {path} is no receipt of a rehearsal. {AGAIN} {_ELSEWHERE}"
    )


# -- its shape ---------------------------------------------------------------------------

_Read = Callable[[Any], Any]


def _receipt(content: Any) -> Receipt:
    fields = _object(
        content,
        format=_format,
        rehearsals=_list_of(_rehearsal),
        alembic_heads=_list_of(_text),
        created_at=_moment,
        package_version=_text,
    )
    del fields["format"]
    return Receipt(**fields)


def _rehearsal(value: Any) -> Rehearsal:
    fields = _object(
        value,
        database=lambda name: None if name is None else _text(name),
        heads=_list_of(_text),
        scripts=_list_of(_script),
        server_version=_text,
        production_version=_text,
        verdict=_text,
        findings=_list_of(_text),
    )
    return Rehearsal(**fields)


def _script(value: Any) -> Rehearsed:
    fields = _object(value, revision=_text, down_revisions=_list_of(_text), digest=_text)
    return Rehearsed(**fields)


def _object(value: Any, **keys: _Read) -> dict[str, Any]:
    """Return an object with exactly these keys, each value read by the function of its key."""
    if not isinstance(value, dict) or value.keys() != keys.keys():
        raise ValueError(value)
    return {key: read(value[key]) for key, read in keys.items()}


def _list_of(read: _Read) -> _Read:
    def read_all(value: Any) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError(value)
        return tuple(map(read, value))

    return read_all


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError(value)
    return value


def _format(value: Any) -> int:
    if type(value) is not int or value != FORMAT:
        raise ValueError(value)
    return FORMAT


def _moment(value: Any) -> datetime:
    moment = datetime.fromisoformat(_text(value))
    if moment.tzinfo is None:
        raise ValueError(value)
    return moment.astimezone(UTC)
