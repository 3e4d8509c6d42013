"""`op.enable_rls`, `op.disable_rls`, `op.create_policy` and `op.drop_policy` on a real database."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import MigrateOperation, Operations

from alembic_zanith.declarations import Policy
from alembic_zanith.errors import (
    ConfigurationError,
    MissingPrivilegeError,
    NameTakenError,
    NotReversibleError,
    UnknownObjectError,
    UnsupportedDatabaseError,
    ZanithError,
)
from alembic_zanith.operations import CreatePolicyOp, DisableRlsOp, DropPolicyOp, EnableRlsOp
from alembic_zanith.recovery import restore_table, soft_drop_column, soft_drop_table
from alembic_zanith.risk.reading import changes_of
from alembic_zanith.risk.statements import changes_in
from tests.conftest import MakeProject
from tests.support.database import Database
from tests.support.plain_sql import op_on, rendered, written
from tests.support.project import Project

ACCOUNTS = """
CREATE SCHEMA shop;
CREATE TABLE accounts (id int PRIMARY KEY, owner text, "Odd % ""column" int);
CREATE TABLE shop."Odd ""%s"" täble" (id int)
"""
ODD = 'Odd "%s" täble'


@pytest.fixture
def accounts(database: Database) -> Database:
    """A database with a table of accounts, and one in a schema whose name needs quotes."""
    database.execute(ACCOUNTS)
    return database


SQL: list[tuple[MigrateOperation, str]] = [
    (EnableRlsOp("t"), 'ALTER TABLE "t" ENABLE ROW LEVEL SECURITY'),
    (EnableRlsOp("t", schema="s", force=True),
     'ALTER TABLE "s"."t" ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY'),
    (EnableRlsOp("t", force=False),
     'ALTER TABLE "t" ENABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY'),
    (DisableRlsOp("t", schema="s"),
     'ALTER TABLE "s"."t" DISABLE ROW LEVEL SECURITY, NO FORCE ROW LEVEL SECURITY'),
    (CreatePolicyOp("p", "t"), 'CREATE POLICY "p" ON "t"'),
    (CreatePolicyOp("p", "t", using="a = ':b' AND c LIKE '%\t'", schema="s"),
     """CREATE POLICY "p" ON "s"."t" USING (a = ':b' AND c LIKE '%\t')"""),
    (CreatePolicyOp("p", "t", command="update", roles=["App User", "public", "current_user"],
                    using="true", with_check="a > 1", permissive=False),
     'CREATE POLICY "p" ON "t" AS RESTRICTIVE FOR UPDATE TO "App User", PUBLIC, CURRENT_USER '
     "USING (true) WITH CHECK (a > 1)"),
    (CreatePolicyOp("p", "t", roles=sa.quoted_name("session_user", True), command="INSERT",
                    with_check=sa.text("a % 2 = :n").bindparams(n=1)),
     'CREATE POLICY "p" ON "t" FOR INSERT TO "session_user" WITH CHECK (a % 2 = 1)'),
    (CreatePolicyOp('p "q" %', "t", using=sa.column("owner") == sa.func.current_user()),
     'CREATE POLICY "p ""q"" %" ON "t" USING (owner = CURRENT_USER)'),
    (DropPolicyOp("p", "t", schema="s"), 'DROP POLICY "p" ON "s"."t"'),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "sql"), SQL)
def test_with_sql_the_whole_statement_is_written(operation: MigrateOperation, sql: str) -> None:
    assert written(operation) == f"{sql};\n\n"


@pytest.mark.parametrize(("operation", "sql"), SQL)
def test_an_operation_is_judged_like_its_sql(operation: MigrateOperation, sql: str) -> None:
    by_sql = {(each.kind, each.subject, each.judge()) for each in changes_in(sql)}
    assert {(each.kind, each.subject, each.judge()) for each in changes_of(operation)} == by_sql
    assert changes_of(operation)[0].kind == getattr(operation, "kind", "")


def test_what_a_policy_calls_is_judged_as_well() -> None:
    found = changes_of(CreatePolicyOp("p", "t", using="lo_unlink(id) = 1"))
    assert [each.kind for each in found] == ["create_policy", "drop_large_object"]
    unknown = changes_of(CreatePolicyOp("p", "t", command="INSERT", with_check="mine(id)"))
    assert [each.kind for each in unknown] == ["create_policy", "raw_sql"]


UPGRADE = """
op.create_policy("own rows", "accounts", using="owner = current_user", roles=["PUBLIC"])
op.create_policy("no %", "accounts", command="INSERT", permissive=False, with_check="id % 2 = 0")
op.enable_rls("accounts", force=True)
op.create_policy("p", 'Odd "%s" täble', schema="shop", command="SELECT", using="id > 0")
op.enable_rls('Odd "%s" täble', schema="shop")
"""
DOWNGRADE = """
op.disable_rls('Odd "%s" täble', schema="shop")
op.drop_policy("p", 'Odd "%s" täble', schema="shop")
op.disable_rls("accounts")
op.drop_policy("no %", "accounts")
op.drop_policy("own rows", "accounts")
"""
STATE = """
SELECT relname, relrowsecurity, relforcerowsecurity,
       array_agg(ARRAY[polname, polcmd::text, polpermissive::text,
                       pg_get_expr(polqual, polrelid), pg_get_expr(polwithcheck, polrelid)]
                 ORDER BY polname)
  FROM pg_class JOIN pg_policy ON polrelid = pg_class.oid GROUP BY pg_class.oid ORDER BY relname
"""


@pytest.mark.majors
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_up_and_down_leaves_the_database_as_it_was(
    accounts: Database, make_project: MakeProject, driver: str
) -> None:
    project = make_project(driver=driver)
    before = accounts.dump()
    project.revision(UPGRADE, DOWNGRADE)
    project.upgrade()
    assert accounts.rows(STATE) == [
        (ODD, True, False, [["p", "r", "true", "(id > 0)", None]]),
        (
            "accounts",
            True,
            True,
            [
                ["no %", "a", "false", None, "((id % 2) = 0)"],
                ["own rows", "*", "true", "(owner = CURRENT_USER)", None],
            ],
        ),
    ]
    project.downgrade()
    assert accounts.dump() == before


def test_the_sql_that_is_written_ahead_does_the_same(project: Project) -> None:
    project.database.execute(ACCOUNTS)
    before = project.database.dump()
    project.revision(UPGRADE, DOWNGRADE)
    up = project.alembic("upgrade", "head", "--sql").succeeded().stdout
    down = project.alembic("downgrade", "head:base", "--sql").succeeded().stdout
    project.upgrade()
    upgraded = project.database.dump()
    project.database.psql(down)
    assert project.database.dump() == before
    # Alembic 1.18 drops it itself.
    project.database.execute("DROP TABLE IF EXISTS alembic_version")
    project.database.psql(up)
    assert project.database.dump() == upgraded


def test_a_plan_shows_the_sql(project: Project) -> None:
    project.database.execute(ACCOUNTS)
    project.revision("op.enable_rls('accounts')")
    for more in ((), ("--offline",)):
        said = project.alembic("zanith-plan", "--format", "json", *more).succeeded().stdout
        assert 'ALTER TABLE \\"accounts\\" ENABLE ROW LEVEL SECURITY' in said
        assert '"kind": "enable_rls"' in said


def test_history_keeps_the_statement_and_no_other(project: Project) -> None:
    project.database.execute(ACCOUNTS)
    project.revision("op.create_policy('p', 'accounts', using='true')")
    project.upgrade()
    kept = "SELECT kind, object_name, sql FROM _zanith_migration_steps"
    assert project.database.rows(kept) == [
        ("create_policy", "accounts.p", 'CREATE POLICY "p" ON "accounts" USING (true)')
    ]


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("op.enable_rls('acounts')", UnknownObjectError,
         "enable_rls('acounts') changed nothing: there is no table acounts. "
         "Did you mean 'accounts'?"),
        ("op.disable_rls('accounts', schema='shpo')", UnknownObjectError,
         "there is no schema 'shpo'. Did you mean 'shop'?"),
        ("op.drop_policy('own', 'acounts')", UnknownObjectError, "there is no table acounts."),
        ("op.drop_policy('own', 'accounts')", UnknownObjectError,
         "drop_policy('own', 'accounts') changed nothing: there is no policy on accounts of the "
         "name 'own'. Did you mean 'own_rows'?"),
        ("op.create_policy('own_rows', 'accounts')", NameTakenError,
         "accounts has a policy 'own_rows' already. Drop it first with op.drop_policy()"),
        ("op.create_policy('p', 'accounts', roles=['postgre'])", UnknownObjectError,
         "there is no role 'postgre'. Did you mean 'postgres'?"),
        ("op.create_policy('p', 'accounts', using='ownr = current_user')", ZanithError,
         "column \"ownr\" does not exist. Did you mean 'owner'?"),
        ("op.create_policy('p', 'accounts', using='owner =')", ZanithError,
         "create_policy('p', 'accounts') changed nothing: syntax error at or near \")\""),
        ("op.create_policy('p', 'accounts', using='id')", ZanithError,
         "argument of POLICY must be type boolean"),
        ("op.create_policy('p', 'accounts', using='f(id)')", ZanithError,
         "function f(integer) does not exist"),
        ("op.create_policy('p', 'accounts', using='EXISTS (SELECT FROM nowhere)')", ZanithError,
         "relation \"nowhere\" does not exist"),
        ("op.create_policy('p', 'accounts', using='no.f(id)')", ZanithError,
         "create_policy('p', 'accounts') changed nothing: schema \"no\" does not exist"),
        ("op.enable_rls('a_view')", ZanithError, "enable_rls('a_view') changed nothing"),
        ("op.create_policy('p', 'accounts', command='REED')", ConfigurationError,
         "command='REED' is none of ALL, SELECT, INSERT, UPDATE, DELETE."),
        ("op.create_policy('p', 'accounts', roles=[])", ConfigurationError, "names no role"),
        ("op.create_policy('p', 'accounts', command='INSERT', using='true')", ConfigurationError,
         "Write with_check="),
        ("op.create_policy('p', 'accounts', command='DELETE', with_check='true')",
         ConfigurationError, "Write using="),
        ("op.create_policy('', 'accounts')", ConfigurationError, "A policy needs a name"),
        ("op.create_policy('p', 'accounts', using=' ')", ConfigurationError, "is no expression"),
        ("op.create_policy('p', 'accounts', using=5)", ConfigurationError, "using=5 is no SQL"),
        ("op.create_policy('p', 'accounts', using=sa.text('id = :id'))", ConfigurationError,
         "has a parameter :id without a value"),
    ],
)  # fmt: skip
def test_wrong_input_says_what_is_wrong_and_changes_nothing(
    accounts: Database, call: str, error: type[ZanithError], message: str
) -> None:
    accounts.execute("CREATE POLICY own_rows ON accounts; CREATE VIEW a_view AS SELECT 1")
    before = accounts.dump()
    with op_on(accounts) as op:
        with pytest.raises(error) as raised:
            eval(call, {"op": op, "sa": sa})
        # The transaction goes on.
        assert op.get_bind().scalar(sa.text("SELECT 1")) == 1
    assert message in str(raised.value)
    assert accounts.dump() == before


def test_an_error_ends_the_command_without_a_traceback(project: Project) -> None:
    project.database.execute(ACCOUNTS)
    project.revision("op.enable_rls('accounts')\nop.enable_rls('acounts')")
    said = project.alembic("upgrade", "head").failed().output
    assert "FAILED: enable_rls('acounts') changed nothing: there is no table acounts." in said
    enabled = "SELECT relrowsecurity FROM pg_class WHERE relname = 'accounts'"
    assert project.database.scalar(enabled) is False


def test_nobody_but_the_owner_may(accounts: Database) -> None:
    role = accounts.role()
    with op_on(accounts, role=role) as op, pytest.raises(MissingPrivilegeError, match="owner"):
        op.enable_rls("accounts")


def test_in_autocommit_it_runs_and_fails_as_well(accounts: Database) -> None:
    with accounts.engine(isolation_level="AUTOCOMMIT").connect() as connection:
        op: Any = Operations(MigrationContext.configure(connection))
        op.enable_rls("accounts", force=True)
        with pytest.raises(UnknownObjectError, match="Did you mean 'accounts'"):
            op.enable_rls("acounts")
    assert accounts.scalar("SELECT relrowsecurity FROM pg_class WHERE relname = 'accounts'")


@pytest.mark.parametrize(("operation", "sql"), SQL)
def test_another_database_is_refused(operation: MigrateOperation, sql: str) -> None:
    with sa.create_engine("sqlite://").connect() as connection:
        op = Operations(MigrationContext.configure(connection))
        with pytest.raises(UnsupportedDatabaseError, match=r"PostgreSQL only.*sqlite"):
            op.invoke(operation)
    with pytest.raises(UnsupportedDatabaseError, match="sqlite"):
        written(operation, "sqlite")


def test_schemas_are_translated_as_in_alembics_own_tables(accounts: Database) -> None:
    with accounts.begin() as connection:
        connection.execution_options(schema_translate_map={None: "shop"})
        op: Any = Operations(MigrationContext.configure(connection))
        op.create_policy("p", ODD, using="true")
        op.enable_rls(ODD)
        with pytest.raises(UnknownObjectError, match=r"there is no table shop\.accounts"):
            op.disable_rls("accounts")
    assert accounts.rows("SELECT polname FROM pg_policy") == [("p",)]


def test_enable_reverses_to_disable_and_that_back_to_the_same() -> None:
    enable = EnableRlsOp("t", schema="s", force=True)
    disable = enable.reverse()
    assert isinstance(disable, DisableRlsOp)
    assert (disable.table_name, disable.schema) == ("t", "s")
    assert disable.reverse() is enable


def test_create_reverses_to_drop_and_that_back_to_the_same() -> None:
    create = CreatePolicyOp("p", "t", schema="s", using="a", command="SELECT")
    drop = create.reverse()
    assert isinstance(drop, DropPolicyOp)
    assert (drop.policy_name, drop.table_name, drop.schema) == ("p", "t", "s")
    again = drop.reverse()
    assert (again.policy, again.table_name, again.schema) == (create.policy, "t", "s")


@pytest.mark.parametrize(
    ("operation", "missing"),
    [
        (DisableRlsOp("t"), "if row security was forced"),
        (DropPolicyOp("p", "t"), "what the policy said"),
    ],
)
def test_without_a_definition_the_reverse_says_what_is_missing(
    operation: MigrateOperation, missing: str
) -> None:
    with pytest.raises(NotReversibleError, match=missing):
        operation.reverse()


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (EnableRlsOp("t"), "op.enable_rls('t')"),
        (EnableRlsOp("t", schema="s", force=True), "op.enable_rls('t', schema='s', force=True)"),
        (EnableRlsOp("t", force=False), "op.enable_rls('t', force=False)"),
        (DisableRlsOp(sa.quoted_name("T", True), schema="s"), "op.disable_rls('T', schema='s')"),
        (CreatePolicyOp("p", "t"), "op.create_policy('p', 't')"),
        (CreatePolicyOp("p", "t", command="select", roles="app", using="a = 'b'", schema="s"),
         """op.create_policy('p', 't', command='SELECT', roles=['app'], using="a = 'b'", """
         "schema='s')"),
        (CreatePolicyOp("p", "t", roles=["public", sa.quoted_name("current_user", True)],
                        with_check=sa.column("a") > 1, permissive=False),
         "op.create_policy('p', 't', roles=['PUBLIC', sa.quoted_name('current_user', True)], "
         "with_check='a > 1', permissive=False)"),
        (DropPolicyOp("p", "t", schema="s", policy=Policy("p")),
         "op.drop_policy('p', 't', schema='s')"),
    ],
)  # fmt: skip
def test_each_is_rendered_with_what_is_not_a_default(
    operation: MigrateOperation, text: str
) -> None:
    assert rendered(operation) == text
    assert rendered(operation, alembic_module_prefix="a.").startswith("a.")


def test_differences_name_the_kind_and_where_it_is() -> None:
    policy = Policy("p", using="a")
    assert [
        each.to_diff_tuple()
        for each in (
            EnableRlsOp("t", schema="s", force=True),
            DisableRlsOp("t"),
            CreatePolicyOp.from_policy(policy, "t"),
            DropPolicyOp("p", "t", schema="s"),
        )
    ] == [
        ("enable_rls", "s", "t", True),
        ("disable_rls", None, "t"),
        ("create_policy", None, "t", policy),
        ("drop_policy", "s", "t", "p"),
    ]


@pytest.mark.majors
def test_they_go_along_with_a_table_that_is_parked(accounts: Database) -> None:
    with op_on(accounts) as op:
        op.create_policy("own", "accounts", using="owner = current_user")
        op.enable_rls("accounts", force=True)
    before = accounts.dump()
    accounts.do(soft_drop_table, "accounts")
    accounts.do(restore_table, "accounts")
    assert accounts.dump() == before


def test_a_policy_on_a_column_that_is_parked_finds_no_such_column(accounts: Database) -> None:
    accounts.do(soft_drop_column, "accounts", "owner")
    with op_on(accounts) as op, pytest.raises(ZanithError, match='column "owner" does not exist'):
        op.create_policy("own", "accounts", using="owner = current_user")


def test_row_security_does_what_it_says(accounts: Database) -> None:
    role = accounts.role()
    accounts.execute(f'''
        INSERT INTO accounts VALUES (1, 'ann'), (2, '{role}');
        GRANT SELECT ON accounts TO "{role}"
    ''')

    def seen() -> int:
        with accounts.begin(role=role) as connection:
            return int(connection.scalar(sa.text("SELECT count(*) FROM accounts")) or 0)

    with op_on(accounts) as op:
        op.enable_rls("accounts")
    assert seen() == 0
    with op_on(accounts) as op:
        op.create_policy("own", "accounts", roles=role, using="owner = current_user")
    assert seen() == 1
    with op_on(accounts) as op:
        op.disable_rls("accounts")
    assert seen() == 2
