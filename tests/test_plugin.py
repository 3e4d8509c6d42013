"""The entry point gives `alembic` its commands, and everybody else nothing at all."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.conftest import MakeProject
from tests.support.project import Project
from tests.support.running import run_in_subprocess

LAZY = ("alembic_zanith", "click", "rich", "postgast")
"""What must not be imported before a command of ours is used."""

PRINT_IMPORTED = f"""
import json, sys
import alembic.config
try:
    alembic.config.main(sys.argv[1:])
except SystemExit as end:
    assert not end.code, end.code
print(json.dumps([name for name in {LAZY!r} if name in sys.modules]))
"""


def python(program: str, *arguments: str, cwd: Path, env: dict[str, str]) -> str:
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def imported_by(project: Project, env: dict[str, str], *arguments: str) -> list[str]:
    """Return which of our lazy modules an `alembic` command imported."""
    last_line = python(PRINT_IMPORTED, *arguments, cwd=project.root, env=env).splitlines()[-1]
    names: list[str] = json.loads(last_line)
    return names


def test_help_lists_the_command(project: Project, installed_wheel: dict[str, str]) -> None:
    result = project.alembic_subprocess("--help", env=installed_wheel).succeeded()
    assert "zanith-recover" in result.stdout
    assert "reversible drops have parked" in " ".join(result.stdout.split())
    assert result.stderr == ""


@pytest.mark.parametrize(
    "arguments", [("--help",), ("upgrade", "head"), ("current",), ("revision", "--autogenerate")]
)
def test_a_project_that_is_not_switched_on_imports_nothing_of_ours(
    make_project: MakeProject, installed_wheel: dict[str, str], arguments: Sequence[str]
) -> None:
    project = make_project(switched_on=False)
    assert imported_by(project, installed_wheel, *arguments) == []


def test_import_in_env_py_is_what_switches_on(
    make_project: MakeProject, installed_wheel: dict[str, str]
) -> None:
    off = make_project(switched_on=False, name="off")
    off.database.execute("CREATE TABLE gone (id int)")
    off.alembic_subprocess("revision", "--autogenerate", env=installed_wheel).succeeded()
    (script,) = off.versions.glob("*.py")
    assert "op.drop_table('gone')" in script.read_text()
    assert "restore" not in script.read_text()
    on = make_project(name="on")
    assert "alembic_zanith" in imported_by(on, installed_wheel, "current")
    assert "click" not in imported_by(on, installed_wheel, "current")


def test_python_m_alembic_has_it_too(project: Project, installed_wheel: dict[str, str]) -> None:
    program = [sys.executable, "-m", "alembic"]
    arguments = ["zanith-recover", "list"]
    result = run_in_subprocess(project.root, arguments, installed_wheel, program=program)
    assert result.succeeded().stdout == "Nothing is parked.\n"
    usage = run_in_subprocess(project.root, ["zanith-recover", "-h"], program=program).stdout
    assert usage.startswith("Usage: alembic zanith-recover ")


@pytest.mark.parametrize("help_option", ["--help", "-h"])
def test_everything_after_the_name_is_read_by_the_command(
    project: Project, help_option: str
) -> None:
    result = project.alembic("zanith-recover", help_option).succeeded()
    assert result.stdout.startswith("Usage: alembic zanith-recover [OPTIONS] COMMAND")
    result = project.alembic("zanith-recover", "list", help_option).succeeded()
    assert result.stdout.startswith("Usage: alembic zanith-recover list [OPTIONS]")
    for arguments in (("list", "-n", "x"), ("--version",), ("list", "-x", "a=b")):
        result = project.alembic("zanith-recover", *arguments)
        assert result.exit_code == 2
        assert "No such option" in result.stderr


def test_a_command_line_of_the_projects_own_has_it_too(
    project: Project, installed_wheel: dict[str, str]
) -> None:
    """https://alembic.sqlalchemy.org/en/latest/api/commands.html#custom-commandline"""
    program = """
        import sys
        from alembic.config import CommandLine

        def frobnicate(config, revision):
            "Frobnicate it."
            print("frobnicated", revision)

        for _ in range(2):
            command_line = CommandLine()
            command_line.register_command(frobnicate)
        command_line.main(["frobnicate", "head"])
        command_line.main(["zanith-recover", "list"])
        """
    out = python(program, cwd=project.root, env=installed_wheel)
    assert out == "frobnicated head\nNothing is parked.\n"


def test_alembic_command_is_as_it_was(project: Project, installed_wheel: dict[str, str]) -> None:
    program = """
        import sys
        from alembic import command
        from alembic.config import Config

        command.current(Config("alembic.ini"))
        print("click" in sys.modules)
        """
    assert python(program, cwd=project.root, env=installed_wheel) == "False\n"


# ----------------------------------------------------- installed as users install it

OLDEST = ["alembic==1.18.0", "sqlalchemy==2.0.0", "click==8.1.7", "rich==13.7.0", "psycopg[binary]"]
NEWEST = ["alembic==1.20.1", "sqlalchemy", "click", "rich", "psycopg[binary]"]


@pytest.fixture(scope="module", params=[OLDEST, NEWEST], ids=["oldest", "newest"])
def scripts(
    request: pytest.FixtureRequest, wheel: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The folder of programs of a fresh environment into which the wheel was installed."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    command = [scripts / "python", "-m", "pip", "install", "--quiet", wheel, *request.param]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return scripts


@pytest.mark.slow
def test_the_wheel_works_on_both_ends_of_alembic(project: Project, scripts: Path) -> None:
    def alembic(*arguments: str) -> str:
        program = [scripts / "alembic"]
        result = run_in_subprocess(project.root, arguments, program=program).succeeded()
        assert "Deprecation" not in result.stderr
        return result.stdout

    assert "zanith-recover" in alembic("--help")
    project.write_models(
        "class User(Base):\n"
        '    __tablename__ = "users"\n'
        "    id: Mapped[int] = mapped_column(primary_key=True)\n"
        "    name: Mapped[str]\n"
    )
    alembic("revision", "--autogenerate", "-m", "users")
    alembic("upgrade", "head")
    project.database.execute("INSERT INTO users VALUES (1, 'Ada')")
    project.write_models("")
    alembic("revision", "--autogenerate", "-m", "no users")
    alembic("upgrade", "head")
    assert "soft_drop_table" in alembic("zanith-recover", "list")
    assert alembic("zanith-recover", "export", "users") == "id,name\n1,Ada\n"
    alembic("zanith-recover", "restore-table", "users")
    assert project.database.scalar("SELECT name FROM users") == "Ada"
    alembic("zanith-recover", "purge", "users", "--yes")


OWN_COST = """
import importlib.metadata, time

real_entry_points = importlib.metadata.entry_points
importlib.metadata.entry_points = lambda **selection: ()
import alembic.config
from alembic.runtime.plugins import Plugin

def spent(work):
    start = time.process_time()
    work()
    return time.process_time() - start

def load():
    for entry_point in real_entry_points(group="alembic.plugins"):
        Plugin.setup_plugin_from_module(entry_point.load(), entry_point.name)

def build():
    return alembic.config.CommandLine()

build(), list(real_entry_points(group="alembic.plugins"))  # what Alembic does without us
plain = spent(build)
print(1000 * (spent(load) + spent(build) - plain))
assert "zanith-recover" in build().subparsers.choices
"""


def test_it_costs_every_other_project_next_to_nothing(
    tmp_path: Path, installed_wheel: dict[str, str]
) -> None:
    """The promise for `alembic --help` is 15 ms; of the processor, so that load is no matter."""
    costs = [float(python(OWN_COST, cwd=tmp_path, env=installed_wheel)) for _ in range(7)]
    assert min(costs) < 15
