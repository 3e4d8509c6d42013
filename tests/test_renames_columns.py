"""A dropped and an added column that may be one: what is asked, what is written, and that it runs."""

from __future__ import annotations

import pytest

from tests.conftest import MakeProject
from tests.support.project import Project
from tests.support.renaming import (
    answering,
    autogenerate,
    goes_both_ways,
    in_comment,
    take_the_comment,
)
from tests.support.swapping import code, is_up_to_date, starts_with, swaps

USERS = """
class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    full_name: Mapped[str | None] = mapped_column(sa.String(80), index=True)
"""
RENAMED = USERS.replace("full_name", "name")
ROWS = "INSERT INTO users (full_name) VALUES ('Ann'), ('Bob')"

QUESTION = "users.full_name is gone and users.name is new, both VARCHAR(80). Was it renamed?"

DROP_AND_ADD = """\
op.add_column('users', sa.Column('name', sa.String(length=80), nullable=True))
op.create_index(op.f('ix_users_name'), 'users', ['name'], unique=False)
op.soft_drop_column('users', 'full_name')
"""
DROP_AND_ADD_BACK = """\
op.restore_column('users',
sa.Column('full_name', sa.VARCHAR(length=80), autoincrement=False, nullable=True),
sa.Index(op.f('ix_users_full_name'), 'full_name', unique=False)
)
op.drop_index(op.f('ix_users_name'), table_name='users')
op.drop_column('users', 'name')
"""
RENAME = """\
op.alter_column('users', 'full_name', new_column_name='name')
op.execute('ALTER INDEX "ix_users_full_name" RENAME TO "ix_users_name"')
"""
RENAME_BACK = """\
op.execute('ALTER INDEX "ix_users_name" RENAME TO "ix_users_full_name"')
op.alter_column('users', 'name', new_column_name='full_name')
"""
IF_RENAMED = """\
# If users.full_name was renamed to name (both VARCHAR(80)), put this in place of all that
# is done to the two:
"""
ANSWERED = """\
# Answered: users.full_name was renamed to name (both VARCHAR(80)). If not, put this in its
# place:
"""


def names(project: Project) -> list[str | None]:
    return [name for (name,) in project.database.rows("SELECT name FROM users ORDER BY id")]


def commented(text: str) -> str:
    return "".join(f"# {line}\n" for line in text.strip().splitlines())


@pytest.mark.parametrize("setting", ["ask", pytest.param("comment", marks=pytest.mark.slow)])
def test_where_nobody_is_asked_the_data_is_parked_and_the_rename_is_a_comment(
    project: Project, setting: str
) -> None:
    project.settings(detect_renames=setting, mode="dev")
    starts_with(project, USERS, ROWS)
    swaps(
        project,
        RENAMED,
        IF_RENAMED + commented(RENAME) + DROP_AND_ADD,
        IF_RENAMED + commented(RENAME_BACK) + DROP_AND_ADD_BACK,
    )
    assert names(project) == [None, None]
    project.alembic("zanith-recover", "restore-column", "users.full_name").succeeded()
    kept = project.database.rows("SELECT full_name FROM users ORDER BY id")
    assert kept == [("Ann",), ("Bob",)]


@pytest.mark.majors
def test_the_comment_put_in_place_of_the_drop_and_the_add_keeps_the_values(
    project: Project,
) -> None:
    starts_with(project, USERS, ROWS)
    project.write_models(RENAMED)
    script = project.autogenerate("after")
    take_the_comment(script)
    assert code(script.upgrade) == code(RENAME)
    assert code(script.downgrade) == code(RENAME_BACK)
    goes_both_ways(project)
    assert names(project) == ["Ann", "Bob"]


@pytest.mark.majors
def test_a_yes_is_the_rename_with_the_drop_and_the_add_in_a_comment(project: Project) -> None:
    starts_with(project, USERS, ROWS)
    project.write_models(RENAMED)
    with answering(True) as asked:
        script = project.autogenerate("after")
    assert asked == [QUESTION]
    assert code(script.upgrade) == code(ANSWERED + commented(DROP_AND_ADD) + RENAME)
    # The comment stands above the rename in both directions.
    index, column = code(RENAME_BACK).splitlines()
    assert code(script.downgrade) == code(
        f"{index}\n{ANSWERED}{commented(DROP_AND_ADD_BACK)}{column}"
    )
    goes_both_ways(project)
    assert names(project) == ["Ann", "Bob"]


@pytest.mark.slow
def test_a_yes_that_was_wrong_is_put_right_by_the_comment(project: Project) -> None:
    project.settings(mode="dev")
    starts_with(project, USERS, ROWS)
    script = autogenerate(project, RENAMED, True)
    take_the_comment(script)
    assert code(script.upgrade) == code(DROP_AND_ADD)
    assert code(script.downgrade) == code(DROP_AND_ADD_BACK)
    goes_both_ways(project)
    assert names(project) == [None, None]


def test_a_no_is_written_as_if_nobody_had_been_asked(project: Project) -> None:
    starts_with(project, USERS, ROWS)
    script = autogenerate(project, RENAMED, False)
    assert code(script.upgrade) == code(IF_RENAMED + commented(RENAME) + DROP_AND_ADD)


def test_off_writes_what_was_ever_written_and_asks_nothing(project: Project) -> None:
    project.settings(detect_renames="off")
    starts_with(project, USERS)
    script = autogenerate(project, RENAMED)
    assert code(script.upgrade) == code(DROP_AND_ADD)
    assert code(script.downgrade) == code(DROP_AND_ADD_BACK)


@pytest.mark.slow
def test_comment_asks_nothing_though_somebody_is_there(project: Project) -> None:
    project.settings(detect_renames="comment")
    starts_with(project, USERS)
    assert in_comment(autogenerate(project, RENAMED).upgrade) == RENAME.strip()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("strategy", "drop", "back"),
    [
        (
            "archive",
            "op.archive_column('users', 'full_name')",
            DROP_AND_ADD_BACK.strip(),
        ),
        (
            "drop",
            "op.drop_column('users', 'full_name')",
            "op.drop_index(op.f('ix_users_name'), table_name='users')\n"
            "op.create_index(op.f('ix_users_full_name'), 'users', ['full_name'], unique=False)\n",
        ),
    ],
)
def test_the_drop_in_the_comment_follows_the_strategy(
    project: Project, strategy: str, drop: str, back: str
) -> None:
    project.settings(drop_strategy_overrides=f"users.full_name = {strategy}")
    starts_with(project, USERS)
    script = autogenerate(project, RENAMED, True)
    assert in_comment(script.upgrade).endswith(drop)
    assert in_comment(script.downgrade).count("full_name") == back.count("full_name") + (
        strategy == "drop"
    )


KEYS = """
class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)
    slug: Mapped[str] = mapped_column(sa.String(10), unique=True)

class Member(Base):
    __tablename__ = "members"
    team: Mapped[str] = mapped_column(sa.ForeignKey("teams.slug", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    captain: Mapped[int | None] = mapped_column(comment="the number")
    __table_args__ = (
        sa.UniqueConstraint("team", "captain"),
        sa.Index("ix_upper", sa.text("upper(team)"), "captain", postgresql_where=sa.text("team <> 'team'")),
        sa.Index("ix_desc", sa.text("number DESC"), postgresql_include=["team"]),
        sa.CheckConstraint("team <> 'nobody'", name="nobody"),
    )
"""
KEY_ROWS = """
INSERT INTO teams (slug) VALUES ('red'), ('blue');
INSERT INTO members VALUES ('red', 1, 2), ('red', 2, 1), ('blue', 1, 1)
"""
CONVENTION = """naming_convention={
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}"""


@pytest.mark.majors
def test_keys_indexes_and_constraints_follow_the_column(project: Project) -> None:
    """Also foreign keys of other tables that point at it. None is dropped or built anew."""
    project.write_models(KEYS, CONVENTION)
    project.autogenerate("before")
    project.upgrade()
    project.database.execute(KEY_ROWS)
    after = (
        KEYS.replace("slug:", "short:")
        .replace("teams.slug", "teams.short")
        .replace("team: ", "team_name: ")
        .replace('"team"', '"team_name"')
        .replace("upper(team)", "upper(team_name)")
        .replace("team <>", "team_name <>")
        .replace("the number", "whom they follow")
    )
    project.write_models(after, CONVENTION)
    with answering(True, True) as asked:
        script = project.autogenerate("after")
    assert [question.partition(" ")[0] for question in asked] == ["members.team", "teams.slug"]
    assert [line for line in code(script.upgrade).splitlines() if not line.startswith("#")] == [
        "op.alter_column('members', 'team', new_column_name='team_name')",
        """op.execute('ALTER TABLE "members" RENAME CONSTRAINT "uq_members_team_captain" TO "uq_members_team_name_captain"')""",
        """op.execute('ALTER TABLE "members" RENAME CONSTRAINT "pk_members_team_number" TO "pk_members_team_name_number"')""",
        "op.alter_column('teams', 'slug', new_column_name='short')",
        """op.execute('ALTER TABLE "members" RENAME CONSTRAINT "fk_members_team_teams" TO "fk_members_team_name_teams"')""",
        """op.execute('ALTER TABLE "teams" RENAME CONSTRAINT "uq_teams_slug" TO "uq_teams_short"')""",
        "op.alter_column('members', 'captain',",
        "existing_type=sa.INTEGER(),",
        "comment='whom they follow',",
        "existing_comment='the number',",
        "existing_nullable=True)",
    ]
    goes_both_ways(project)
    assert (
        project.database.scalar("SELECT count(*) FROM members JOIN teams ON team_name = short") == 3
    )


@pytest.mark.slow
def test_a_comment_that_changed_with_the_name_changes_after_it(project: Project) -> None:
    starts_with(project, USERS.replace("index=True", "comment='first and last'"), ROWS)
    script = autogenerate(project, RENAMED.replace("index=True", "comment='both'"), True)
    lines = [line for line in code(script.upgrade).splitlines() if not line.startswith("#")]
    assert lines[:2] == [
        "op.alter_column('users', 'full_name', new_column_name='name')",
        "op.alter_column('users', 'name',",
    ]
    goes_both_ways(project)


def test_an_index_over_two_renamed_columns_follows_both(project: Project) -> None:
    models = """
    sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True),
             sa.Column("a_first", sa.Text), sa.Column("b_first", sa.Integer),
             sa.Index("ix_t", "a_first", "b_first"))
    """
    starts_with(project, models, "INSERT INTO t VALUES (1, 'a', 1)")
    script = autogenerate(project, models.replace("_first", "_second"), True, True)
    lines = [line for line in code(script.upgrade).splitlines() if not line.startswith("#")]
    assert lines == [
        "op.alter_column('t', 'a_first', new_column_name='a_second')",
        "op.alter_column('t', 'b_first', new_column_name='b_second')",
    ]
    goes_both_ways(project)


@pytest.mark.slow
@pytest.mark.parametrize("strategy", ["soft_drop", "drop"])
def test_an_index_over_a_renamed_and_a_dropped_column_comes_back_as_it_was(
    project: Project, strategy: str
) -> None:
    project.settings(drop_strategy=strategy, mode="dev")
    models = """
    sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True),
             sa.Column("a_first", sa.Text), sa.Column("b_first", sa.Integer),
             sa.Index("ix_t", "a_first", "b_first", postgresql_where=sa.text("a_first > 'A'")))
    """
    starts_with(project, models)
    script = autogenerate(project, models.replace("_first", "_second"), True, False)
    lines = [line for line in code(script.downgrade).splitlines() if not line.startswith("#")]
    # It is made where the column still has its new name.
    assert "['a_second', 'b_first']" in "".join(lines) or "'a_second', 'b_first'" in "".join(lines)
    assert lines[-1] == "op.alter_column('t', 'a_second', new_column_name='a_first')"
    goes_both_ways(project)


@pytest.mark.slow
def test_a_name_that_an_index_has_still_is_not_given_to_another(project: Project) -> None:
    before = """
    sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True),
             sa.Column("line", sa.Text), sa.Column("n", sa.Integer),
             sa.Index("ix_line", "line"), sa.Index("ix_text", "n"))
    """
    starts_with(project, before, "INSERT INTO t VALUES (1, 'one', 1)")
    after = """
    sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True),
             sa.Column("text", sa.Text), sa.Column("n", sa.Integer),
             sa.Index("ix_text", "text"), sa.Index("ix_n", "n"))
    """
    script = autogenerate(project, after, True)
    assert "RENAME" not in script.upgrade
    goes_both_ways(project)
    assert project.database.rows("SELECT text FROM t") == [("one",)]


@pytest.mark.slow
def test_where_nothing_is_parked_the_downgrade_speaks_of_the_new_name(project: Project) -> None:
    models = """
    sa.Table("parents", metadata, sa.Column("id_first", sa.Integer, primary_key=True))
    sa.Table("children", metadata, sa.Column("id", sa.Integer, primary_key=True),
             sa.Column("parent", sa.ForeignKey("parents.id_first")))
    """
    starts_with(project, models)
    before = project.database.dump()
    after = """
    sa.Table("parents", metadata, sa.Column("id_second", sa.Integer, primary_key=True))
    """
    script = autogenerate(project, after, True)
    assert "sa.ForeignKeyConstraint(['parent'], ['parents.id_second']" in script.downgrade
    project.upgrade()
    project.alembic("zanith-recover", "purge", "children", "--yes").succeeded()
    project.downgrade()
    assert project.database.dump() == before


def test_each_pair_is_asked_once_the_closest_names_first(project: Project) -> None:
    models = """
    sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True),
             sa.Column("other", sa.Text), sa.Column("address", sa.Text))
    """
    after = """
    sa.Table("t", metadata, sa.Column("id", sa.Integer, primary_key=True),
             sa.Column("addresses", sa.Text))
    """
    starts_with(project, models)
    project.write_models(after)
    with answering(False, False) as asked:
        script = project.autogenerate("neither")
    assert [question.partition(" ")[0] for question in asked] == ["t.address", "t.other"]
    assert script.upgrade.count("# op.alter_column(") == 1
    assert "# op.alter_column('t', 'address', new_column_name='addresses')" in script.upgrade
    script.path.unlink()
    with answering(False, True):
        script = project.autogenerate("the second")
    assert "\nop.alter_column('t', 'other', new_column_name='addresses')" in script.upgrade
    assert "\nop.soft_drop_column('t', 'address')" in script.upgrade
    script.path.unlink()
    with answering(True) as asked:
        script = project.autogenerate("the first")
    assert len(asked) == 1
    assert "\nop.soft_drop_column('t', 'other')" in script.upgrade


def test_equally_close_names_are_paired_the_same_way_each_time(project: Project) -> None:
    columns = "sa.Table('t', metadata, sa.Column('id', sa.Integer, primary_key=True), {})"

    def table(*added: str) -> str:
        return columns.format(", ".join(f"sa.Column('{name}', sa.Text)" for name in added))

    starts_with(project, table("a1", "a2", "a3"))
    project.write_models(table("b1", "b2", "b3"))
    written = []
    for number in range(2):
        script = project.autogenerate(f"run {number}")
        written.append([line for line in script.upgrade.splitlines() if "# op.alter" in line])
        script.path.unlink()
    assert (
        written[0]
        == written[1]
        == [f"# op.alter_column('t', 'a{n}', new_column_name='b{n}')" for n in (1, 2, 3)]
    )


def test_in_a_batch_the_rename_is_one_of_the_batch(project: Project) -> None:
    project.configure_context("render_as_batch=True")
    starts_with(project, USERS, ROWS)
    script = autogenerate(project, RENAMED, True)
    assert code(script.upgrade) == code(
        ANSWERED
        + """
# with op.batch_alter_table('users', schema=None) as batch_op:
#     batch_op.add_column(sa.Column('name', sa.String(length=80), nullable=True))
#     batch_op.create_index(batch_op.f('ix_users_name'), ['name'], unique=False)
#     batch_op.soft_drop_column('full_name')
with op.batch_alter_table('users', schema=None) as batch_op:
    batch_op.alter_column('full_name', new_column_name='name')

op.execute('ALTER INDEX "ix_users_full_name" RENAME TO "ix_users_name"')
""".lstrip()
    )
    goes_both_ways(project)
    assert names(project) == ["Ann", "Bob"]


@pytest.mark.slow
def test_the_comment_of_a_batch_is_code_that_runs(project: Project) -> None:
    project.configure_context("render_as_batch=True")
    starts_with(project, USERS, ROWS)
    project.write_models(RENAMED)
    take_the_comment(project.autogenerate("after"))
    goes_both_ways(project)
    assert names(project) == ["Ann", "Bob"]


def test_a_schema_and_odd_names_are_written_so_that_they_run(project: Project) -> None:
    project.database.execute('CREATE SCHEMA "My Shop"')
    project.configure_context("include_schemas=True")
    table = """
    sa.Table("Order Lines", metadata, sa.Column("id", sa.Integer, primary_key=True),
             sa.Column({column!r}, sa.Text), sa.Index({index!r}, {column!r}), schema="My Shop")
    """
    old, new = 'A "b" 100%', "č :name's\n# op.drop_table('x')"
    starts_with(
        project,
        table.format(column=old, index="ix :old 1%"),
        """INSERT INTO "My Shop"."Order Lines" VALUES (1, 'x')""",
    )
    script = autogenerate(project, table.format(column=new, index="ix :new 2%"), True)
    lines = [line for line in code(script.upgrade).splitlines() if not line.startswith("#")]
    assert len(lines) == 2
    assert lines[0].endswith("schema='My Shop')")
    goes_both_ways(project)
    assert project.database.scalar(f'SELECT "{new}" FROM "My Shop"."Order Lines"') == "x"


def test_a_rewriter_that_takes_all_operations_leaves_a_script_that_runs(project: Project) -> None:
    project.edit_env(
        "^target_metadata = ",
        "def nothing(context, revision, directives):\n"
        "    directives[0].upgrade_ops.ops[0].ops[:] = []\n"
        "    directives[0].downgrade_ops.ops[0].ops[:] = []\n\n"
        r"\g<0>",
    )
    project.configure_context("process_revision_directives=nothing")
    table = "sa.Table('t', metadata, sa.Column('id', sa.Integer, primary_key=True), {})"
    project.database.execute("CREATE TABLE t (id serial PRIMARY KEY, a int)")
    project.write_models(table.format("sa.Column('b', sa.Integer)"))
    script = project.autogenerate()
    assert (code(script.upgrade), code(script.downgrade)) == ("pass", "pass")


@pytest.mark.slow
def test_an_async_project_offers_renames_as_well(make_project: MakeProject) -> None:
    project = make_project("async")
    starts_with(project, USERS, ROWS)
    script = autogenerate(project, RENAMED, True)
    assert code(script.upgrade) == code(ANSWERED + commented(DROP_AND_ADD) + RENAME)
    goes_both_ways(project)


@pytest.mark.slow
def test_a_project_of_two_databases_is_asked_for_both(make_project: MakeProject) -> None:
    project = make_project("multidb")
    second = USERS.replace("class User(Base)", "class Second(Other)").replace("users", "people")
    other = "class Other(DeclarativeBase):\n    metadata = metadata2\n"
    starts_with(project, USERS + other + second)
    after = RENAMED + other + second.replace("full_name", "name")
    script = autogenerate(project, after, True, True)
    assert "\nop.alter_column('users'" in script.body("upgrade_engine1")
    assert "\nop.alter_column('people'" in script.body("upgrade_engine2")
    project.upgrade()
    assert is_up_to_date(project)
    project.downgrade()
