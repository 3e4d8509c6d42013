"""docs/risk.md says the same as the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alembic_zanith.risk.change import KINDS
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.reasons import Reason
from tests.support.risk import further, published
from tests.support.risk.case import Case
from tests.support.risk.plans import plan
from tests.test_risk_names import PUBLISHED_KINDS, PUBLISHED_REASONS

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "risk.md").read_text(encoding="utf-8")


def rows(heading: str) -> dict[str, list[str]]:
    """Return the cells of the table below a heading, by the name in the first of them."""
    part = PAGE.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    found = re.findall(r"^\| `?(\w+)`? \| (.*) \|$", part, re.MULTILINE)
    return {name: cells.split(" | ") for name, cells in found}


KIND_ROWS = {**rows("Published kinds"), **rows("Further kinds")}


def test_every_kind_has_its_line() -> None:
    assert set(rows("Published kinds")) - {"kind"} == PUBLISHED_KINDS
    assert set(KIND_ROWS) - {"kind"} == set(KINDS)


def test_every_reason_has_its_line_with_its_meaning() -> None:
    documented = {**rows("Published reasons"), **rows("Further reasons")}
    documented.pop("reason")
    assert set(rows("Published reasons")) - {"reason"} == PUBLISHED_REASONS
    assert documented == {each.value: [each.meaning] for each in Reason}


def test_every_level_has_its_line_with_its_score() -> None:
    documented = {name: int(cells[0]) for name, cells in rows("Levels").items() if name != "level"}
    assert documented == {level.word: level.score for level in Level}


@pytest.mark.parametrize("case", [*published.CASES, *further.CASES], ids=lambda each: each.kind)
def test_the_line_of_a_kind_has_its_level_and_its_lock(case: Case) -> None:
    level, lock, *_ = KIND_ROWS[case.kind]
    assert case.level in re.findall(r"\w+", level)
    assert case.lock in lock or lock == "as it says"
    milder = plan(*case.ok)[-1]
    if milder.kind == case.kind and not any(each.facts for each in milder.findings):
        assert milder.level.word in re.findall(r"\w+", level)
