"""Who is asked about a rename, and who is not: on real terminals, and without one."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import MakeProject
from tests.support.project import Project, Script
from tests.support.swapping import is_up_to_date, starts_with
from tests.support.terminal import run_on_terminal

TABLE = "sa.Table('t', metadata, sa.Column('id', sa.Integer, primary_key=True), {})"
BEFORE = TABLE.format("sa.Column('old', sa.Text)")
AFTER = TABLE.format("sa.Column('new', sa.Text)")
QUESTION = "t.old is gone and t.new is new, both TEXT. Was it renamed? [y/N]:"
REVISION = ("revision", "--autogenerate", "-m", "after")


def the_script(project: Project) -> Script:
    (path,) = project.versions.glob("*_after.py")
    return Script(path.name.split("_")[0], path)


@pytest.fixture
def changed(project: Project) -> Project:
    """A project whose column has another name in the models than in the database."""
    starts_with(project, BEFORE, "INSERT INTO t VALUES (1, 'x')")
    project.write_models(AFTER)
    return project


def test_a_yes_on_a_terminal_renames_the_column_and_keeps_its_values(changed: Project) -> None:
    result = run_on_terminal(changed.root, *REVISION, typed="y\n").succeeded()
    assert QUESTION in result.output
    assert "\nop.alter_column('t', 'old', new_column_name='new')" in the_script(changed).upgrade
    changed.upgrade()
    assert is_up_to_date(changed)
    assert changed.database.rows("SELECT new FROM t") == [("x",)]
    changed.downgrade()
    assert changed.database.rows("SELECT old FROM t") == [("x",)]


@pytest.mark.slow
def test_enter_alone_is_a_no(changed: Project) -> None:
    run_on_terminal(changed.root, *REVISION, typed="\n").succeeded()
    assert "\nop.soft_drop_column('t', 'old')" in the_script(changed).upgrade


@pytest.mark.slow
def test_the_question_is_asked_on_stderr_where_stdout_goes_to_a_file(
    changed: Project, tmp_path: Path
) -> None:
    with (tmp_path / "out").open("wb") as file:
        result = run_on_terminal(changed.root, *REVISION, typed="y\n", stdout=file.fileno())
    assert QUESTION in result.succeeded().output
    assert QUESTION not in (tmp_path / "out").read_text()


def test_where_there_is_no_terminal_nothing_is_asked(changed: Project) -> None:
    result = changed.alembic_subprocess(*REVISION).succeeded()
    assert "renamed?" not in result.output
    assert "# op.alter_column('t', 'old', new_column_name='new')" in the_script(changed).upgrade


def test_alembic_check_asks_nothing_and_says_what_it_ever_said(changed: Project) -> None:
    plain = changed.alembic("check").failed()
    asked = run_on_terminal(changed.root, "check", typed="y\n")
    assert asked.exit_code != 0
    assert "renamed?" not in asked.output
    for output in (plain.output, asked.output):
        assert "[('add_column', None, 't', Column('new', Text(), table=<t>)), " in output
        assert "('remove_column', None, 't', Column('old', TEXT(), table=<t>))]" in output


def test_the_end_of_the_input_writes_no_script(changed: Project) -> None:
    end_of_input = "\x04"
    result = run_on_terminal(changed.root, *REVISION, typed=end_of_input)
    assert result.exit_code != 0
    assert "FAILED: No revision was written: a question was left without an" in result.output
    assert "Traceback" not in result.output
    assert not list(changed.versions.glob("*_after.py"))


@pytest.mark.parametrize("template", [pytest.param("generic", marks=pytest.mark.slow), "async"])
def test_ctrl_c_writes_no_script(make_project: MakeProject, template: str) -> None:
    """Once is enough, also where asyncio runs env.py and would put it off."""
    project = make_project(template)
    starts_with(project, BEFORE)
    project.write_models(AFTER)
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [Path(sys.executable).parent / "alembic", *REVISION],
        cwd=project.root,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
    )
    os.close(theirs)
    written = b""
    while b"[y/N]" not in written:
        written += os.read(ours, 65536)
    # What is shown is shown just before it waits for the answer.
    time.sleep(1)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) != 0
    os.close(ours)
    assert not list(project.versions.glob("*_after.py"))
