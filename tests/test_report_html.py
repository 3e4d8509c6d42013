"""The history as one page that needs nothing but itself."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.conftest import MakeProject
from tests.support.database import Database
from tests.support.project import Project

HOSTILE = "<script>alert('x')</script>&\"'"


class Page(HTMLParser):
    """Collects the tags of a page, and makes sure that they are closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags = list[str]()
        self.attributes = list[tuple[str, str | None]]()
        self._open = list[str]()
        self.text = ""
        self.feed(text)
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "meta":
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


@pytest.fixture
def shop(project: Project) -> Project:
    project.settings(mode="staging", run_by=HOSTILE)
    project.revision(
        "op.create_table('users', sa.Column('id', sa.Integer), sa.Column('n', sa.Text))",
        rev_id="one",
        message="Users come",
    )
    project.revision("op.soft_drop_column('users', 'n', retention_days=9)", rev_id="two")
    project.upgrade()
    project.revision("op.drop_table('users')", rev_id="three")
    return project


def page(project: Project) -> str:
    return project.alembic("zanith-report", "--html", "-").succeeded().stdout


def test_the_page_tells_what_has_run(shop: Project, database: Database) -> None:
    database.execute("INSERT INTO users VALUES (1)")
    shop.alembic("upgrade", "head").failed()
    shop.alembic("upgrade", "head", "--allow-destructive").succeeded()
    text = Page(page(shop)).text
    for expected in ("Timeline", "Risk profile", "Slowest kinds", "Users come", "users.n", "in 9d"):
        assert expected in text
    failed = text.partition("Failed or refused this week")[2].partition("Who overrode a gate")[0]
    assert "what loses data needs consent" in failed
    overridden = text.partition("Who overrode a gate")[2].partition("What can be restored")[0]
    assert "allow_destructive" in overridden


def test_the_page_needs_no_network(shop: Project) -> None:
    shown = page(shop)
    found = Page(shown)
    assert not {"script", "link", "img", "iframe"} & set(found.tags)
    assert not [
        name for name, _ in found.attributes if name in ("src", "href") or name.startswith("on")
    ]
    assert not re.search(r"https?://|url\(|@import", shown)


def test_what_others_have_written_is_escaped(shop: Project, database: Database) -> None:
    quoted = HOSTILE.replace("'", "''")
    database.execute(
        f"UPDATE _zanith_migrations SET revision = '{quoted}', description = '{quoted}',"
        f" error = '{quoted}', outcome = '{quoted}', overrides = jsonb_build_object('{quoted}', '{quoted}');"
        f"UPDATE _zanith_migration_steps SET kind = '{quoted}', level = '{quoted}';"
        f"UPDATE _zanith_migration_artifacts SET source_table = '{quoted}'"
    )
    shown = page(shop)
    assert "<script" not in shown
    assert HOSTILE in Page(shown).text


def test_a_database_without_history_has_a_page(project: Project) -> None:
    assert "Nothing is recorded yet" in Page(page(project)).text


def test_the_page_is_written_to_a_file(shop: Project) -> None:
    shop.alembic("zanith-report", "--html", "report.html").succeeded()
    assert Page((shop.root / "report.html").read_text(encoding="utf-8")).text
    failed = shop.alembic("zanith-report", "--html", "no/such/folder.html").failed()
    assert (
        "The report was not written: no/such/folder.html: No such file or directory"
        in failed.stderr
    )


def test_every_database_of_a_project_has_its_part(make_project: MakeProject) -> None:
    project = make_project("multidb")
    project.revision("op.create_table('a', sa.Column('id', sa.Integer))")
    project.upgrade()
    assert page(project).count("<h1>") == 2
