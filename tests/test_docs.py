"""What README and docs point at is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from alembic_zanith.cli.commands import zanith_recover
from alembic_zanith.config import SETTINGS
from alembic_zanith.operations import OPERATIONS

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PAGES = [*ROOT.glob("*.md"), *DOCS.rglob("*.md"), ROOT / "sample_project" / "README.md"]


def links(page: Path) -> set[str]:
    """The relative links of a page, without their anchors."""
    text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    return {target.partition("#")[0] for target in targets if "://" not in target} - {""}


def section(page: Path, heading: str) -> str:
    (found,) = re.findall(
        rf"^## {heading}\n(.*?)(?=^## |\Z)", page.read_text(), re.DOTALL | re.MULTILINE
    )
    return str(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    missing = {target for target in links(page) if not (page.parent / target).exists()}
    assert missing == set()


def test_the_index_lists_every_page() -> None:
    listed = {(DOCS / target).resolve() for target in links(DOCS / "index.md")}
    assert set(DOCS.rglob("*.md")) - {DOCS / "index.md"} <= listed


def test_the_quick_start_begins_with_the_two_commands() -> None:
    block = re.search(r"```\w*\n(.*?)```", section(ROOT / "README.md", "Quick start"), re.DOTALL)
    assert block is not None
    assert block[1].splitlines()[:2] == ["python3 dev.py demo", "python3 dev.py test"]


def test_the_readme_has_every_operation_verb_and_setting() -> None:
    readme = ROOT / "README.md"
    for kind in OPERATIONS:
        assert f"docs/operations/{kind}.md" in section(readme, "Operations")
    for verb in zanith_recover.commands:
        assert re.search(
            rf"^\| `{verb}[ `]", section(readme, "alembic zanith-recover"), re.MULTILINE
        )


def test_the_settings_and_their_defaults_are_documented() -> None:
    configuration = (DOCS / "configuration.md").read_text(encoding="utf-8")
    for name in SETTINGS:
        assert f"| `{name}` |" in configuration
    table = section(ROOT / "README.md", "Settings")
    rows = re.findall(r"^\| `(\w+)` \| (?:`(\w+)`)? ?\|", table, re.MULTILINE)
    assert len(rows) >= 5
    for name, default in rows:
        assert default == _as_written(SETTINGS[name].default)


def _as_written(default: object) -> str:
    return "" if default == () else str(default)


def test_the_picture_loads_nothing_from_elsewhere() -> None:
    picture = (DOCS / "demo.svg").read_text(encoding="utf-8")
    assert set(re.findall(r"\w+://[^\s\"<]+", picture)) == {"http://www.w3.org/2000/svg"}
