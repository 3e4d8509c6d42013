"""The questions on the page about history are answered by the SQL that is on it."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.support.database import Database
from tests.support.project import Project

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "audit.md").read_text(encoding="utf-8")
QUESTIONS = dict(re.findall(r"^(\S[^\n]*\?)[^`]*?```sql\n(.*?)```", PAGE, re.DOTALL | re.MULTILINE))


@pytest.fixture
def shop(project: Project, database: Database) -> Project:
    """Something of everything has happened."""
    project.settings(mode="staging", run_by="ada")
    project.revision(
        "op.create_table('users', sa.Column('id', sa.Integer, primary_key=True), sa.Column('n', sa.Text))\n"
        "op.create_table('old', sa.Column('id', sa.Integer))",
        rev_id="one",
    )
    project.upgrade()
    database.execute(
        "INSERT INTO users SELECT g, 'x' FROM generate_series(1, 100) g; INSERT INTO old VALUES (1)"
    )
    project.revision("op.soft_drop_column('users', 'n')", rev_id="two")
    project.upgrade()
    project.revision("op.drop_table('old')", rev_id="three")
    project.alembic("upgrade", "head").failed()
    project.alembic("upgrade", "head", "--allow-destructive").succeeded()
    project.revision("op.archive_table('users')\nop.execute('SELECT 1/0')", rev_id="four")
    assert project.alembic("upgrade", "head").exit_code != 0
    return project


def answer(database: Database, question: str) -> list[tuple[Any, ...]]:
    (sql,) = [sql for asked, sql in QUESTIONS.items() if asked.startswith(question)]
    return database.rows(sql)


def test_there_are_six_questions() -> None:
    assert len(QUESTIONS) == 6


def test_what_broke_this_week(shop: Project, database: Database) -> None:
    found = answer(database, "What broke this week?")
    assert [(row[1], row[2], row[4]) for row in found] == [
        ("four", "failed", "harmless"),
        ("three", "refused", "drop_table"),
    ]
    assert [row[6] for row in found] == ["division by zero", "what loses data needs consent"]


def test_which_kinds_are_slowest(shop: Project, database: Database) -> None:
    found = {row[0]: row[1] for row in answer(database, "Which kinds")}
    assert found == {"create_table": 2, "soft_drop_column": 1, "drop_table": 1}


def test_what_is_still_recoverable(shop: Project, database: Database) -> None:
    (found,) = answer(database, "What is still recoverable?")
    assert (found[1], found[2]) == ("soft_drop_column", "public.users.n")


def test_which_migrations_were_the_riskiest(shop: Project, database: Database) -> None:
    found = answer(database, "Which migrations")
    assert [(row[0], row[3]) for row in found] == [("three", 80), ("two", 35), ("one", 5)]


def test_who_overrode_a_gate(shop: Project, database: Database) -> None:
    found = answer(database, "Who overrode a gate?")
    assert [(row[1], row[3], row[5]) for row in found] == [
        ("ada", "three", {"allow_destructive": True})
    ]


def test_how_much_space_artifacts_hold(shop: Project, database: Database) -> None:
    script = next(shop.versions.glob("four_*.py"))
    script.write_text(script.read_text().replace("op.execute('SELECT 1/0')", "pass"))
    shop.upgrade()
    found = {row[0]: (row[1], row[2]) for row in answer(database, "How much space")}
    assert found["soft_drop_column"] == (1, None)
    assert found["archive_table"][0] == 1
    assert str(found["archive_table"][1]).endswith("kB")
