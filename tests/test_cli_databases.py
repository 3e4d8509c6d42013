"""`zanith-recover` reaches each database as env.py does, wherever the bookkeeping is."""

from __future__ import annotations

import json
from typing import Any

import pytest

from alembic_zanith.recovery import soft_drop_column, soft_drop_table
from alembic_zanith.workspace import Workspace
from tests.conftest import MakeDatabase, MakeProject
from tests.support.database import Database
from tests.support.project import TEMPLATES, Project

T = "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t VALUES (1, 'one');"


def parked(database: Database, workspace: Workspace | None = None) -> str:
    """Create a table in a database, park its column, and return the artifact's id."""
    database.execute(T)
    with database.begin() as connection:
        return soft_drop_column(connection, "t", "v", workspace=workspace).id


def has_column(database: Database) -> bool:
    query = "SELECT count(*) FROM information_schema.columns WHERE table_name = 't'"
    return bool(database.scalar(f"{query} AND column_name = 'v'"))


def listed(project: Project, *arguments: str) -> list[dict[str, Any]]:
    result = project.alembic("zanith-recover", "list", "--json", *arguments).succeeded()
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("switched_on", [True, False])
def test_every_template_of_alembic_works(
    make_project: MakeProject, template: str, switched_on: bool
) -> None:
    """With `import alembic_zanith` in env.py and without."""
    project = make_project(template, switched_on=switched_on)
    artifact_id = parked(project.database)
    assert [each["id"] for each in listed(project)] == [artifact_id]
    for verb, *options in (
        ("inspect", "t.v"),
        ("export", "t.v", "-o", "t.csv"),
        ("restore-column", "t.v"),
    ):
        project.alembic("zanith-recover", verb, *options).succeeded()
    assert (project.root / "t.csv").read_text() == "id,v\n1,one\n"
    assert has_column(project.database)
    project.alembic("zanith-recover", "purge", "t.v", "--yes").succeeded()
    assert listed(project, "--all") == []


def test_psycopg2_works_too(make_project: MakeProject) -> None:
    project = make_project("generic", "psycopg2")
    parked(project.database)
    project.alembic("zanith-recover", "restore-column", "t.v").succeeded()
    assert has_column(project.database)


def test_name_chooses_the_section_of_the_ini_file(
    project: Project, make_database: MakeDatabase
) -> None:
    other = make_database()
    ini = project.root / "alembic.ini"
    text = ini.read_text()
    section = text[text.index("[alembic]") : text.index("[post_write_hooks]")]
    section = section.replace("[alembic]", "[other]").replace(project.database.name, other.name)
    ini.write_text(text + "\n" + section)
    artifact_id = parked(other)
    assert listed(project) == []
    result = project.alembic("-n", "other", "zanith-recover", "list", "--json").succeeded()
    assert [each["id"] for each in json.loads(result.stdout)] == [artifact_id]


def test_arguments_of_env_py_reach_it(project: Project) -> None:
    parked(project.database)
    project.edit_env(
        r"^def run_migrations_online\(\) -> None:",
        r"print(context.get_x_argument(as_dictionary=True))\n\n\n\g<0>",
    )
    result = project.alembic("-x", "tenant=acme", "zanith-recover", "list").succeeded()
    assert "{'tenant': 'acme'}" in result.stderr


# ------------------------------------------------------------------- several databases


@pytest.fixture
def two(make_project: MakeProject) -> Project:
    """A project of the template multidb, with t.v parked in both databases."""
    project = make_project("multidb")
    for database in project.databases.values():
        parked(database)
    return project


def test_list_shows_all_databases_and_names_them(two: Project) -> None:
    assert [each["database"] for each in listed(two)] == ["engine2", "engine1"]
    text = two.alembic("zanith-recover", "list").succeeded().stdout
    assert text.splitlines()[0].endswith("Database")
    assert [line.split()[-1] for line in text.splitlines()[1:]] == ["engine2", "engine1"]
    assert [each["database"] for each in listed(two, "--database", "engine1")] == ["engine1"]


@pytest.mark.parametrize(
    "verb", [("inspect",), ("export", "-o", "t.csv"), ("purge",), ("restore-column",)]
)
def test_a_target_in_several_databases_is_refused_before_anything_happens(
    two: Project, verb: tuple[str, ...]
) -> None:
    before = [database.dump() for database in two.databases.values()]
    result = two.alembic("zanith-recover", *verb, "t.v").failed()
    assert "'t.v' is parked in several databases: engine1, engine2" in result.stderr
    assert "--database" in result.stderr
    assert [database.dump() for database in two.databases.values()] == before


def test_database_chooses_one_of_them(two: Project) -> None:
    engine1, engine2 = two.databases.values()
    two.alembic("zanith-recover", "restore-column", "t.v", "--database", "engine2").succeeded()
    assert (has_column(engine1), has_column(engine2)) == (False, True)


def test_a_target_is_found_in_whichever_database_it_is(two: Project) -> None:
    engine1, engine2 = two.databases.values()
    artifact_id = listed(two, "--database", "engine2")[0]["id"]
    two.alembic("zanith-recover", "restore-column", artifact_id).succeeded()
    assert (has_column(engine1), has_column(engine2)) == (False, True)
    two.alembic("zanith-recover", "purge", artifact_id, "--yes").succeeded()
    assert [each["database"] for each in listed(two, "--all")] == ["engine1"]


def test_cleanup_goes_through_all_of_them(two: Project) -> None:
    result = two.alembic("zanith-recover", "cleanup", "--older-than", "0d").succeeded()
    assert result.stdout.count("Purged t.v") == 2
    assert listed(two) == []


def test_what_is_in_none_of_them_names_the_close_ones(two: Project) -> None:
    result = two.alembic("zanith-recover", "inspect", "t.w").failed()
    assert "parked in none of the databases" in result.stderr
    assert "engine1: No artifact is named 't.w'. Did you mean 't.v'" in result.stderr
    unknown = two.alembic("zanith-recover", "list", "--database", "engine3").failed()
    assert "has no database 'engine3'. Did you mean" in unknown.stderr


def test_a_database_of_another_product_is_passed_over(two: Project) -> None:
    ini = two.root / "alembic.ini"
    url = two.databases["engine2"].url().render_as_string(hide_password=False)
    ini.write_text(ini.read_text().replace(url, "sqlite:///other.db"))
    assert [each["database"] for each in listed(two)] == ["engine1"]
    two.alembic("zanith-recover", "restore-column", "t.v").succeeded()
    assert has_column(two.databases["engine1"])


TENANTS = """
    with connectable.connect() as connection:
        for tenant in ("tenant_a", "tenant_b"):
            connection.exec_driver_sql(f"SET search_path = {tenant}")
            connection.commit()
            context.configure(connection=connection, target_metadata=target_metadata)
            with context.begin_transaction():
                context.run_migrations()
"""


def test_an_env_py_that_loops_over_schemas_has_one_list_for_each(project: Project) -> None:
    project.edit_env(
        r"    with connectable\.connect\(\) as connection:\n(?:.*\n)*?(?=\nif context)", TENANTS
    )
    for tenant in ("tenant_a", "tenant_b"):
        with project.database.begin() as connection:
            connection.exec_driver_sql(f"CREATE SCHEMA {tenant}; SET search_path = {tenant}; {T}")
            soft_drop_column(connection, "t", "v", workspace=Workspace(tenant))
    name = project.database.name
    names = [f"{name}.tenant_b", f"{name}.tenant_a"]
    assert [each["database"] for each in listed(project)] == names
    one = ("zanith-recover", "restore-column", "t.v", "--database", f"{name}.tenant_b")
    project.alembic(*one).succeeded()
    assert [each["source"] for each in listed(project)] == ["tenant_a.t.v"]


def test_two_version_tables_in_one_schema_share_one_list(project: Project) -> None:
    project.edit_env(
        r"^    run_migrations_online\(\)",
        "    run_migrations_online()\n    run_migrations_online()",
    )
    artifact_id = parked(project.database)
    assert [each["id"] for each in listed(project)] == [artifact_id]
    project.alembic("zanith-recover", "restore-column", "t.v").succeeded()
    assert has_column(project.database)


def test_reading_verbs_write_nothing(project: Project) -> None:
    for verb, code in ((("list",), 0), (("cleanup",), 0), (("inspect", "t"), 1)):
        assert project.alembic("zanith-recover", *verb).exit_code == code
    count = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert project.database.scalar(count) == 0


# --------------------------------------------------------------------- where things are


def test_bookkeeping_is_found_beside_alembic_version(project: Project) -> None:
    project.database.execute("CREATE SCHEMA versions")
    project.configure_context('version_table_schema="versions"')
    artifact_id = parked(project.database, Workspace("versions"))
    assert [each["id"] for each in listed(project)] == [artifact_id]
    project.alembic("zanith-recover", "restore-column", "t.v").succeeded()
    assert has_column(project.database)


def test_several_heads_are_nothing_special(project: Project) -> None:
    project.revision(message="one")
    project.revision(message="two", head="base", splice=True)
    project.upgrade("heads")
    parked(project.database)
    project.alembic("zanith-recover", "restore-column", "t.v").succeeded()
    assert has_column(project.database)


def test_a_flask_application_can_offer_it_as_a_command(project: Project) -> None:
    flask_migrate = pytest.importorskip("flask_migrate")
    import click
    from flask import Flask
    from flask_sqlalchemy import SQLAlchemy

    from alembic_zanith.cli import recover

    app = Flask("shop", root_path=str(project.root))
    url = project.database.url().render_as_string(hide_password=False)
    app.config["SQLALCHEMY_DATABASE_URI"] = url
    db = SQLAlchemy(app)
    flask_migrate.Migrate(app, db, directory=str(project.root / "flask"))

    @app.cli.command(
        "zanith-recover",
        context_settings={"ignore_unknown_options": True, "help_option_names": []},
    )
    @click.argument("arguments", nargs=-1)
    def zanith_recover(arguments: tuple[str, ...]) -> None:
        recover(app.extensions["migrate"].migrate.get_config(), arguments)

    with project.database.begin() as connection:
        connection.exec_driver_sql(T)
        soft_drop_table(connection, "t")
    with app.app_context():
        flask_migrate.init()
    runner = app.test_cli_runner()
    found = runner.invoke(args=["zanith-recover", "list", "--json"])
    assert [each["source"] for each in json.loads(found.stdout)] == ["t"]
    assert runner.invoke(args=["zanith-recover", "restore-table", "t"]).exit_code == 0
    assert project.database.scalar("SELECT v FROM t") == "one"
    with app.app_context():
        db.engine.dispose()
