"""With plan = static nothing of a script is called before it runs; the gates hold all the same."""

from __future__ import annotations

import pytest

from tests.support.database import Database
from tests.support.project import Project

MARKS = "import pathlib\npathlib.Path('called').write_text('x')\n"


@pytest.fixture
def kept(database: Database) -> Database:
    database.execute("CREATE TABLE kept (id int PRIMARY KEY); INSERT INTO kept VALUES (1)")
    return database


@pytest.fixture
def static(project: Project, monkeypatch: pytest.MonkeyPatch) -> Project:
    project.settings(plan="static")
    monkeypatch.chdir(project.root)
    return project


def test_a_drop_is_refused_and_nothing_was_called(kept: Database, static: Project) -> None:
    static.revision(upgrade=MARKS + "op.drop_table('kept')")
    before = kept.dump()
    refused = static.alembic("upgrade", "head").failed().output
    assert "Refused, nothing has run" in refused
    assert kept.dump() == before
    assert not (static.root / "called").exists()


def test_by_recording_the_script_is_called(kept: Database, project: Project) -> None:
    project.revision(upgrade=MARKS + "op.drop_table('kept')")
    project.alembic("upgrade", "head").failed()
    assert (project.root / "called").exists()


def test_what_the_text_does_not_tell_is_refused_when_it_runs(
    kept: Database, static: Project
) -> None:
    static.revision(upgrade="import os\nop.drop_table(os.environ.get('NOBODY_SETS_IT', 'kept'))")
    before = kept.dump()
    refused = static.alembic("upgrade", "head").failed().output
    assert "Refused at the moment of execution" in refused
    assert kept.dump() == before


def test_the_plan_shows_what_could_be_called(kept: Database, static: Project) -> None:
    static.revision(upgrade="name = input()\nop.drop_table(name)")
    shown = static.alembic("zanith-plan", "--offline").output
    assert "op.drop_table(name)" in shown


def test_a_plan_from_text_passes_too(kept: Database, static: Project) -> None:
    static.revision(
        upgrade="op.create_table('t', sa.Column('id', sa.Integer, primary_key=True))\nop.create_index('i', 't', ['id'])"
    )
    static.upgrade()
    assert kept.scalar("SELECT to_regclass('t')::text") == "t"


def test_what_goes_around_is_a_warning(kept: Database, project: Project) -> None:
    project.revision(upgrade="import subprocess\nsubprocess.run(['true'], check=True)")
    warning = "nobody sees what subprocess.run(['true'], check=True) sends"
    assert warning in project.upgrade().output
