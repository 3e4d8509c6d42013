"""A receipt is read as it was written, or not at all."""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from alembic_zanith.errors import ZanithError
from alembic_zanith.gates import receipt_file
from alembic_zanith.gates.receipt import (
    Receipt,
    Rehearsal,
    Rehearsed,
    UnusableReceiptError,
    read_receipt,
    write_receipt,
)
from tests.support.receipts import NOW

# Every list has two items that differ, so that there is something to swap.
SCRIPTS = (Rehearsed("b", ("a",), "0" * 64), Rehearsed("c", ("b", "x"), "1" * 64))
FULL = Receipt(
    (
        Rehearsal("engine1", ("a", "x"), SCRIPTS, "18.1", "18.0", "ok", ("größer", "slower")),
        Rehearsal(None, (), SCRIPTS[:1], "17.2", "17.2", "ok"),
    ),
    ("c", "d"),
    NOW,
    "0.2.0",
)
EDITED = (
    "The receipt zanith-verify.json was edited by hand: its content is not what its digest says. "
    "Run alembic zanith-verify again."
)
NO_RECEIPT = (
    "The file zanith-verify.json is no receipt of a rehearsal. Run alembic zanith-verify again. "
    "The setting receipt names another file."
)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a receipt goes, in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return Path("zanith-verify.json")


def complaint(path: Path) -> str:
    with pytest.raises(UnusableReceiptError) as error:
        read_receipt(path)
    return str(error.value)


# -- as it was written -------------------------------------------------------------------


def test_what_is_read_is_what_was_written(path: Path) -> None:
    write_receipt(path, FULL)
    assert read_receipt(path) == FULL


def test_a_moment_of_another_time_zone_is_the_same_moment(path: Path) -> None:
    there = NOW.astimezone(timezone(timedelta(hours=9)))
    write_receipt(path, replace(FULL, created_at=there))
    assert read_receipt(path) == FULL
    assert '"created_at": "2031-05-01T12:00:00+00:00"' in path.read_text()


def test_a_moment_without_a_time_zone_is_not_written(path: Path) -> None:
    with pytest.raises(ValueError, match="time zone"):
        write_receipt(path, replace(FULL, created_at=datetime(2031, 5, 1)))
    assert not path.exists()


def test_people_can_read_it(path: Path) -> None:
    write_receipt(path, FULL)
    text = path.read_text(encoding="utf-8")
    document = json.loads(text)
    assert text == json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    assert '"größer"' in text
    assert document.keys() == {each.name for each in fields(Receipt)} | {"digest", "format"}


def test_the_same_is_written_the_same(path: Path) -> None:
    write_receipt(path, FULL)
    first = path.read_bytes()
    write_receipt(path, read_receipt(path))
    assert path.read_bytes() == first


def test_a_formatter_for_json_is_no_editor(path: Path) -> None:
    write_receipt(path, FULL)
    backwards = dict(reversed(json.loads(path.read_text()).items()))
    path.write_text(json.dumps(backwards, indent=8).replace("\n", "\r\n"))
    assert read_receipt(path) == FULL


@pytest.mark.parametrize(
    "finding", ["\udcff in a file's name", '"', "\\", "\0", "\u2028", "🦄", ""]
)
def test_a_finding_may_have_any_text(path: Path, finding: str) -> None:
    odd = replace(FULL, rehearsals=(replace(FULL.rehearsals[0], findings=(finding,)),))
    write_receipt(path, odd)
    assert read_receipt(path) == odd


# -- complete or not at all --------------------------------------------------------------


def test_an_older_receipt_is_replaced_and_nothing_else_is_left(path: Path) -> None:
    path.write_text("something long that was there before" * 1000)
    write_receipt(path, FULL)
    assert read_receipt(path) == FULL
    assert [*Path().iterdir()] == [path]


def test_a_link_stays_one(path: Path) -> None:
    Path("kept").mkdir()
    path.symlink_to("kept/receipt.json")
    write_receipt(path, FULL)
    assert path.is_symlink()
    assert read_receipt(Path("kept/receipt.json")) == FULL


def test_a_link_that_leads_to_itself_is_replaced(path: Path) -> None:
    path.symlink_to(path.name)
    write_receipt(path, FULL)
    assert read_receipt(path) == FULL


def test_what_fails_half_way_leaves_the_old_one(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_receipt(path, FULL)

    def no_space(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", no_space)
    with pytest.raises(ZanithError) as error:
        write_receipt(path, replace(FULL, alembic_heads=()))
    assert "The receipt was not written: " in str(error.value)
    assert "zanith-verify.json: No space left on device." in str(error.value)
    assert read_receipt(path) == FULL
    assert [*Path().iterdir()] == [path]


@pytest.mark.parametrize("name", ["folder", "pipe", "missing/receipt.json", "a\0b"])
def test_what_cannot_be_a_file_is_not_replaced(path: Path, name: str) -> None:
    Path("folder").mkdir()
    os.mkfifo("pipe")
    before = sorted(Path().iterdir())
    with pytest.raises(ZanithError, match=r"The receipt was not written: .*\. The setting receipt"):
        write_receipt(Path(name), FULL)
    assert sorted(Path().iterdir()) == before


# -- unreadable --------------------------------------------------------------------------


def test_there_is_none(path: Path) -> None:
    assert complaint(path) == (
        "There is no receipt of a rehearsal: the file zanith-verify.json does not exist. Run "
        "alembic zanith-verify."
    )


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
def test_it_is_no_file(path: Path, make: Any) -> None:
    make(path)
    assert complaint(path) == (
        "The receipt zanith-verify.json is no file. The setting receipt names another file."
    )


def test_it_may_not_be_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the error, as tests may run as a user who may read everything."""
    write_receipt(path, FULL)

    def forbidden(_: Path) -> bytes:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_bytes", forbidden)
    assert complaint(path) == (
        "The receipt zanith-verify.json cannot be read: Permission denied. Make it readable. The "
        "setting receipt names another file."
    )


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("file/zanith-verify.json", "Not a directory"),
        ("loop", "Too many levels of symbolic links"),
        ("x" * 300, "File name too long"),
        ("a\0b", "embedded null byte"),
    ],
)
def test_the_system_says_why_it_cannot_be_read(path: Path, name: str, why: str) -> None:
    Path("file").touch()
    Path("loop").symlink_to("loop")
    assert f"cannot be read: {why}. Make it readable." in complaint(Path(name))


@pytest.mark.parametrize("content", [b"\xff\xfe{\0}\0", b'{"digest": "\xe9"}'])
def test_it_is_not_utf_8(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert complaint(path) == (
        "The receipt zanith-verify.json is not UTF-8 text. Run alembic zanith-verify again."
    )


@pytest.mark.parametrize(
    "text",
    ["", "{", "{'digest': 1}", "\ufeff{}", "[" * 100_000, f'{{"format": {"9" * 5000}}}'],
    ids=["empty", "cut off", "Python", "BOM", "deep", "long number"],
)
def test_it_is_no_json(path: Path, text: str) -> None:
    path.write_text(text, encoding="utf-8")
    assert complaint(path) == (
        "The receipt zanith-verify.json is no JSON. Run alembic zanith-verify again."
    )


@pytest.mark.parametrize("document", [{}, [], None, 1, "text", {"plans": []}, [{"digest": ""}]])
def test_it_is_json_of_something_else(path: Path, document: object) -> None:
    path.write_text(json.dumps(document))
    assert complaint(path) == NO_RECEIPT


def test_a_newer_package_has_written_it(path: Path) -> None:
    write_receipt(path, FULL)
    document = json.loads(path.read_text())
    sign(path, {**document, "format": 2, "package_version": "3.1.0", "what comes": [{}]})
    assert complaint(path) == (
        "The receipt zanith-verify.json was written by a newer alembic-zanith (3.1.0): its format "
        "is 2, and at most 1 is known here. Install that version, or run alembic zanith-verify "
        "with this one."
    )


def sign(path: Path, document: dict[str, Any]) -> None:
    """Write a document with the digest that belongs to it."""
    content = {key: value for key, value in document.items() if key != "digest"}
    path.write_text(json.dumps({**content, "digest": receipt_file._digest(content)}))


# -- tampered with -----------------------------------------------------------------------


def tampered(node: Any, where: str = "") -> Iterator[tuple[str, Any]]:
    """Yield what becomes of a JSON document by each single edit, with its name."""
    if isinstance(node, dict):
        yield f"{where} + a key", {**node, "added": None}
        for key, value in node.items():
            yield f"{where}.{key} deleted", {k: v for k, v in node.items() if k != key}
            yield f"{where}.{key} renamed", {k if k != key else f"{k}s": v for k, v in node.items()}
            for name, edited in tampered(value, f"{where}.{key}"):
                yield name, {**node, key: edited}
    elif isinstance(node, list):
        yield f"{where} + an item", [*node, copy.deepcopy(node[0]) if node else "added"]
        for i, value in enumerate(node):
            yield f"{where}[{i}] deleted", node[:i] + node[i + 1 :]
            if i:
                yield f"{where}[{i}] swapped", [*node[: i - 1], value, node[i - 1], *node[i + 1 :]]
            for name, edited in tampered(value, f"{where}[{i}]"):
                yield name, [*node[:i], edited, *node[i + 1 :]]
    else:
        for other in leaves_for(node):
            yield f"{where} = {other!r}", other


def leaves_for(leaf: object) -> list[object]:
    """Other values for a leaf, some of which Python takes for the same."""
    if isinstance(leaf, str):
        return [f"{leaf}x", leaf[1:], leaf.upper() if leaf.upper() != leaf else "", [leaf], None]
    if isinstance(leaf, int):
        return [leaf + 1, leaf - 1, bool(leaf), float(leaf), str(leaf), None]
    return ["None", 0, False, []]


def document() -> dict[str, Any]:
    content = receipt_file._content(FULL)
    found: dict[str, Any] = json.loads(
        json.dumps({**content, "digest": receipt_file._digest(content)})
    )
    return found


EDITS = dict(tampered(document()))


def test_every_field_is_tampered_with() -> None:
    for owner in (Receipt, Rehearsal, Rehearsed):
        for field in fields(owner):
            assert any(f".{field.name} deleted" in name for name in EDITS)
            assert any(f".{field.name} = " in name or f".{field.name}[" in name for name in EDITS)
    for name in ("scripts[1] swapped", "down_revisions[1] swapped", "heads[1] swapped"):
        assert f".rehearsals[0].{name}" in EDITS or f".rehearsals[0].scripts[1].{name}" in EDITS
    assert {".digest deleted", ".format deleted", ".rehearsals[1] swapped"} <= EDITS.keys()


@pytest.mark.parametrize("edit", EDITS)
def test_an_edit_by_hand_is_noticed(path: Path, edit: str) -> None:
    path.write_text(json.dumps(EDITS[edit]))
    assert complaint(path) == EDITED


@pytest.mark.parametrize("key", ["digest", "package_version", "verdict", "revision"])
def test_a_key_that_is_there_twice_is_an_edit(path: Path, key: str) -> None:
    """The last one counts for json; people may read the first."""
    write_receipt(path, FULL)
    text = path.read_text().replace(f'"{key}":', f'"{key}": "harmless", "{key}":', 1)
    assert json.loads(text) == document()
    path.write_text(text)
    assert complaint(path) == EDITED


MISSHAPEN = {
    name: edited
    for name, edited in EDITS.items()
    if "digest" not in edited or edited["digest"] == document()["digest"]
    if name.endswith((" deleted", " + a key", " renamed", "= ['18.1']", "= False", "= 1.0"))
    if not name.endswith(("] deleted", ".digest deleted", ".digest renamed"))
}


@pytest.mark.parametrize("edit", MISSHAPEN)
def test_a_digest_makes_no_receipt_of_another_shape(path: Path, edit: str) -> None:
    sign(path, MISSHAPEN[edit])
    assert complaint(path) == NO_RECEIPT


@pytest.mark.parametrize(
    "created_at", ["2031-05-01T12:00:00", "yesterday", "", "0001-01-01T00:00:00+23:59"]
)
def test_a_digest_makes_no_moment_of_other_text(path: Path, created_at: str) -> None:
    sign(path, {**document(), "created_at": created_at})
    assert complaint(path) == NO_RECEIPT
