"""The page on gates knows each key of a receipt."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from alembic_zanith.gates.receipt import write_receipt
from tests.support.receipts import Folder, receipt, rehearsal

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "gates.md").read_text(encoding="utf-8")


def documented(owner: str) -> set[str]:
    """The keys in the first table behind a text of the page."""
    table = PAGE.partition(owner)[2].partition("| key | |\n|---|---|\n")[2].partition("\n\n")[0]
    cells = (line.split("|")[1] for line in table.splitlines())
    return {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}


@pytest.mark.parametrize(
    "owner", ["## The receipt of a rehearsal", "Each of the `rehearsals`", "Each of the `scripts`"]
)
def test_every_key_of_a_receipt_is_in_a_table(tmp_path: Path, owner: str) -> None:
    folder = Folder(tmp_path)
    folder.write("a")
    write_receipt(tmp_path / "receipt.json", receipt(rehearsal(folder.pending())))
    found = json.loads((tmp_path / "receipt.json").read_text())
    if owner.startswith("Each"):
        found = found["rehearsals"][0]
    if "scripts" in owner:
        found = found["scripts"][0]
    assert documented(owner) == set(found)
