"""Every gate, in every mode, from every source of settings."""

from __future__ import annotations

import json

import pytest

from tests.conftest import MakeProject
from tests.support.database import Database
from tests.support.project import Project

DROP = "op.drop_table('kept')"
RETYPE = "op.alter_column('kept', 'value', type_=sa.LargeBinary(), postgresql_using='value::bytea')"
INDEX = "op.create_index('kept_value', 'kept', ['value'])"

PASSES, REFUSED = True, False


@pytest.fixture
def kept(database: Database) -> Database:
    database.execute(
        "CREATE TABLE kept (id int PRIMARY KEY, value text); INSERT INTO kept VALUES (1, 'x')"
    )
    return database


def outcome(
    project: Project, database: Database, *arguments: str, env: dict[str, str] | None = None
) -> bool:
    """Upgrade, and tell whether it was let pass; what is refused changes nothing."""
    before = database.dump()
    result = project.alembic(*arguments, env=env)
    if result.exit_code == 0:
        return PASSES
    assert "Refused" in result.output, result.output
    assert database.dump() == before
    return REFUSED


@pytest.mark.parametrize(
    ("mode", "body", "flags", "expected"),
    [
        ("dev", DROP, [], PASSES),
        ("dev", DROP, ["--max-risk", "60"], REFUSED),
        ("dev", RETYPE, [], PASSES),
        ("staging", DROP, [], REFUSED),
        ("staging", DROP, ["--allow-destructive"], PASSES),
        ("staging", DROP, ["--allow-destructive", "--max-risk", "79"], REFUSED),
        ("staging", RETYPE, [], PASSES),
        ("staging", RETYPE, ["--max-risk", "59"], REFUSED),
        ("staging", RETYPE, ["--max-risk", "60"], PASSES),
        ("staging", INDEX, ["--max-risk", "34"], REFUSED),
        ("staging", INDEX, ["--max-risk", "35"], PASSES),
        ("staging", INDEX, ["--shadow-verified"], REFUSED),
        ("production", DROP, ["--skip-shadow-check"], REFUSED),
        (
            "production",
            DROP,
            ["--skip-shadow-check", "--allow-destructive", "--max-risk", "100"],
            REFUSED,
        ),
        ("production", RETYPE, ["--skip-shadow-check"], PASSES),
        ("production", INDEX, [], REFUSED),
        ("production", INDEX, ["--skip-shadow-check"], PASSES),
    ],
)
def test_a_mode_lets_pass_what_its_gates_allow(
    kept: Database, project: Project, mode: str, body: str, flags: list[str], expected: bool
) -> None:
    project.revision(upgrade=body)
    assert outcome(project, kept, "upgrade", "head", "--mode", mode, *flags) is expected


@pytest.mark.parametrize("source", ["flag", "x", "environment", "ini", "pyproject"])
@pytest.mark.parametrize(
    ("setting", "value", "body", "expected"),
    [
        ("mode", "dev", DROP, PASSES),
        ("mode", "production", INDEX, REFUSED),
        ("max_risk", "34", INDEX, REFUSED),
        ("max_risk", "35", INDEX, PASSES),
        ("allow_destructive", "true", DROP, PASSES),
        ("shadow_verified", "true", INDEX, REFUSED),
        ("skip_shadow_check", "true", INDEX, PASSES),
    ],
)
def test_a_gate_can_be_set_by_every_source(
    kept: Database,
    project: Project,
    source: str,
    setting: str,
    value: str,
    body: str,
    expected: bool,
) -> None:
    project.revision(upgrade=body)
    arguments, env = ["upgrade", "head"], {}
    if source == "flag":
        flag = f"--{setting.replace('_', '-')}"
        arguments += [flag] if value == "true" else [flag, value]
    elif source == "x":
        arguments = ["-x", f"zanith_{setting}={value}", *arguments]
    elif source == "environment":
        env = {f"ZANITH_{setting.upper()}": value}
    elif source == "ini":
        project.settings(**{setting: value})
    else:
        (project.root / "pyproject.toml").write_text(
            f"[tool.alembic_zanith]\n{setting} = {json.dumps(value)}\n"
        )
    assert outcome(project, kept, *arguments, env=env) is expected


def test_a_flag_holds_where_env_py_does_not_switch_the_package_on(
    make_project: MakeProject, kept: Database
) -> None:
    project = make_project(switched_on=False)
    project.revision(upgrade=DROP)
    before = kept.dump()
    refused = project.alembic_subprocess("upgrade", "head", "--max-risk", "60").failed()
    assert "Refused" in refused.output
    assert kept.dump() == before


def test_without_a_flag_other_projects_behave_as_before(
    make_project: MakeProject, kept: Database
) -> None:
    project = make_project(switched_on=False)
    project.revision(upgrade=DROP)
    project.alembic_subprocess("upgrade", "head").succeeded()
    assert kept.rows("SELECT to_regclass('kept')") == [(None,)]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--max-risk", "101"], "--max-risk: '101' is not a score from 0 to 100"),
        (["--max-risk", "much"], "--max-risk: 'much' is not a score from 0 to 100"),
        (
            ["--mode", "prod"],
            "--mode: 'prod' is not one of dev, staging, production. Did you mean 'production'?",
        ),
    ],
)
def test_a_wrong_value_is_an_error_that_names_the_right_ones(
    kept: Database, project: Project, arguments: list[str], message: str
) -> None:
    project.revision(upgrade=INDEX)
    before = kept.dump()
    assert message in project.alembic("upgrade", "head", *arguments).failed().output
    assert kept.dump() == before


def test_a_downgrade_passes_the_gates_as_well(kept: Database, project: Project) -> None:
    project.revision(upgrade="pass", downgrade=DROP)
    project.upgrade()
    before = kept.dump()
    assert "Refused" in project.alembic("downgrade", "-1").failed().output
    assert kept.dump() == before
    project.alembic("downgrade", "-1", "--allow-destructive").succeeded()
    assert kept.rows("SELECT to_regclass('kept')") == [(None,)]


def test_sql_mode_checks_the_plan_and_refuses_drops(kept: Database, project: Project) -> None:
    project.revision(upgrade=DROP)
    refused = project.alembic("upgrade", "head", "--sql").failed()
    assert "Refused" in refused.output
    assert "\nDROP TABLE" not in refused.stdout
    allowed = project.alembic("upgrade", "head", "--sql", "--allow-destructive").succeeded()
    assert "DROP TABLE kept" in allowed.stdout


def test_the_whole_refusal_reads_like_this(kept: Database, project: Project) -> None:
    revision = project.revision(upgrade=DROP, message="Old things go")
    kept.execute("ANALYZE kept")
    refused = project.alembic("upgrade", "head").failed()
    path = f"migrations/versions/{revision}_old_things_go.py"
    size = kept.scalar("SELECT pg_size_pretty(pg_total_relation_size('kept'))")
    lines = (project.root / path).read_text().splitlines()
    line = next(n for n, text in enumerate(lines, start=1) if "drop_table" in text)
    assert (
        "Refused, nothing has run: the only operation does not pass the gates of mode staging.\n"
        "\n"
        "1. drop_table kept, by drop_table: destructive (80), drops_table_with_data\n"
        f"   where: revision {revision} (Old things go), {path}:{line}\n"
        f"   why: the rows of the table are lost; kept has about 1 row, {size}\n"
        "   gate allow-destructive: what loses data needs consent.\n"
        "   instead: op.soft_drop_table('kept')\n"
        "   or: To lose the data on purpose, run it with --allow-destructive.\n"
    ) in refused.output


def test_stamp_current_and_check_are_not_gated(kept: Database, project: Project) -> None:
    project.revision(upgrade=DROP)
    project.settings(mode="production")
    project.alembic("current").succeeded()
    project.alembic("stamp", "head").succeeded()
    project.alembic("history", "--indicate-current").succeeded()


def test_nothing_pending_is_nothing_to_refuse(kept: Database, project: Project) -> None:
    project.settings(mode="production")
    project.alembic("upgrade", "head").succeeded()


@pytest.mark.parametrize("body", [DROP, INDEX])
def test_a_dry_run_shows_the_plan_and_touches_nothing(
    kept: Database, project: Project, body: str
) -> None:
    revision = project.revision(upgrade=body)
    before = kept.dump()
    shown = project.alembic("upgrade", "head", "--dry-run").succeeded().stdout
    assert revision in shown
    assert "drop_table kept" in shown or "add_index kept_value" in shown
    assert ("REFUSED" if body == DROP else "PASS") in shown
    assert "preflight" not in shown or body == INDEX
    assert kept.dump() == before


def test_a_dry_run_shows_what_preflight_finds(kept: Database, project: Project) -> None:
    kept.execute("INSERT INTO kept VALUES (2, 'x')")
    project.revision(upgrade="op.create_unique_constraint('u', 'kept', ['value'])")
    before = kept.dump()
    shown = project.alembic("upgrade", "head", "--dry-run").succeeded().stdout
    assert "kept has no duplicates in value: no, 1 group of rows" in shown
    assert "value = x, rows = 2" in shown
    assert kept.dump() == before
