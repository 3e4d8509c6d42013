"""End to end in every kind of project that `alembic init` makes, on every driver."""

from __future__ import annotations

import configparser

import pytest

from tests.conftest import MakeProject
from tests.support.journey import LEGACY, USERS, Journey
from tests.support.project import Project

# Each template and each driver once with all of them, the other pairs with the slow tests.
TEMPLATES_AND_DRIVERS = [
    ("generic", "psycopg"),
    pytest.param("generic", "psycopg2", marks=pytest.mark.slow),
    ("async", "asyncpg"),
    pytest.param("async", "psycopg", marks=pytest.mark.slow),
    ("multidb", "psycopg2"),
    pytest.param("multidb", "psycopg", marks=pytest.mark.slow),
    ("pyproject", "psycopg"),
    pytest.param("pyproject", "psycopg2", marks=pytest.mark.slow),
    ("pyproject_async", "asyncpg"),
    pytest.param("pyproject_async", "psycopg", marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("template", "driver"), TEMPLATES_AND_DRIVERS)
def test_a_drop_comes_back_in_every_template_on_every_driver(
    make_project: MakeProject, template: str, driver: str
) -> None:
    Journey(make_project(template, driver)).run()


def test_the_installed_command_does_it_too(project: Project) -> None:
    """Not in this process, as the others, but as the program of its own that users run."""
    journey = Journey(project)
    journey.with_rows()
    before = project.database.dump()
    journey.drops()
    for arguments in (
        ("upgrade", "head"),
        ("zanith-recover", "restore-table", "audit"),
        ("downgrade", "-1"),
    ):
        project.alembic_subprocess(*arguments).succeeded()
    assert project.database.dump() == before


def test_both_databases_of_a_multidb_project_are_served(make_project: MakeProject) -> None:
    project = make_project("multidb")
    one, two = project.databases.values()
    second = '\nsa.Table("notes", metadata2, sa.Column("id", sa.Integer, primary_key=True){})\n'
    project.write_models(USERS + LEGACY + second.format(', sa.Column("old", sa.Text)'))
    project.autogenerate("everything")
    project.upgrade()
    one.execute("INSERT INTO users VALUES (1, 'ann', 'A1')")
    two.execute("INSERT INTO notes VALUES (1, 'kept')")
    before = [one.dump(), two.dump()]
    project.write_models(USERS + second.format(""))
    project.autogenerate("less")
    project.upgrade()
    listing = project.alembic("zanith-recover", "list").succeeded().stdout
    assert "users.legacy_code" in listing
    assert "notes.old" in listing
    assert "engine2" in listing
    project.alembic("zanith-recover", "restore-column", "notes.old").succeeded()
    assert [one.dump() == before[0], two.dump() == before[1]] == [False, True]
    project.downgrade()
    assert [one.dump(), two.dump()] == before


def test_name_chooses_another_section_of_the_ini_file(project: Project) -> None:
    """`alembic -n shop`: one ini file, several projects on databases of their own."""
    ini = project.root / "alembic.ini"
    parser = configparser.RawConfigParser()
    parser.read_string(ini.read_text())
    section = dict(parser["alembic"])
    parser["shop"] = section
    # Whatever runs without -n must not reach the database.
    parser["alembic"] = {**section, "sqlalchemy.url": "postgresql+psycopg://127.0.0.1:1/none"}
    with ini.open("w") as file:
        parser.write(file)
    Journey(project, options=("-n", "shop")).run()
    project.alembic("zanith-recover", "list").failed()
