"""The recording pass knows what scripts would do, and does none of it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.dialects import postgresql

from alembic_zanith.plan.model import Plan, PlannedRevision
from alembic_zanith.plan.record import Recording, record
from tests.support.database import Database
from tests.support.project import Project


def plan_of(project: Project, **options: Any) -> Plan:
    directory = ScriptDirectory.from_config(project.config())
    scripts = list(directory.walk_revisions())[::-1]
    return record(scripts, Recording(postgresql.dialect(), **options))  # type: ignore[no-untyped-call]


def recorded(project: Project, upgrade: str) -> PlannedRevision:
    project.revision(upgrade=upgrade)
    return plan_of(project).revisions[-1]


def said(revision: PlannedRevision) -> list[tuple[str, str]]:
    worst = [operation.assessment.worst for operation in revision.operations]
    return [(each.change.kind, each.change.subject) for each in worst if each is not None]


def test_operations_are_known_with_their_lines_and_sql(project: Project) -> None:
    revision = recorded(
        project,
        "op.create_table('t', sa.Column('id', sa.Integer))\nop.create_index(\n    't_id',\n    't',\n    ['id'],\n)",
    )
    lines = Path(revision.path).read_text().splitlines()
    created, indexed = revision.operations
    assert said(revision) == [("create_table", "t"), ("add_index", "t_id")]
    assert created.line is not None
    assert "create_table" in lines[created.line - 1]
    assert indexed.line is not None
    assert "create_index" in lines[indexed.line - 1]
    assert indexed.sql == "CREATE INDEX t_id ON t (id);"


def test_an_index_on_a_table_of_the_same_plan_is_safe(project: Project) -> None:
    project.revision(upgrade="op.create_table('t', sa.Column('id', sa.Integer))")
    project.revision(upgrade="op.create_index('t_id', 't', ['id'])")
    (_, indexed) = plan_of(project).operations
    finding = indexed[1].assessment.findings[0]
    first = plan_of(project).revisions[0].revision
    assert finding.judgement.level.word == "safe"
    assert finding.facts == (f"t is created by the same plan, in revision {first}",)


@pytest.mark.parametrize(
    ("script", "known", "why"),
    [
        (
            "op.drop_table('a')\nop.get_bind().execute(sa.text('SELECT 1')).scalar()\nop.drop_table('b')",
            [("drop_table", "a"), ("harmless", "SELECT 1"), ("drop_table", "b")],
            "it reads the result (scalar) of: SELECT 1",
        ),
        ("sa.inspect(op.get_bind()).get_table_names()", [], "it inspects the database"),
        ("op.get_bind().get_isolation_level()", [], "it uses get_isolation_level of a connection"),
        (
            "op.drop_table('a')\n1 / 0",
            [("drop_table", "a")],
            "it raises ZeroDivisionError: division by zero",
        ),
        ("raise SystemExit(3)", [], "it raises SystemExit: 3"),
    ],
)
def test_a_script_is_recorded_up_to_where_it_needs_a_database(
    project: Project, script: str, known: list[tuple[str, str]], why: str
) -> None:
    revision = recorded(project, script)
    assert said(revision) == known
    assert revision.is_partial
    assert revision.ended == why


def test_what_stands_behind_the_end_is_planned_as_the_text_says(project: Project) -> None:
    revision = recorded(
        project,
        "rows = op.get_bind().execute(sa.text('SELECT 1')).fetchall()\n"
        "for row in rows:\n    op.drop_table('maybe')\n"
        "op.drop_table('surely')",
    )
    assert said(revision)[1:] == [("drop_table", "surely")]
    (finding,) = revision.operations[-1].assessment.findings
    assert finding.facts == ("it stands behind the place where the recording of the script ended",)


def test_behind_a_partial_script_nobody_says_that_a_column_is_empty(project: Project) -> None:
    project.revision(upgrade="op.add_column('t', sa.Column('c', sa.Integer))")
    project.revision(upgrade="op.get_bind().execute(sa.text('SELECT 1')).scalar()")
    project.revision(upgrade="op.drop_column('t', 'c')")
    (*_, (_, dropped)) = plan_of(project).operations
    assert dropped.assessment.level.word == "destructive"


def test_what_a_partial_script_could_still_call_is_listed(project: Project) -> None:
    revision = recorded(
        project,
        "for row in op.get_bind().execute(sa.text('SELECT 1')):\n    op.drop_table(row.name)",
    )
    assert [call.source for call in revision.possible] == ["op.drop_table(row.name)"]


@pytest.mark.parametrize(
    "script",
    [
        "op.get_bind().commit()",
        "with op.get_bind().begin_nested():\n    pass",
        "op.get_context().autocommit_block().__enter__()",
        "with op.get_bind().begin():\n    op.get_bind().execute(sa.text('SELECT 1'))",
        "op.bulk_insert(sa.table('t', sa.column('id')), [{'id': 1}, {'id': 2}])",
        "op.get_bind().execute(sa.table('t', sa.column('id')).insert(), [{'id': 1}])",
        "with op.get_context().autocommit_block():\n    op.execute('SELECT 1')",
        "print('hello')",
        "import time\ntime.sleep(3600)",
    ],
)
def test_what_needs_no_answer_is_recorded_to_the_end(project: Project, script: str) -> None:
    assert recorded(project, script).ended is None


ASKS = "if op.get_context().as_sql:\n    op.create_table('b')\nelse:\n    op.drop_table('a')"


def test_a_script_that_asks_whether_it_runs_with_sql_is_recorded_as_it_will_run(
    project: Project,
) -> None:
    assert said(recorded(project, ASKS)) == [("drop_table", "a")]


def test_what_a_script_does_with_sql_alone_is_recorded_for_a_run_with_sql(
    project: Project,
) -> None:
    project.revision(upgrade=ASKS)
    with_sql = MigrationContext.configure(dialect_name="postgresql", opts={"as_sql": True})
    revision = plan_of(project, context=with_sql).revisions[-1]
    assert said(revision) == [("create_table", "b")]


def test_a_question_to_the_database_in_an_autocommit_block_ends_the_recording(
    project: Project,
) -> None:
    revision = recorded(
        project,
        "with op.get_context().autocommit_block():\n"
        "    if not op.get_context().as_sql and op.get_bind().exec_driver_sql('SELECT 1').scalar():\n"
        "        op.execute('DROP INDEX CONCURRENTLY i')",
    )
    assert revision.ended == "it reads the result (scalar) of: SELECT 1"
    assert [call.source for call in revision.possible] == [
        "op.execute('DROP INDEX CONCURRENTLY i')"
    ]


def test_nothing_is_executed_whatever_the_script_tries(
    database: Database, project: Project
) -> None:
    database.execute("CREATE TABLE kept (id int)")
    url = database.url().render_as_string(hide_password=False)
    for script in (
        "op.drop_table('kept')",
        "op.get_bind().execute(sa.text('DROP TABLE kept'))",
        "from alembic import context\ncontext.get_bind().execute(sa.text('DROP TABLE kept'))",
        f"with sa.create_engine({url!r}).begin() as c:\n    c.execute(sa.text('DROP TABLE kept'))",
        "op.get_bind().connection.cursor().execute('DROP TABLE kept')",
        "from sqlalchemy.orm import Session\nSession(bind=op.get_bind()).execute(sa.text('DROP TABLE kept'))",
    ):
        project.revision(upgrade=script)
    # The gates of the command plan first, with the project's real connection at hand.
    before = database.dump()
    project.alembic("upgrade", "head").failed()
    assert database.dump() == before
    assert len(plan_of(project).revisions) == 6


def test_the_pass_shows_nothing_that_a_script_prints(
    project: Project, capsys: pytest.CaptureFixture[str]
) -> None:
    recorded(project, "print('out')\nimport sys\nprint('err', file=sys.stderr)")
    shown = capsys.readouterr()
    assert "out" not in shown.out.replace("stdout", "").replace("done", "")
    assert shown.err == ""


def test_op_works_on_the_real_database_again_afterwards(project: Project) -> None:
    project.revision(upgrade="op.create_table('t', sa.Column('id', sa.Integer))")
    project.upgrade()
    assert project.database.scalar("SELECT count(*) FROM t") == 0


def test_downgrades_are_recorded_as_well(project: Project) -> None:
    project.revision(upgrade="pass", downgrade="op.drop_table('t')")
    plan = plan_of(project, is_downgrade=True)
    assert plan.direction == "downgrade"
    assert said(plan.revisions[0]) == [("drop_table", "t")]


def test_naming_conventions_of_the_project_hold(project: Project) -> None:
    project.write_models("", 'naming_convention={"ix": "ix__%(table_name)s"}')
    project.revision(
        upgrade="op.create_table('t', sa.Column('id', sa.Integer))\nop.drop_constraint(op.f('x'), 't')"
    )
    assert "Refused" not in project.alembic("upgrade", "head", "--max-risk", "35").output


def test_a_database_that_is_down_fails_clearly(project: Project) -> None:
    project.revision(upgrade="op.drop_table('t')")
    ini = project.root / "alembic.ini"
    port = str(project.database.url().port)
    ini.write_text(ini.read_text().replace(f":{port}/", ":1/"))
    assert "connection" in project.alembic("upgrade", "head").stderr
    assert plan_of(project).level.word == "destructive"
