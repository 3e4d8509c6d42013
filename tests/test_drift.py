"""What was changed in production by hand is seen before a deploy meets it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import MakeDatabase
from tests.support.database import Database
from tests.support.project import Project


@pytest.fixture
def shop(project: Project) -> Project:
    project.revision(
        """\
        op.create_table('users', sa.Column('id', sa.Integer, primary_key=True), sa.Column('n', sa.Text))
        op.create_index('ix_n', 'users', ['n'])
        op.execute("CREATE TYPE mood AS ENUM ('sad', 'ok')")
        """
    )
    project.upgrade()
    return project


def drift(project: Project, *arguments: str) -> dict[str, Any]:
    result = project.alembic("zanith-drift", "--json", *arguments)
    assert result.stdout, result.output
    (found,) = json.loads(result.stdout)["databases"]
    assert result.exit_code == found["exit_status"], result.output
    return dict(found)


@pytest.mark.parametrize("topology", ["database", "schema"])
def test_production_is_what_its_history_says(
    shop: Project, database: Database, topology: str
) -> None:
    before = database.dump_of_all()
    found = drift(shop, "--topology", topology)
    assert found["differences"] == []
    assert (found["verdict"], found["failure"]) == ("ok", None)
    assert database.dump_of_all() == before


BY_HAND = {
    "ALTER TABLE users ADD note text": "column users.note is in production only: text",
    "ALTER TABLE users DROP n": "column users.n is missing in production: text",
    "ALTER TABLE users ALTER n TYPE varchar(9)": (
        "column users.n is 'character varying(9)' in production and 'text' by its history"
    ),
    "ALTER TABLE users ALTER n SET DEFAULT 'x'": (
        "column users.n is \"text DEFAULT 'x'::text\" in production and 'text' by its history"
    ),
    "CREATE INDEX ix_hand ON users (n, id)": (
        "index users.ix_hand is in production only: CREATE INDEX ix_hand ON public.users USING btree (n, id)"
    ),
    "DROP INDEX ix_n": (
        "index users.ix_n is missing in production: CREATE INDEX ix_n ON public.users USING btree (n)"
    ),
    "CREATE TABLE extra (id int)": "table extra is in production only",
    "ALTER TYPE mood ADD VALUE 'glad'": (
        "enum type mood is \"enum ('sad', 'ok', 'glad')\" in production and"
        " \"enum ('sad', 'ok')\" by its history"
    ),
    "CREATE VIEW v AS SELECT 1 AS one": "view v is in production only: definition  SELECT 1 AS one;",
    "ALTER TABLE users ENABLE ROW LEVEL SECURITY": (
        "table users is 'row security enabled' in production and '' by its history"
    ),
}


@pytest.mark.parametrize("change", BY_HAND)
def test_a_change_by_hand_is_named(shop: Project, database: Database, change: str) -> None:
    database.execute(change)
    found = drift(shop)
    assert found["verdict"] == "drift"
    (sentence,) = [each for each in found["differences"] if "users.v" not in each][:1]
    assert " ".join(sentence.split()) == " ".join(BY_HAND[change].split())
    shown = shop.alembic("zanith-drift").stdout
    assert sentence in shown
    assert "Somebody has changed production by hand" in shown


def test_a_shadow_of_ones_own_will_do(shop: Project, make_database: MakeDatabase) -> None:
    url = make_database().url().render_as_string(hide_password=False)
    assert drift(shop, "--shadow-url", url)["verdict"] == "ok"


def test_what_is_parked_is_no_drift(shop: Project) -> None:
    shop.revision("op.soft_drop_column('users', 'n')")
    shop.upgrade()
    assert drift(shop)["verdict"] == "ok"


def test_a_history_that_does_not_run_is_told(shop: Project) -> None:
    script = next(shop.versions.glob("*.py"))
    script.write_text(script.read_text().replace("CREATE TYPE mood", "CREATE TYPO mood"))
    found = drift(shop)
    assert found["verdict"] == "apply-failed"
    assert "syntax error" in found["failure"]


def test_no_shadow_is_told(shop: Project) -> None:
    found = drift(shop, "--shadow-url", "postgresql://u:hunter2@127.0.0.1:9/x")
    assert found["verdict"] == "shadow-unreachable"
    assert "hunter2" not in json.dumps(found)


def test_a_database_at_a_revision_without_a_script_is_told(
    shop: Project, database: Database
) -> None:
    database.execute("UPDATE alembic_version SET version_num = 'gone'")
    done = shop.alembic("zanith-drift")
    assert done.exit_code == 2
    assert "at revision 'gone', which no script has" in done.stderr
