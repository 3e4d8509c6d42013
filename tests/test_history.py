"""What has run can be read with one command, and the schema as it was."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any

import pytest

from alembic_zanith.artifacts import ArtifactStore
from tests.conftest import MakeProject
from tests.support.database import Database
from tests.support.project import Project


@pytest.fixture
def shop(project: Project) -> Project:
    """Three revisions have run, and a fourth has failed."""
    project.revision(
        "op.create_table('users', sa.Column('id', sa.Integer))", rev_id="aaa1", message="Users"
    )
    project.revision("op.add_column('users', sa.Column('n', sa.Text))", rev_id="aaa2")
    project.upgrade()
    project.revision(
        "op.execute(\"INSERT INTO users VALUES (1), (2)\")\nop.soft_drop_column('users', 'n')",
        rev_id="bbb3",
    )
    project.upgrade()
    project.revision(
        "op.create_index('ix', 'users', ['id'])\nop.execute('SELECT 1/0')", rev_id="ccc4"
    )
    assert project.alembic("upgrade", "head").exit_code != 0
    return project


def history(project: Project, *arguments: str) -> list[str]:
    return project.alembic("zanith-history", *arguments).succeeded().stdout.splitlines()


def runs(project: Project, *arguments: str) -> list[dict[str, Any]]:
    return list(json.loads("\n".join(history(project, "--json", *arguments)))["runs"])


def test_runs_are_shown_newest_first(shop: Project) -> None:
    header, *lines = history(shop)
    assert header.split() == [
        "Started",
        "(UTC)",
        "Revision",
        "Outcome",
        "Who",
        "Mode",
        "Took",
        "Description",
    ]
    found = [line.split() for line in lines if not line.startswith("    ")]
    assert [cells[2] for cells in found] == ["ccc4", "bbb3", "aaa2", "aaa1"]
    assert [cells[5] for cells in found] == ["failed", "succeeded", "succeeded", "succeeded"]
    assert [cells[4] for cells in found] == ["x", "+", "+", "+"]
    assert "    division by zero" in lines
    assert found[-1][-1] == "Users"


def test_verbose_shows_each_operation_with_its_sign_and_level(shop: Project) -> None:
    lines = history(shop, "--verbose")
    shown = [re.sub(r"[\d.]+ m?s$", "TIME", line.strip()) for line in lines]
    for expected in (
        "< add_index ix: medium (35), TIME",
        "+ insert_rows users: safe (5), 2 rows, TIME",
        "+ soft_drop_column users.n: medium (35), TIME",
        "x harmless SELECT 1/0: safe (5), TIME",
    ):
        assert expected in shown, shown
    assert any("PostgreSQL 1" in line for line in shown)


def test_a_stream_that_can_show_them_has_other_signs(shop: Project) -> None:
    shown = shop.alembic_subprocess(
        "zanith-history", "--verbose", env={"PYTHONIOENCODING": "utf-8"}
    ).succeeded()
    for sign in ("✓ succeeded", "✗ failed", "↩ add_index", "✓ insert_rows"):
        assert sign in shown.stdout


def test_a_revision_is_named_by_its_beginning(shop: Project) -> None:
    assert [run["revision"] for run in runs(shop, "--id", "bbb")] == ["bbb3"]
    failed = shop.alembic("zanith-history", "--id", "aaa").failed()
    assert "is the beginning of several revisions: aaa1, aaa2" in failed.stderr
    failed = shop.alembic("zanith-history", "--id", "bbb4").failed()
    assert "Did you mean 'bbb3'" in failed.stderr


def test_since_leaves_out_what_is_older(shop: Project, database: Database) -> None:
    database.execute(
        "UPDATE _zanith_migrations SET started_at = now() - interval '8 days' WHERE revision = 'aaa1'"
    )
    assert [run["revision"] for run in runs(shop, "--since", "7d")] == ["ccc4", "bbb3", "aaa2"]
    assert "is no age" in shop.alembic("zanith-history", "--since", "soon").stderr


def test_a_limit_says_that_there_is_more(shop: Project) -> None:
    assert history(shop, "--limit", "2")[-1] == "There are more than these 2: --limit shows them."


def test_nothing_recorded_is_said(project: Project) -> None:
    assert history(project) == ["Nothing is recorded."]
    assert (
        "Nothing is recorded yet" in project.alembic("zanith-history", "show", "x").failed().stderr
    )


def test_what_changed_between_two_revisions_is_shown(shop: Project) -> None:
    assert history(shop, "diff", "aaa1", "aaa2") == ["+ column users.n: text"]
    assert history(shop, "diff", "aaa2", "bbb3") == ["- column users.n: text"]
    assert history(shop, "diff", "base", "aaa1") == ["+ table users"]
    assert history(shop, "diff", "aaa1", "bbb3") == ["No difference."]
    (found,) = json.loads("\n".join(history(shop, "diff", "aaa1", "aaa2", "--json")))["differences"]
    assert (found["change"], found["kind"], found["name"]) == ("added", "column", "users.n")


def test_the_schema_is_shown_as_it_was(shop: Project) -> None:
    shown = history(shop, "show", "aaa2")
    assert shown[:4] == ["schema public", "  table users", "    id integer", "    n text"]
    assert "    n text" not in history(shop, "show", "bbb3")
    content = json.loads("\n".join(history(shop, "show", "aaa2", "--json")))
    assert list(content["schemas"]["public"]["tables"]) == ["users"]


def test_snapshots_before_and_after_are_stored_once(shop: Project, database: Database) -> None:
    found = database.rows(
        "SELECT revision, snapshot_before, snapshot_after FROM _zanith_migrations ORDER BY id"
    )
    for (_, _, after), (_, before, _) in itertools.pairwise(found[:3]):
        assert after == before
    # bbb3 leads back to what aaa1 was.
    assert found[0][2] == found[2][2]
    assert found[3][1] == found[2][2]
    assert found[3][2] is None
    assert database.scalar("SELECT count(*) FROM _zanith_schema_snapshots") == 3


def test_a_long_run_has_snapshots_at_its_ends(project: Project, database: Database) -> None:
    project.settings(snapshot_revisions="2")
    for n in range(4):
        project.revision(f"op.create_table('t{n}', sa.Column('id', sa.Integer))", rev_id=f"r{n}")
    project.upgrade()
    found = database.rows(
        "SELECT snapshot_before IS NOT NULL, snapshot_after IS NOT NULL FROM _zanith_migrations ORDER BY id"
    )
    assert found == [(True, False), (False, False), (False, False), (False, True)]
    failed = project.alembic("zanith-history", "show", "r1").failed().stderr
    assert "There is no snapshot of revision r1" in failed
    assert "r3" in failed
    assert history(project, "diff", "base", "r3") == [f"+ table t{n}" for n in range(4)]


def test_a_downgrade_leads_back(project: Project) -> None:
    project.revision("op.create_table('a', sa.Column('id', sa.Integer))", rev_id="one")
    project.revision(
        "op.create_table('b', sa.Column('id', sa.Integer))", "op.drop_table('b')", rev_id="two"
    )
    project.upgrade()
    project.alembic("downgrade", "-1", "--allow-destructive").succeeded()
    assert history(project, "diff", "one", "two") == ["+ table b"]


@pytest.mark.parametrize("template", ["multidb", "async"])
def test_every_template_has_a_history(make_project: MakeProject, template: str) -> None:
    project = make_project(template)
    project.revision("op.create_table('a', sa.Column('id', sa.Integer))", rev_id="one")
    project.upgrade()
    assert {run["revision"] for run in runs(project)} == {"one"}
    lines = history(project)
    assert ("Database" in lines[0]) == (template == "multidb")


def test_the_list_is_read_by_an_index(database: Database) -> None:
    """Ten thousand runs make no difference to how many rows are read for fifty."""

    def work(connection: Any) -> None:
        ArtifactStore(connection).ensure()

    database.do(work)
    database.execute(
        "INSERT INTO _zanith_migrations (revision, direction, outcome, started_at)"
        " SELECT 'r' || n, 'upgrade', 'succeeded', now() - n * interval '1 hour'"
        " FROM generate_series(1, 10000) n; ANALYZE _zanith_migrations"
    )
    query = "EXPLAIN SELECT * FROM _zanith_migrations AS r ORDER BY r.id DESC LIMIT 51"
    plan = " ".join(line for (line,) in database.rows(query))
    assert "Index Scan Backward using _zanith_migrations_pkey" in plan
    query = "EXPLAIN SELECT * FROM _zanith_migrations AS r WHERE r.started_at >= now() - interval '7 days'"
    plan = " ".join(line for (line,) in database.rows(query))
    assert "_zanith_migrations_started_at_idx" in plan
