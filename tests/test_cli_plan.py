"""`alembic zanith-plan` in real projects: what is pending, as text and as an exit status."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import MakeProject
from tests.support.database import Database
from tests.support.project import TEMPLATES, Project
from tests.support.running import Result
from tests.support.terminal import run_on_terminal

USERS = "op.create_table('users', sa.Column('id', sa.Integer), sa.Column('email', sa.Text))"
DROP = "op.drop_column('users', 'email')"
INDEX = "op.create_index('users_email', 'users', ['email'])"


@pytest.fixture
def shop(project: Project) -> Project:
    """Three revisions, the first of which has run; `users` has 50 rows."""
    project.revision(USERS, "op.drop_table('users')", message="users", rev_id="aaaa1111")
    project.upgrade()
    project.database.execute(
        "INSERT INTO users SELECT n, 'x' FROM generate_series(1, 50) AS n; ANALYZE users"
    )
    project.revision(INDEX, "op.drop_index('users_email')", message="index", rev_id="bbbb2222")
    project.revision(DROP, message="no email", rev_id="cccc3333")
    return project


def plan(project: Project, *arguments: str, **options: Any) -> Result:
    return project.alembic("zanith-plan", *arguments, **options)


def plans(project: Project, *arguments: str) -> list[dict[str, Any]]:
    """Return the plans of a report for programs, whatever the gates say."""
    result = plan(project, *arguments, "--format", "json")
    assert result.exit_code in (0, 1), result.output
    found: list[dict[str, Any]] = json.loads(result.stdout)["plans"]
    return found


def planned(project: Project, *arguments: str) -> list[tuple[str, list[str]]]:
    """Return the revisions of the only plan, each with the kinds of its operations."""
    (found,) = plans(project, *arguments)
    return [
        (each["revision"], [operation["kind"] for operation in each["operations"]])
        for each in found["revisions"]
    ]


def failure(result: Result) -> str:
    """Return why there is no plan."""
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert "Traceback" not in result.stderr
    return result.stderr


# ------------------------------------------------------------------------------- the whole


def test_the_whole_report_reads_like_this(shop: Project) -> None:
    name = shop.database.name
    size = shop.database.scalar("SELECT pg_size_pretty(pg_total_relation_size('users'))")
    version = shop.database.scalar("SHOW server_version")
    result = plan(shop)
    assert result.exit_code == 1
    assert result.stdout == (
        f"Upgrade: 2 operations in 2 revisions (database {name}, PostgreSQL {version})\n"
        "\n"
        "bbbb2222 (index), migrations/versions/bbbb2222_index.py\n"
        "Line  Operation              Risk         Rows  Lock\n"
        "  23  add_index users_email  medium (35)  ~50   SHARE\n"
        "      adds_index: writes to the table wait while the index is built\n"
        f"      users has about 50 rows, {size}\n"
        "      CREATE INDEX users_email ON users (email);\n"
        "\n"
        "cccc3333 (no email), migrations/versions/cccc3333_no_email.py\n"
        "Line  Operation                Risk              Rows  Lock\n"
        "  23  drop_column users.email  destructive (80)  ~50   ACCESS EXCLUSIVE\n"
        "      drops_column_with_data: the values of the column are lost\n"
        f"      users has about 50 rows, {size}\n"
        "      ALTER TABLE users DROP COLUMN email;\n"
        "\n"
        "Worst: destructive (80). Total: 1 destructive, 1 medium.\n"
        "\n"
        "Refused\n"
        "\n"
        "1. drop_column users.email, by drop_column: destructive (80), drops_column_with_data\n"
        "   where: revision cccc3333 (no email), migrations/versions/cccc3333_no_email.py:23\n"
        f"   why: the values of the column are lost; users has about 50 rows, {size}\n"
        "   gate allow-destructive: what loses data needs consent.\n"
        "   instead: op.soft_drop_column('users', 'email')\n"
        "   or: To lose the data on purpose, run it with --allow-destructive.\n"
        "\n"
        "REFUSED by allow-destructive (mode staging)\n"
    )


def test_a_terminal_of_80_columns_has_no_longer_line(shop: Project) -> None:
    result = run_on_terminal(shop.root, "zanith-plan", "bbbb2222", columns=80)
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert "PASS (mode staging)" in lines
    assert max(map(len, lines)) <= 80


def test_nothing_is_written(shop: Project) -> None:
    before = shop.database.dump_of_all()
    plan(shop)
    plan(shop, "--downgrade", "base")
    assert shop.database.dump_of_all() == before


def test_a_database_that_nobody_has_touched_stays_so(project: Project) -> None:
    project.revision(USERS)
    plan(project).succeeded()
    count = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"
    assert project.database.scalar(count) == 0


# --------------------------------------------------------------------------- what is meant


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], ["bbbb2222", "cccc3333"]),
        (["head"], ["bbbb2222", "cccc3333"]),
        (["heads"], ["bbbb2222", "cccc3333"]),
        (["bbbb2222"], ["bbbb2222"]),
        (["bbbb"], ["bbbb2222"]),
        (["+1"], ["bbbb2222"]),
        (["head-1"], ["bbbb2222"]),
        (["aaaa1111"], []),
        (["base:bbbb2222"], ["aaaa1111", "bbbb2222"]),
        (["aaaa1111:head"], ["bbbb2222", "cccc3333"]),
        (["bbbb2222:"], ["cccc3333"]),
        ([":bbbb"], ["aaaa1111", "bbbb2222"]),
        (["head-1:head"], ["cccc3333"]),
        (["--offline"], ["aaaa1111", "bbbb2222", "cccc3333"]),
        (["--offline", "bbbb2222"], ["aaaa1111", "bbbb2222"]),
        (["--offline", "+2"], ["aaaa1111", "bbbb2222"]),
        (["--offline", "bbbb2222:head"], ["cccc3333"]),
    ],
)
def test_upgrades(shop: Project, arguments: list[str], expected: list[str]) -> None:
    assert [revision for revision, _ in planned(shop, *arguments)] == expected
    assert {each["direction"] for each in plans(shop, *arguments)} == {"upgrade"}


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["-1"], ["aaaa1111"]),
        (["base"], ["aaaa1111"]),
        (["--downgrade"], ["aaaa1111"]),
        (["--downgrade", "base"], ["aaaa1111"]),
        (["--downgrade", "aaaa1111"], []),
        (["--downgrade", "cccc3333:aaaa1111"], ["cccc3333", "bbbb2222"]),
        (["--offline", "-2"], ["cccc3333", "bbbb2222"]),
        (["--offline", "--downgrade", "bbbb2222"], ["cccc3333"]),
    ],
)
def test_downgrades(shop: Project, arguments: list[str], expected: list[str]) -> None:
    assert [revision for revision, _ in planned(shop, *arguments)] == expected
    assert {each["direction"] for each in plans(shop, *arguments)} == {"downgrade"}


def test_nothing_pending_passes(shop: Project) -> None:
    result = plan(shop, "aaaa1111").succeeded()
    assert result.stdout.startswith(f"Nothing is pending (database {shop.database.name}, ")
    assert result.stdout.endswith("\n\nPASS (mode staging)\n")


def test_branches_and_merges_are_in_the_order_of_the_upgrade(project: Project) -> None:
    project.revision(rev_id="aaaabase")
    project.revision(rev_id="aaaaleft", head="aaaabase", branch_label="left")
    project.revision(rev_id="aaaaright", head="aaaabase", splice=True, branch_label="right")
    first, *heads = (name for name, _ in planned(project))
    assert (first, sorted(heads)) == ("aaaabase", ["aaaaleft", "aaaaright"])
    assert [name for name, _ in planned(project, "left@head")] == ["aaaabase", "aaaaleft"]
    assert "heads" in failure(plan(project, "head"))
    project.upgrade("left@head")
    assert [name for name, _ in planned(project)] == ["aaaaright"]
    project.revision(message="merge", rev_id="aaaamerge", head="heads")
    assert [name for name, _ in planned(project)] == ["aaaaright", "aaaamerge"]
    offline = [name for name, _ in planned(project, "--offline")]
    upgraded = project.alembic("upgrade", "heads", "--sql").succeeded()
    written = [
        line.rpartition(" ")[2] for line in upgraded.stdout.splitlines() if "-- Running" in line
    ]
    assert offline == written


def test_what_a_revision_depends_on_comes_before_it(project: Project) -> None:
    project.revision(message="one", rev_id="aaaaone")
    project.revision(message="two", rev_id="aaaatwo", head="base", splice=True)
    project.revision(message="three", rev_id="aaaathree", head="aaaatwo", depends_on="aaaaone")
    for arguments in ([], ["--offline"], ["base:aaaathree"]):
        names = [name for name, _ in planned(project, *arguments)]
        assert names.index("aaaaone") < names.index("aaaathree")
        assert names.index("aaaatwo") < names.index("aaaathree")


# --------------------------------------------------------------------------------- failing


@pytest.mark.parametrize("where", [[], ["--offline"]])
def test_an_unknown_revision_names_the_close_ones(shop: Project, where: list[str]) -> None:
    message = failure(plan(shop, *where, "bbbb2223"))
    assert "There is no revision 'bbbb2223'. Did you mean 'bbbb2222'?" in message
    assert "alembic history" in message


def test_a_beginning_that_several_revisions_have_is_refused(project: Project) -> None:
    project.revision(rev_id="abcd1111")
    project.revision(rev_id="abcd2222")
    assert "Multiple revisions start with 'abcd'" in failure(plan(project, "abcd"))


def test_a_database_that_other_scripts_have_upgraded(shop: Project) -> None:
    shop.database.execute("UPDATE alembic_version SET version_num = 'dddd4444'")
    message = failure(plan(shop))
    assert "The database is at revision 'dddd4444', which no script has" in message


def test_more_steps_than_there_are(shop: Project) -> None:
    assert "+7" in failure(plan(shop, "+7"))
    assert "-7" in failure(plan(shop, "-7"))


@pytest.mark.parametrize("where", [[], ["--offline"]])
def test_a_range_that_is_the_wrong_way_round(shop: Project, where: list[str]) -> None:
    message = failure(plan(shop, *where, "head:aaaa1111"))
    assert "Nothing is pending from head to aaaa1111, which comes before it." in message
    assert "Write aaaa1111:head" in message


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--nonsense"], "No such option '--nonsense'"),
        (["--format", "yaml"], "'yaml' is not one of"),
        (["a", "b"], "unexpected extra argument (b)"),
        (["--mode", "prodution"], "Did you mean 'production'?"),
        (["--max-risk", "high"], "--max-risk: 'high'"),
        (["--max-risk"], "requires an argument"),
        (["--database", "engine2", "--offline"], "no database 'engine2'"),
        (["--database", "engine2"], "no database 'engine2'"),
    ],
)
def test_wrong_usage_is_status_2(shop: Project, arguments: list[str], message: str) -> None:
    assert message in failure(plan(shop, *arguments))


@pytest.mark.parametrize(
    ("template", "driver"), [("generic", "psycopg"), ("generic", "psycopg2"), ("async", "asyncpg")]
)
def test_a_server_that_is_down_is_status_2_and_offline_is_offered(
    make_project: MakeProject, template: str, driver: str
) -> None:
    project = make_project(template, driver)
    project.revision(USERS)
    ini = project.root / "alembic.ini"
    old = project.database.url(driver)
    new = old.set(port=1).render_as_string(hide_password=False)
    ini.write_text(ini.read_text().replace(old.render_as_string(hide_password=False), new))
    message = failure(plan(project))
    assert "zanith-plan changed nothing: " in message
    assert message.rstrip().endswith("With --offline a plan needs no database.")
    plan(project, "--offline").succeeded()


def test_a_database_of_another_product(shop: Project) -> None:
    ini = shop.root / "alembic.ini"
    url = shop.database.url().render_as_string(hide_password=False)
    ini.write_text(ini.read_text().replace(url, "sqlite://"))
    assert "alembic-zanith works on PostgreSQL only" in failure(plan(shop))


def test_a_file_that_cannot_be_written(shop: Project) -> None:
    message = failure(plan(shop, "-o", "nowhere/plan.txt"))
    assert "The plan was not written: nowhere/plan.txt: No such file or directory." in message


# ----------------------------------------------------------------------------------- gates


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (["bbbb2222"], 0),
        ([], 1),
        (["--allow-destructive"], 0),
        (["--mode", "dev"], 0),
        (["--mode", "dev", "--max-risk", "60"], 1),
        (["bbbb2222", "--max-risk", "34"], 1),
        (["bbbb2222", "--max-risk", "35"], 0),
        (["bbbb2222", "--mode", "production"], 1),
        (["bbbb2222", "--mode", "production", "--skip-shadow-check"], 0),
        (["bbbb2222", "--shadow-verified"], 1),
    ],
)
def test_the_exit_status_is_the_verdict(shop: Project, arguments: list[str], status: int) -> None:
    for where in ([], ["--offline"]):
        # Offline too the first revision is not pending, which would make the table a new one.
        target = arguments if where == [] else [*_from_first(arguments), "--offline"]
        result = plan(shop, *target)
        assert result.exit_code == status, result.output
        last = result.stdout.splitlines()[-1]
        assert last.startswith("PASS" if status == 0 else "REFUSED by ")


def _from_first(arguments: list[str]) -> list[str]:
    if arguments[:1] == ["bbbb2222"]:
        return ["aaaa1111:bbbb2222", *arguments[1:]]
    return ["aaaa1111:head", *arguments]


def test_upgrade_and_plan_say_the_same(shop: Project) -> None:
    refused = plan(shop).stdout.partition("Refused\n")[2]
    entry = refused.partition("\nREFUSED")[0].strip()
    assert entry.startswith("1. drop_column users.email")
    assert entry in shop.alembic("upgrade", "head").failed().output


def test_settings_come_from_every_source(shop: Project) -> None:
    assert plan(shop, env={"ZANITH_ALLOW_DESTRUCTIVE": "true"}).exit_code == 0
    assert plan(shop, "bbbb2222", env={"ZANITH_MAX_RISK": "10"}).exit_code == 1
    by_x = shop.alembic("-x", "zanith_max_risk=10", "zanith-plan", "bbbb2222")
    assert by_x.exit_code == 1
    shop.settings(max_risk=10)
    for where in ([], ["--offline"]):
        assert plan(shop, "bbbb2222", *where).exit_code == (1 if not where else 0)
    assert plan(shop, "bbbb2222", "--max-risk", "40").exit_code == 0


def test_a_connection_that_commits_each_statement_is_refused_and_still_not_written_to(
    shop: Project,
) -> None:
    shop.edit_env(r"poolclass=pool.NullPool,", r'\g<0> isolation_level="AUTOCOMMIT",')
    before = shop.database.dump_of_all()
    result = plan(shop, "bbbb2222")
    assert result.exit_code == 1
    assert result.stdout.endswith("REFUSED by transaction (mode staging)\n")
    assert shop.database.dump_of_all() == before


def test_a_transaction_for_each_migration_is_nothing_special(shop: Project) -> None:
    shop.configure_context("transaction_per_migration=True")
    before = shop.database.dump_of_all()
    assert [revision for revision, _ in planned(shop)] == ["bbbb2222", "cccc3333"]
    assert shop.database.dump_of_all() == before


def test_preflight_looks_at_the_rows_and_writes_nothing(shop: Project) -> None:
    shop.revision("op.create_unique_constraint('one_each', 'users', ['email'])", rev_id="dddd4444")
    before = shop.database.dump_of_all()
    result = plan(shop, "cccc3333:dddd4444")
    assert result.exit_code == 1
    assert "\nPreflight\n  users has no duplicates in email: no, 1 group of rows\n" in result.stdout
    assert (
        "   gate preflight: users has no duplicates in email: no, 1 group of rows.\n"
        "      email = x, rows = 50\n"
    ) in result.stdout
    assert result.stdout.endswith("REFUSED by preflight (mode staging)\n")
    assert shop.database.dump_of_all() == before
    assert plan(shop, "cccc3333:dddd4444", "--offline").exit_code == 0


def test_suppressions_are_shown_with_their_reasons(shop: Project) -> None:
    shop.revision(
        "# zanith: allow drops_index — nobody reads by it\n"
        "op.drop_index('users_email')\n"
        "# zanith: allow drops_table_with_data — nothing to drop here",
        rev_id="dddd4444",
    )
    text = plan(shop, "cccc3333:dddd4444", "--max-risk", "15").succeeded().stdout
    assert "      allowed in line 23, drops_index: nobody reads by it\n" in text
    assert "\n  line 25: nothing needs to be allowed drops_table_with_data; take it out.\n" in text
    assert "Warnings" not in text


# ------------------------------------------------------------------------ output and noise


@pytest.mark.parametrize("where", [[], ["--offline"]])
def test_what_scripts_and_env_py_print_is_not_in_the_output(
    project: Project, where: list[str]
) -> None:
    project.revision(f"print('noise'); {USERS}", rev_id="aaaa1111")
    (script,) = project.versions.glob("*.py")
    script.write_text(script.read_text() + "\nprint('noise of the import')\n")
    project.edit_env(r"^import alembic_zanith", r"\g<0>\nprint('noise of env.py')")
    result = plan(project, *where, "--format", "json").succeeded()
    assert json.loads(result.stdout)["passed"] is True
    assert "noise" not in result.stdout


@pytest.mark.parametrize("name", ["terminal", "json", "markdown", "sarif", "github"])
def test_a_format_to_a_file_and_the_verdict_to_the_log(shop: Project, name: str) -> None:
    written = plan(shop, "--format", name)
    file = shop.root / "report"
    file.write_text("from before")
    result = plan(shop, "--format", name, "--output", "report")
    assert (written.exit_code, result.exit_code) == (1, 1)
    assert file.read_text(encoding="utf-8") == written.stdout
    assert result.stdout == "REFUSED by allow-destructive (mode staging)\n"
    quiet = shop.alembic("-q", "zanith-plan", "--format", name, "--output", "report")
    assert quiet.stdout == ""


@pytest.mark.parametrize("name", ["terminal", "json", "markdown", "sarif", "github"])
def test_an_output_that_lacks_a_character_gets_the_rest(project: Project, name: str) -> None:
    project.revision("op.create_table('größe_→', sa.Column('id', sa.Integer))")
    result = project.alembic_subprocess(
        "zanith-plan", "--format", name, env={"PYTHONIOENCODING": "ascii"}
    ).succeeded()
    assert result.stderr == ""
    assert result.stdout


def test_paths_for_programs_are_from_the_repository_on(shop: Project) -> None:
    (shop.root.parent / ".git").mkdir()
    (found,) = plans(shop, "bbbb2222")
    assert found["revisions"][0]["path"] == (
        f"{shop.root.name}/migrations/versions/bbbb2222_index.py"
    )
    command = plan(shop, "bbbb2222", "--format", "github").stdout.splitlines()[0]
    assert command.startswith(
        f"::warning file={shop.root.name}/migrations/versions/bbbb2222_index.py,line=23,"
    )


def test_verbose_shows_all_of_the_sql(shop: Project) -> None:
    columns = ", ".join(f"sa.Column('column_{n}', sa.Text)" for n in range(20))
    shop.revision(f"op.create_table('wide', {columns})", rev_id="dddd4444")
    assert "column_19 TEXT" not in plan(shop).stdout
    assert "      \tcolumn_19 TEXT" not in plan(shop, "--verbose").stdout
    assert "column_19 TEXT\n" in plan(shop, "--verbose").stdout


# ------------------------------------------------------------------------------- templates


@pytest.mark.parametrize("template", [name for name in TEMPLATES if name != "multidb"])
@pytest.mark.parametrize("where", [[], ["--offline"]])
def test_every_template(make_project: MakeProject, template: str, where: list[str]) -> None:
    project = make_project(template)
    project.revision(USERS, rev_id="aaaa1111")
    assert planned(project, *where) == [("aaaa1111", ["create_table"])]


@pytest.mark.parametrize("where", [[], ["--offline"]])
def test_a_project_that_does_not_import_the_package(
    make_project: MakeProject, where: list[str]
) -> None:
    project = make_project(switched_on=False)
    project.revision(USERS, rev_id="aaaa1111")
    assert planned(project, *where) == [("aaaa1111", ["create_table"])]


@pytest.fixture
def two(make_project: MakeProject) -> Project:
    """A project of the template multidb, with one operation for each database."""
    project = make_project("multidb")
    project.revision(USERS, rev_id="aaaa1111")
    (script,) = project.versions.glob("*.py")
    head, _, rest = script.read_text().partition("def upgrade_engine2() -> None:")
    rest = rest.replace("    pass\n", "    op.execute('DROP TABLE gone')\n", 1)
    script.write_text(f"{head}def upgrade_engine2() -> None:{rest}")
    return project


@pytest.mark.parametrize("where", [[], ["--offline"]])
def test_several_databases_have_a_report_each(two: Project, where: list[str]) -> None:
    found = plans(two, *where, "--mode", "dev")
    kinds = {
        each["database"]: [
            operation["kind"]
            for revision in each["revisions"]
            for operation in revision["operations"]
        ]
        for each in found
    }
    assert kinds == {"engine1": ["create_table"], "engine2": ["drop_table"]}
    only = plans(two, *where, "--mode", "dev", "--database", "engine2")
    assert [each["score"] for each in only] == [5 if where == [] else 80]


@pytest.mark.parametrize("where", [[], ["--offline"]])
def test_one_refused_database_refuses_all(two: Project, where: list[str]) -> None:
    two.databases["engine2"].execute("CREATE TABLE gone (id int); INSERT INTO gone VALUES (1)")
    result = plan(two, *where)
    assert result.exit_code == 1
    verdicts = [line for line in result.stdout.splitlines() if "(mode staging)" in line]
    assert verdicts == ["PASS (mode staging)", "REFUSED by allow-destructive (mode staging)"]


def test_two_version_tables_in_one_schema_are_two_plans(project: Project) -> None:
    project.revision(USERS, rev_id="aaaa1111")
    project.upgrade()
    again = (
        "    run_migrations_online()\n"
        "    from unittest import mock\n"
        "    configure = context.configure\n"
        "    second = lambda **kw: configure(version_table='second', **kw)\n"
        "    with mock.patch.object(context, 'configure', second):\n"
        "        run_migrations_online()"
    )
    project.edit_env(r"^    run_migrations_online\(\)", again)
    found = plans(project)
    assert [len(each["revisions"]) for each in found] == [0, 1]
    assert len({each["database"] for each in found}) == 2


def test_offline_needs_neither_env_py_nor_a_url(shop: Project) -> None:
    shop.env_py.write_text("raise SystemExit('env.py was run')\n")
    assert plan(shop, "--offline", "bbbb2222").exit_code == 0


@pytest.mark.parametrize(
    "with_sql", ["op.get_context().as_sql", "context.is_offline_mode()"], ids=["op", "context"]
)
def test_offline_plans_the_run_on_a_database(project: Project, with_sql: str) -> None:
    """Not the other one, that writes a script: `--sql` is for a run without questions."""
    project.revision(
        f"from alembic import context\nif {with_sql}:\n    op.create_table('a')\n"
        "else:\n    op.drop_table('b')",
        rev_id="aaaa1111",
    )
    shown = project.alembic("zanith-plan", "--offline")
    assert shown.exit_code == 1
    assert "drop_table b" in shown.stdout


def test_from_python_it_ends_like_a_program(shop: Project, tmp_path: Path) -> None:
    from alembic_zanith.cli import plan as run_plan

    config = shop.config()
    for arguments, status in ((["--offline"], 0), (["--offline", "aaaa1111:head"], 1)):
        with pytest.raises(SystemExit) as ended:
            run_plan(config, [*arguments, "--output", str(tmp_path / "plan.txt")])
        assert ended.value.code == status
    assert config.cmd_opts is None


def test_a_script_that_reads_rows_is_known_in_part(shop: Project, database: Database) -> None:
    shop.revision(
        "for row in op.get_bind().execute(sa.text('SELECT id FROM users')):\n"
        "    op.drop_table(row.name)",
        rev_id="dddd4444",
    )
    text = plan(shop, "cccc3333:dddd4444").stdout
    assert "  Known in part, because it reads the rows of: SELECT id FROM users." in text
    assert "    line 24: op.drop_table(row.name)" in text


MOVES = r"""\g<0>
from pathlib import Path
context.script.version_locations = [str(Path(__file__).parent / "elsewhere")]
"""


def test_revisions_that_env_py_looks_for_elsewhere_are_planned(project: Project) -> None:
    project.revision("op.drop_table('t')", rev_id="aa")
    project.versions.rename(project.versions.with_name("elsewhere"))
    project.versions.mkdir()
    project.edit_env(r"^config = context\.config$", MOVES)
    shown = project.alembic("zanith-plan").output
    assert "drop_table t" in shown
    offline = project.alembic("zanith-plan", "--offline").output
    assert "There are no revisions in" in offline
