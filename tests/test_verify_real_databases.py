"""Two databases of real life as production, with pending migrations of each kind."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.database import Database
from tests.support.project import Project

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
SCRIPTS = {"pagila": ("pagila-schema.sql", "pagila-data.sql"), "chinook": ("chinook.sql",)}

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no databases to load in {DATA}")

# A big table with foreign keys, a column of it that nothing needs, and the small one it refers to;
# a table that nobody refers to.
NAMES = {
    "pagila": {"big": "rental", "key": "rental_id", "free": "return_date", "parent": "customer",
               "fk": "rental_customer_id_fkey", "child_key": "customer_id", "alone": "film_actor",
               "text": "email"},
    "chinook": {"big": "invoice", "key": "invoice_id", "free": "billing_postal_code",
                "parent": "customer", "fk": "invoice_customer_id_fkey",
                "child_key": "customer_id", "alone": "playlist_track", "text": "fax"},
}  # fmt: skip

# One revision for each kind, in an order in which they can all run.
KINDS = {
    "create_table": "op.create_table('note', sa.Column('id', sa.Integer, primary_key=True))",
    "add_column": "op.add_column('{big}', sa.Column('memo', sa.Text))",
    "backfill": "op.execute(\"UPDATE {big} SET memo = 'x'\")",
    "alter_column_nullable": "op.alter_column('{big}', 'memo', nullable=False)",
    "alter_column_default": "op.alter_column('{big}', 'memo', server_default='y')",
    "alter_column_type": "op.alter_column('{parent}', '{text}', type_=sa.String(90))",
    "add_generated_column": "op.add_column('{big}', sa.Column('size', sa.Integer, sa.Computed('{key} * 2', persisted=True)))",
    "add_index": "op.create_index('ix_memo', '{big}', ['memo'])",
    "drop_index": "op.drop_index('ix_memo', table_name='{big}')",
    "add_unique": "op.create_unique_constraint('uq_note', 'note', ['id'])",
    "drop_unique": "op.drop_constraint('uq_note', 'note', type_='unique')",
    "drop_foreign_key": "op.drop_constraint('{fk}', '{big}', type_='foreignkey')",
    "add_foreign_key": "op.create_foreign_key('{fk}', '{big}', '{parent}', ['{child_key}'], ['customer_id'])",
    "rename_column": "op.alter_column('{big}', 'memo', new_column_name='remark')",
    "rename_table": "op.rename_table('note', 'remark')",
    "enable_rls": "op.execute('ALTER TABLE {alone} ENABLE ROW LEVEL SECURITY')",
    "create_policy": "op.execute('CREATE POLICY p ON {alone} USING (true)')",
    "drop_policy": "op.execute('DROP POLICY p ON {alone}')",
    "disable_rls": "op.execute('ALTER TABLE {alone} DISABLE ROW LEVEL SECURITY')",
    "soft_drop_column": "op.soft_drop_column('{big}', 'remark')",
    "archive_column": "op.archive_column('{parent}', '{text}')",
    "soft_drop_table": "op.soft_drop_table('remark')",
    "archive_table": "op.archive_table('{alone}')",
    "drop_column": "op.drop_column('{big}', '{free}')",
    "raw_sql": "op.execute(\"DO $$ BEGIN EXECUTE 'SELECT ' || 1; END $$\")",
}
# Views of pagila need the columns; nobody may drop them.
NEEDED = {"pagila": {"archive_column", "drop_column", "archive_table"}, "chinook": set[str]()}


@pytest.fixture(params=SCRIPTS)
def production(request: pytest.FixtureRequest, database: Database) -> str:
    for name in SCRIPTS[request.param]:
        # PostgreSQL before 17 cannot run three statements of pagila, and goes on after them.
        database.psql((DATA / name).read_text(), "-vON_ERROR_STOP=0", "--output=/dev/null")
    return str(request.param)


@pytest.fixture
def shop(project: Project, database: Database, production: str) -> Project:
    """A project that has taken over a database which others have made."""
    project.settings(mode="dev", pg_dump=str(database.server.bin("pg_dump")))
    project.edit_env(r"^target_metadata = .*$", "target_metadata = None")
    project.revision(rev_id="baseline")
    project.upgrade()
    return project


def test_every_kind_can_be_rehearsed_on_real_rows(
    shop: Project, database: Database, production: str
) -> None:
    names = NAMES[production]
    kinds = [kind for kind in KINDS if kind not in NEEDED[production]]
    for kind in kinds:
        shop.revision(KINDS[kind].format(**names), rev_id=kind)
    before = database.dump_of_all()
    found = verdict(shop, "--schema-from-production", "--sample", "40")
    assert found["failure"] is None
    assert found["verdict"] == "ok"
    assert found["pending"] == kinds
    observed = {each["revision"]: each["kind"] for each in found["operations"]}
    assert {name: observed[name] for name in kinds} == {name: name for name in kinds}
    rows = {each["table"]: each["rows"] for each in found["sample"]}
    assert rows[names["big"]] == 40
    assert 0 < rows[names["parent"]] <= 120
    surprises = [
        each["text"] for each in found["findings"] if each["kind"].startswith("unpredicted")
    ]
    # What goes takes its foreign keys along, and their triggers on the tables that it refers to.
    expected = {"pagila": [], "chinook": ["playlist", "track"]}[production]
    assert surprises == [
        f"archive_table {names['alone']} takes ACCESS EXCLUSIVE on {parent}, which the plan does not"
        " say: nobody can read that table until the transaction ends."
        for parent in expected
    ]
    assert [each for each in found["findings"] if each["kind"] == "restore_differs"] == []
    assert database.dump_of_all() == before


def test_what_fails_on_real_rows_fails_on_the_shadow(
    shop: Project, database: Database, production: str
) -> None:
    names = NAMES[production]
    shop.revision(
        f"op.create_unique_constraint('uq', '{names['big']}', ['{names['child_key']}'])",
        rev_id="unique",
    )
    assert verdict(shop, "--schema-from-production")["verdict"] == "ok"
    found = verdict(shop, "--schema-from-production", "--sample", "2000")
    assert (found["verdict"], found["failed_revision"]) == ("apply-failed", "unique"), found[
        "sample"
    ]
    assert "could not create unique index" in found["failure"]


def verdict(project: Project, *arguments: str) -> dict[str, Any]:
    result = project.alembic("zanith-verify", "--format", "json", *arguments)
    assert result.stdout, result.output
    (found,) = json.loads(result.stdout)["databases"]
    return dict(found)
