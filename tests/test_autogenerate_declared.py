"""Extensions and row security that models declare: what is written, and that it is then as declared."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

import alembic_zanith
from alembic_zanith import Extension, Policy, RowSecurity
from alembic_zanith.autogenerate.policies import state_of, unlike
from alembic_zanith.errors import ConfigurationError
from tests.conftest import MakeProject
from tests.support.database import Database
from tests.support.project import Project
from tests.support.swapping import is_up_to_date, starts_with, swaps

ROOT = Path(__file__).parent.parent

PLAIN = """
from alembic_zanith import Extension, Policy, RowSecurity

class Account(Base):
    __tablename__ = "accounts"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    owner: Mapped[str | None] = mapped_column(sa.Text)
"""


def declaring(*row_security: str, extensions: str | None = None, models: str = PLAIN) -> str:
    """The models, with what they declare: `RowSecurity(…)` as Python text, and extensions."""
    parts = [f"'row_security': [{', '.join(row_security)}]"]
    if extensions is not None:
        parts.append(f"'extensions': [{extensions}]")
    return f"{models}\nmetadata.info['zanith'] = {{{', '.join(parts)}}}\n"


OWN = 'Policy("own rows", using="owner = current_user", roles=["PUBLIC"])'
READ = 'Policy("read", command="select", using="id > 0", permissive=False)'


def test_what_is_not_declared_is_not_looked_at(project: Project) -> None:
    starts_with(project, PLAIN)
    project.database.execute("""
        CREATE EXTENSION hstore;
        CREATE POLICY p ON accounts;
        ALTER TABLE accounts ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY
    """)
    assert is_up_to_date(project)


@pytest.mark.majors
def test_row_security_is_switched_on_and_changed_and_off(project: Project) -> None:
    starts_with(project, PLAIN)
    swaps(
        project,
        declaring(f"RowSecurity('accounts', {OWN}, {READ})"),
        """
        op.create_policy('own rows', 'accounts', using='owner = current_user')
        op.create_policy('read', 'accounts', command='SELECT', using='id > 0', permissive=False)
        op.enable_rls('accounts')
        """,
        """
        op.disable_rls('accounts')
        op.drop_policy('read', 'accounts')
        op.drop_policy('own rows', 'accounts')
        """,
    )
    swaps(
        project,
        declaring(f"RowSecurity('accounts', {OWN.replace('owner =', 'owner <>')}, force=True)"),
        """
        op.drop_policy('own rows', 'accounts')
        op.drop_policy('read', 'accounts')
        op.create_policy('own rows', 'accounts', using='owner <> current_user')
        op.enable_rls('accounts', force=True)
        """,
        """
        op.enable_rls('accounts', force=False)
        op.drop_policy('own rows', 'accounts')
        op.create_policy('read', 'accounts', command='SELECT', using='(id > 0)', permissive=False)
        op.create_policy('own rows', 'accounts', using='(owner = CURRENT_USER)')
        """,
    )
    swaps(
        project,
        declaring("RowSecurity('accounts', enabled=False)"),
        """
        op.disable_rls('accounts')
        op.drop_policy('own rows', 'accounts')
        """,
        """
        op.create_policy('own rows', 'accounts', using='(owner <> CURRENT_USER)')
        op.enable_rls('accounts', force=True)
        """,
    )


def test_forced_for_the_owner_no_longer(project: Project) -> None:
    starts_with(project, declaring("RowSecurity('accounts', force=True)"))
    swaps(
        project,
        declaring("RowSecurity('accounts')"),
        "op.enable_rls('accounts', force=False)",
        "op.enable_rls('accounts', force=True)",
    )


def test_policies_of_columns_and_tables_that_come_and_go(project: Project) -> None:
    project.settings(mode="dev")
    starts_with(project, declaring(f"RowSecurity('accounts', {OWN})"))
    models = PLAIN.replace("owner: Mapped[str | None]", "tenant: Mapped[str | None]")
    models += """
class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
"""
    of_note = "EXISTS (SELECT FROM accounts a WHERE a.tenant = notes.id::text)"
    project.write_models(
        declaring(
            """RowSecurity("accounts", Policy("own rows", using="tenant = 'x'"))""",
            f'RowSecurity("notes", Policy("p", using="{of_note}"))',
            models=models,
        )
    )
    script = project.autogenerate()
    calls = [line.partition("(")[0] for line in script.upgrade.splitlines() if "op." in line]
    assert [call for call in calls if call.startswith("op.")] == [
        "op.drop_policy",
        "op.create_table",
        "op.add_column",
        "op.soft_drop_column",
        "op.create_policy",
        "op.create_policy",
        "op.enable_rls",
    ]
    before = project.database.dump()
    project.upgrade()
    assert is_up_to_date(project)
    project.downgrade()
    assert project.database.dump() == before


CONDITIONS = [
    "true",
    "owner = current_user",
    "(owner = current_user)",
    "id IN (1, 2, 3)",
    "owner LIKE 'a%' AND NOT (id BETWEEN 1 AND 5 OR owner IS NULL)",
    "owner = current_setting('app.owner', true)",
    "tags @> ARRAY['x'] AND created::date > '2024-01-01'",
    "accounts.id = (SELECT max(a.id) FROM accounts a WHERE a.owner = accounts.owner)",
    "accounts.id = (SELECT max(a.id) FROM public.accounts a WHERE a.owner = accounts.owner)",
    "EXISTS (SELECT 1 FROM shop.members m WHERE m.account = id AND m.name = session_user)",
    'shop.may_see(id) AND "Odd %s :x" > 5',
    "mood IN ('good', 'bad') AND amount * 2 > 1e3 AND data ->> 'a' = ':b'",
    "CASE WHEN id % 2 = 0 THEN owner = 'x' ELSE false END",
    "pg_has_role(owner, 'USAGE') AND created > now() - interval '1 day'",
]

WORLD = """
CREATE SCHEMA shop;
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TABLE accounts (
    id int PRIMARY KEY, owner text, tags text[], created timestamptz, "Odd %s :x" int, mood mood,
    amount numeric(10, 2), data jsonb);
CREATE TABLE shop.members (account int, name text);
CREATE FUNCTION shop.may_see(int) RETURNS bool LANGUAGE sql AS 'SELECT true'
"""


@pytest.mark.majors
@pytest.mark.parametrize("path", ["public", "shop, public", "public, pg_temp"])
def test_what_was_made_is_found_to_be_as_declared(database: Database, path: str) -> None:
    database.execute(WORLD)
    commands: list[dict[str, Any]] = [
        {"using": "{}"},
        {"command": "SELECT", "using": "{}"},
        {"command": "INSERT", "with_check": "{}", "permissive": False},
        {"command": "UPDATE", "using": "{}", "with_check": "{}"},
    ]
    policies = []
    for number, condition in enumerate(CONDITIONS):
        options = commands[number % len(commands)]
        options = {key: condition if value == "{}" else value for key, value in options.items()}
        roles = [["public"], ["current_user"], ["postgres", "pg_monitor"], "session_user"]
        policies.append(Policy(f"p {number}", roles=roles[number % 4], **options))
    with database.begin() as connection:
        connection.execute(sa.text(f"SET search_path = {path}"))
        for policy in policies:
            connection.exec_driver_sql(
                f'CREATE POLICY "{policy.name}" ON accounts{policy.arguments}'.replace("%", "%%")
            )
        connection.exec_driver_sql("ALTER TABLE accounts ENABLE ROW LEVEL SECURITY")
        state = state_of(connection, ("public", "accounts"))
        assert state is not None
        pairs = [(policy, state.policies[policy.name]) for policy in policies]
        assert unlike(connection, ("public", "accounts"), pairs) == []
        # What the database says of itself is the same as well, and anything else is not.
        again = [(found, found) for found in state.policies.values()]
        assert unlike(connection, ("public", "accounts"), again) == []
        others = [(a, b) for (a, _), (_, b) in zip(pairs, [*pairs[4:], *pairs[:4]], strict=True)]
        assert len(unlike(connection, ("public", "accounts"), others)) == len(others)
        assert connection.scalar(sa.text("SHOW search_path")) == path


def test_to_compare_takes_no_lock_that_anybody_waits_for(database: Database) -> None:
    database.execute(WORLD)
    database.execute("CREATE POLICY p ON accounts USING (owner = 'x')")
    with database.begin() as reader, database.begin() as connection:
        reader.exec_driver_sql("LOCK TABLE accounts IN ROW EXCLUSIVE MODE")
        connection.exec_driver_sql("SET LOCAL lock_timeout = '1s'")
        state = state_of(connection, ("public", "accounts"))
        assert state is not None
        pair = (Policy("p", using="owner='x'"), state.policies["p"])
        assert unlike(connection, ("public", "accounts"), [pair]) == []
        left = "SELECT count(*) FROM pg_locks WHERE mode = 'AccessExclusiveLock' AND pid = "
        assert connection.scalar(sa.text(f"{left} pg_backend_pid()")) == 0
        assert connection.scalar(sa.text("SELECT to_regclass('pg_temp.accounts')")) is None


def test_to_compare_works_where_each_statement_is_committed_by_itself(database: Database) -> None:
    database.execute(WORLD)
    database.execute("CREATE POLICY p ON accounts USING (owner = 'x')")
    with database.engine(isolation_level="AUTOCOMMIT").connect() as connection:
        state = state_of(connection, ("public", "accounts"))
        assert state is not None
        pairs = [
            (Policy("p", using=condition), state.policies["p"])
            for condition in ("nowhere = 5", "owner='x'")
        ]
        assert unlike(connection, ("public", "accounts"), pairs[:1]) == [pairs[0][0]]
        assert unlike(connection, ("public", "accounts"), pairs[1:]) == []


def test_another_role_command_or_kind_is_a_difference(database: Database) -> None:
    database.execute(WORLD)
    database.execute("CREATE POLICY p ON accounts FOR SELECT TO postgres USING (true)")
    with database.begin() as connection:
        state = state_of(connection, ("public", "accounts"))
        assert state is not None
        found = state.policies["p"]
        for declared, is_same in (
            (Policy("p", "SELECT", "current_user", "true"), True),
            (Policy("p", "SELECT", "pg_monitor", "true"), False),
            (Policy("p", "SELECT", "nobody_knows", "true"), False),
            (Policy("p", "SELECT", "PUBLIC", "true"), False),
            (Policy("p", "ALL", "postgres", "true"), False),
            (Policy("p", "SELECT", "postgres", "true", permissive=False), False),
            (Policy("p", "SELECT", "postgres"), False),
            (Policy("p", "UPDATE", "postgres", "true", "false"), False),
        ):
            same = unlike(connection, ("public", "accounts"), [(declared, found)]) == []
            assert same == is_same, declared


def test_tables_of_other_schemas_and_odd_names(project: Project) -> None:
    project.configure_context("include_schemas=True")
    project.database.execute('CREATE SCHEMA "Odd %"')
    plain = PLAIN.replace('"accounts"', '"it\'s \\"%s\\""')
    starts_with(project, f"{plain}    __table_args__ = {{'schema': 'Odd %'}}\n")
    swaps(
        project,
        declaring(
            """RowSecurity("it's \\"%s\\"", Policy('p "q"', using="id % 2 = 0 AND owner <> ':x'"),
            schema="Odd %")""",
            models=f"{plain}    __table_args__ = {{'schema': 'Odd %'}}\n",
        ),
        """
        op.create_policy('p "q"', 'it\\'s "%s"', using="id % 2 = 0 AND owner <> ':x'", schema='Odd %')
        op.enable_rls('it\\'s "%s"', schema='Odd %')
        """,
        """
        op.disable_rls('it\\'s "%s"', schema='Odd %')
        op.drop_policy('p "q"', 'it\\'s "%s"', schema='Odd %')
        """,
    )


def test_a_table_that_env_py_leaves_out_is_left_alone(project: Project) -> None:
    starts_with(project, PLAIN)
    project.configure_context("include_object=lambda o, name, *_: name != 'accounts'")
    project.write_models(declaring(f"RowSecurity('accounts', {OWN})"))
    assert is_up_to_date(project)


LIST = 'metadata.info["zanith"] = {{"extensions": [{}]}}\n'


@pytest.mark.majors
def test_extensions_come_first_and_go_last(project: Project) -> None:
    project.settings(mode="dev")
    starts_with(project, PLAIN)
    extensions = 'Extension("hstore"), Extension("citext", schema="public"), Extension("cube")'
    with_column = PLAIN + "    tags: Mapped[dict | None] = mapped_column(postgresql.HSTORE)\n"
    swaps(
        project,
        with_column + LIST.format(extensions),
        """
        op.create_extension('hstore')
        op.create_extension('citext', schema='public')
        op.create_extension('cube')
        op.add_column('accounts', sa.Column('tags', postgresql.HSTORE(text_type=sa.Text()), nullable=True))
        """,
        """
        op.drop_column('accounts', 'tags')
        op.drop_extension('cube')
        op.drop_extension('citext')
        op.drop_extension('hstore')
        """,
    )
    project.write_models(PLAIN + LIST.format('Extension("citext")'))
    script = project.autogenerate()
    assert [line for line in script.upgrade.splitlines() if "extension" in line] == [
        "op.drop_extension('cube')",
        "op.drop_extension('hstore')",
    ]
    assert [line for line in script.downgrade.splitlines() if "extension" in line] == [
        "op.create_extension('hstore', schema='public')",
        "op.create_extension('cube', schema='public')",
    ]


def test_what_others_need_is_dropped_after_them(project: Project) -> None:
    starts_with(project, PLAIN + LIST.format('Extension("earthdistance", cascade=True)'))
    # No revision names cube, which is there because the other needs it.
    swaps(
        project,
        PLAIN + LIST.format(""),
        "op.drop_extension('earthdistance')",
        "op.create_extension('earthdistance', schema='public')",
    )


def test_an_extension_that_no_revision_names_is_left_alone(project: Project) -> None:
    starts_with(project, PLAIN)
    project.database.execute("CREATE EXTENSION hstore")
    project.write_models(PLAIN + LIST.format(""))
    said = project.alembic("check").succeeded().output
    assert "Extension hstore is left alone" in said
    project.revision("op.execute('CREATE EXTENSION IF NOT EXISTS \"hstore\"')")
    project.upgrade()
    assert "drop_extension" in project.alembic("check").failed().output


def test_another_version_is_warned_of(project: Project) -> None:
    starts_with(project, PLAIN + LIST.format('Extension("hstore")'))
    project.write_models(PLAIN + LIST.format('Extension("hstore", version="0.1")'))
    result = project.alembic("check").succeeded()
    assert "the models say 0.1" in result.output


def test_check_names_the_differences(project: Project) -> None:
    starts_with(project, PLAIN)
    project.write_models(
        declaring(f"RowSecurity('accounts', {OWN})", extensions='Extension("hstore")')
    )
    said = project.alembic("check").failed().output
    for word in ("create_extension", "create_policy", "enable_rls"):
        assert f"('{word}'" in said


def test_outside_of_a_project_too(database: Database) -> None:
    database.execute("CREATE TABLE t (id int); CREATE EXTENSION hstore; CREATE EXTENSION cube")
    declared = {"extensions": [Extension("cube")], "row_security": [RowSecurity("t")]}
    metadata = sa.MetaData(info={"zanith": declared})
    sa.Table("t", metadata, sa.Column("id", sa.Integer))
    with database.begin() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == [
            ("enable_rls", None, "t", None),
            ("drop_extension", "hstore"),
        ]


@pytest.mark.parametrize("template", ["async", "pyproject"])
def test_with_other_templates(make_project: MakeProject, template: str) -> None:
    project = make_project(template)
    starts_with(project, PLAIN)
    project.write_models(
        declaring(f"RowSecurity('accounts', {OWN})", extensions='Extension("hstore")')
    )
    project.autogenerate()
    project.upgrade()
    assert is_up_to_date(project)


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (declaring("'on'"), "['row_security'] has to be a list of RowSecurity"),
        (declaring(extensions="'hstore'"), "['extensions'] has to be a list of Extension"),
        (declaring("RowSecurity('acounts')"),
         "Row security is declared of acounts, and the models have no such table. "
         "Did you mean 'accounts'?"),
        (declaring("RowSecurity('accounts')", "RowSecurity('accounts')"), "is declared twice"),
        (PLAIN + "metadata.info['zanith'] = [Extension('hstore')]", "has to be a dictionary"),
        (PLAIN + "metadata.info['zanith'] = {'extension': []}", "Did you mean 'extensions'?"),
    ],
)  # fmt: skip
def test_something_else_under_the_key_is_an_error(
    project: Project, models: str, message: str
) -> None:
    project.write_models(models)
    assert message in project.alembic("check").failed().output


def test_declarations_are_checked_where_they_are_made() -> None:
    with pytest.raises(ConfigurationError, match="two policies of the name 'p'"):
        RowSecurity("t", Policy("p"), Policy("p", using="true"))
    with pytest.raises(ConfigurationError, match="takes Policy objects"):
        RowSecurity("t", "p")  # type: ignore[arg-type]
    assert alembic_zanith.Policy is Policy


def test_beside_alembic_utils_nothing_is_done_twice() -> None:
    if importlib.util.find_spec("alembic_utils") is None:
        pytest.skip("alembic_utils is not installed")
    cases = "tests/support/declared_beside_utils.py"
    run = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", cases]
    done = subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "skipped" not in done.stdout
