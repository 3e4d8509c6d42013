"""Projects whose env.py commits in one way or another, with a column to bring back."""

from __future__ import annotations

import sys
import textwrap

from alembic_zanith.recovery import soft_drop_column
from tests.support.database import Database
from tests.support.project import Project
from tests.support.running import Result, run_in_subprocess


def park_a_column(database: Database) -> None:
    """Create a table with one row in a database, and park its column."""
    database.execute("CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'one')")
    database.do(soft_drop_column, "t", "v")


def has_column(database: Database) -> bool:
    query = "SELECT count(*) FROM information_schema.columns WHERE table_name = 't'"
    return bool(database.scalar(f"{query} AND column_name = 'v'"))


def migrate_with(project: Project, body: str) -> None:
    """Replace what env.py does with its `connectable`."""
    text = textwrap.indent(textwrap.dedent(body).strip(), "    ").replace("\\", r"\\")
    text = text.replace(
        "CONFIGURE", "context.configure(connection=connection, target_metadata=target_metadata)"
    )
    project.edit_env(
        r"    with connectable\.connect\(\) as connection:\n(?:.*\n)*?(?=\n(?:\n|if context))",
        text + "\n",
    )


def restored(project: Project) -> Result:
    """Restore the column, with a program of its own where env.py may leave a connection open."""
    arguments = ("zanith-recover", "restore-column", "t.v")
    if "= connectable.connect()" in project.env_py.read_text():
        return project.alembic_subprocess(*arguments)
    return project.alembic(*arguments)


def run_program(project: Project, program: str, *arguments: str) -> Result:
    """Run a Python program that calls the command, in the folder of a project."""
    python = [sys.executable, "-c", textwrap.dedent(program)]
    return run_in_subprocess(project.root, arguments, program=python)
