"""A dropped and a new table that may be one: what is asked, what is written, and that it runs."""

from __future__ import annotations

import pytest

from tests.support.project import Project
from tests.support.renaming import (
    answering,
    autogenerate,
    goes_both_ways,
    take_the_comment,
)
from tests.support.swapping import code, is_up_to_date, needs_alembic_1_18_3, starts_with, swaps

LOG = """
class Log(Base):
    __tablename__ = "log"
    id: Mapped[int] = mapped_column(primary_key=True)
    line: Mapped[str | None] = mapped_column(sa.Text, index=True)
"""
JOURNAL = LOG.replace('"log"', '"journal"')
ROWS = "INSERT INTO log (line) VALUES ('one'), ('two')"

QUESTION = (
    "Table log is gone and table journal is new, with the same columns and keys. Was it renamed?"
)
DROP_AND_CREATE = """\
op.create_table('journal',
sa.Column('id', sa.Integer(), nullable=False),
sa.Column('line', sa.Text(), nullable=True),
sa.PrimaryKeyConstraint('id')
)
op.create_index(op.f('ix_journal_line'), 'journal', ['line'], unique=False)
op.soft_drop_table('log')
"""
RESTORE_AND_DROP = """\
op.restore_table('log',
sa.Column('id', sa.INTEGER(), autoincrement=True, nullable=False),
sa.Column('line', sa.TEXT(), autoincrement=False, nullable=True),
sa.PrimaryKeyConstraint('id', name=op.f('log_pkey')),
sa.Index(op.f('ix_log_line'), 'line', unique=False)
)
op.drop_index(op.f('ix_journal_line'), table_name='journal')
"""
RENAME = """\
op.rename_table('log', 'journal')
op.execute('ALTER INDEX "ix_log_line" RENAME TO "ix_journal_line"')
"""
RENAME_BACK = """\
op.execute('ALTER INDEX "ix_journal_line" RENAME TO "ix_log_line"')
op.rename_table('journal', 'log')
"""
IF_RENAMED = """\
# If table log was renamed to journal (same columns and keys), put this in place of all that
# is done to the two:
"""
ANSWERED = """\
# Answered: table log was renamed to journal (same columns and keys). If not, put this in
# its place:
"""


def lines_of(project: Project, table: str) -> list[str]:
    return [line for (line,) in project.database.rows(f"SELECT line FROM {table} ORDER BY id")]


def commented(text: str) -> str:
    return "".join(f"# {line}\n" for line in text.strip().splitlines())


def operations(text: str) -> list[str]:
    return [line for line in code(text).splitlines() if not line.startswith("#")]


def test_where_nobody_is_asked_the_table_is_parked_and_the_rename_is_a_comment(
    project: Project,
) -> None:
    project.settings(mode="dev")
    starts_with(project, LOG, ROWS)
    swaps(
        project,
        JOURNAL,
        IF_RENAMED + commented(RENAME) + DROP_AND_CREATE,
        RESTORE_AND_DROP + IF_RENAMED + commented(RENAME_BACK) + "op.drop_table('journal')",
    )
    assert lines_of(project, "journal") == []
    project.alembic("zanith-recover", "restore-table", "log").succeeded()
    assert lines_of(project, "log") == ["one", "two"]


@pytest.mark.majors
def test_the_comment_put_in_place_of_the_drop_and_the_create_keeps_the_rows(
    project: Project,
) -> None:
    starts_with(project, LOG, ROWS)
    project.write_models(JOURNAL)
    script = project.autogenerate("after")
    take_the_comment(script)
    assert code(script.upgrade) == code(RENAME)
    assert code(script.downgrade) == code(RENAME_BACK)
    goes_both_ways(project)
    assert lines_of(project, "journal") == ["one", "two"]


@pytest.mark.majors
def test_a_yes_is_the_rename_with_the_drop_and_the_create_in_a_comment(project: Project) -> None:
    starts_with(project, LOG, ROWS)
    project.write_models(JOURNAL)
    with answering(True) as asked:
        script = project.autogenerate("after")
    assert asked == [QUESTION]
    assert code(script.upgrade) == code(ANSWERED + commented(DROP_AND_CREATE) + RENAME)
    index, table = code(RENAME_BACK).splitlines()
    instead = commented(RESTORE_AND_DROP + "op.drop_table('journal')")
    assert code(script.downgrade) == code(f"{index}\n{ANSWERED}{instead}{table}")
    goes_both_ways(project)
    assert lines_of(project, "journal") == ["one", "two"]
    project.database.execute("INSERT INTO journal (line) VALUES ('three')")
    assert lines_of(project, "journal") == ["one", "two", "three"]


SHOP = """
class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    boss: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
    email: Mapped[str] = mapped_column(sa.Text, unique=True)
    __table_args__ = (
        sa.Index("ix_users_lower", sa.text("lower(email)")),
        sa.CheckConstraint("email <> ''", name="filled"),
        {"comment": "who buys"},
    )

class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(sa.ForeignKey("users.id"))

class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int | None] = mapped_column(sa.ForeignKey("users.id"))
"""
SHOP_ROWS = """
INSERT INTO users (boss, email) VALUES (1, 'a@x');
INSERT INTO orders (user_id) VALUES (1);
INSERT INTO notes (user_id) VALUES (1)
"""
SHOP_AFTER = (
    SHOP.replace('"users"', '"accounts"')
    .replace('"orders"', '"purchases"')
    .replace("users.id", "accounts.id")
    .replace("ix_users", "ix_accounts")
    .replace("who buys", "who bought")
)
CONVENTION = """naming_convention={
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}"""


@needs_alembic_1_18_3
@pytest.mark.majors
def test_keys_indexes_and_constraints_follow_the_table_and_take_its_name(
    project: Project,
) -> None:
    """Also the foreign keys of others, and a table that refers to the first is renamed with it."""
    project.write_models(SHOP, CONVENTION)
    project.autogenerate("before")
    project.upgrade()
    project.database.execute(SHOP_ROWS)
    project.write_models(SHOP_AFTER, CONVENTION)
    with answering(True, True) as asked:
        script = project.autogenerate("after")
    assert [question.split()[1] for question in asked] == ["users", "orders"]
    upgrade = code(script.upgrade)
    assert operations(upgrade)[0] == "op.rename_table('users', 'accounts')"
    assert "op.rename_table('orders', 'purchases')" in operations(upgrade)
    renamed = sorted(part.split('"')[-2] for part in operations(upgrade) if "RENAME" in part)
    assert renamed == [
        "ck_accounts_filled",
        "fk_accounts_boss_accounts",
        "fk_notes_user_id_accounts",
        "fk_purchases_user_id_accounts",
        "ix_accounts_lower",
        "pk_accounts",
        "pk_purchases",
        "uq_accounts_email",
    ]
    assert not any("drop" in line or "create_foreign" in line for line in operations(upgrade))
    goes_both_ways(project)
    joined = "accounts JOIN purchases ON accounts.id = user_id JOIN notes USING (user_id)"
    assert project.database.scalar(f"SELECT email FROM {joined}") == "a@x"


@needs_alembic_1_18_3
@pytest.mark.filterwarnings("ignore:Autogenerate rendered a drop_constraint")
def test_a_comment_names_the_tables_whose_foreign_keys_it_replaces(project: Project) -> None:
    starts_with(project, SHOP, SHOP_ROWS)
    project.write_models(SHOP.replace('"users"', '"accounts"').replace("users.id", "accounts.id"))
    upgrade = " ".join(project.autogenerate("after").upgrade.replace("#", "").split())
    assert (
        "put this in place of all that is done to the two, and to the foreign keys of notes, orders "
        "that point at them:" in upgrade
    )


@pytest.mark.slow
@needs_alembic_1_18_3
def test_a_dropped_table_that_refers_to_the_renamed_one_comes_back(project: Project) -> None:
    starts_with(project, SHOP, SHOP_ROWS)
    after = SHOP_AFTER.replace('"purchases"', '"orders"').partition("class Note")[0]
    script = autogenerate(project, after, True)
    assert "sa.ForeignKeyConstraint(['user_id'], ['accounts.id']" in script.downgrade
    goes_both_ways(project)


def test_a_new_table_is_in_one_rename_at_most(project: Project) -> None:
    starts_with(project, LOG + LOG.replace("log", "diary").replace("Log", "Diary"))
    project.write_models(LOG.replace('"log"', '"logs"'))
    script = project.autogenerate("nobody asked")
    assert [line for line in script.upgrade.splitlines() if "rename_table" in line] == [
        "# op.rename_table('log', 'logs')"
    ]
    script.path.unlink()
    with answering(True) as asked:
        script = project.autogenerate("asked")
    assert len(asked) == 1
    assert "\nop.soft_drop_table('diary')" in script.upgrade


@pytest.mark.slow
def test_a_table_of_a_schema_stays_in_it_and_one_of_another_schema_is_another(
    project: Project,
) -> None:
    project.database.execute("CREATE SCHEMA shop; CREATE SCHEMA attic")
    project.configure_context("include_schemas=True")
    table = """
    sa.Table({name!r}, metadata, sa.Column("id", sa.Integer, primary_key=True),
             sa.Column("line", sa.Text, unique=True), schema={schema!r})
    """
    starts_with(project, table.format(name="log", schema="shop"))
    project.write_models(table.format(name="log", schema="attic"))
    script = project.autogenerate("elsewhere")
    assert "# op." not in script.upgrade
    script.path.unlink()
    script = autogenerate(project, table.format(name="My log", schema="shop"), True)
    assert operations(script.upgrade) == ["op.rename_table('log', 'My log', schema='shop')"]
    goes_both_ways(project)


@pytest.mark.slow
def test_in_batch_mode_the_rename_and_its_comment_run(project: Project) -> None:
    project.configure_context("render_as_batch=True")
    starts_with(project, LOG, ROWS)
    script = autogenerate(project, JOURNAL, True)
    assert operations(script.upgrade) == code(RENAME).splitlines()
    take_the_comment(script)
    assert "with op.batch_alter_table('journal', schema=None) as batch_op:\n" in script.upgrade
    project.upgrade()
    assert is_up_to_date(project)
