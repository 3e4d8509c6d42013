"""`op.create_extension` and `op.drop_extension` on a real database."""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import MigrateOperation, Operations

from alembic_zanith.declarations import Extension
from alembic_zanith.errors import (
    ConfigurationError,
    DependentObjectsError,
    MissingPrivilegeError,
    NameTakenError,
    NotDroppableError,
    NotReversibleError,
    UnknownObjectError,
    UnsupportedDatabaseError,
    ZanithError,
)
from alembic_zanith.operations import CreateExtensionOp, DropExtensionOp
from alembic_zanith.risk.reading import changes_of
from alembic_zanith.risk.statements import changes_in
from tests.conftest import MakeProject
from tests.support.database import Database
from tests.support.plain_sql import op_on, rendered, written
from tests.support.project import Project
from tests.support.running import Result

SQL: list[tuple[MigrateOperation, str]] = [
    (CreateExtensionOp("pg_trgm"), 'CREATE EXTENSION "pg_trgm"'),
    (CreateExtensionOp("uuid-ossp", schema='Odd "s"', version="it's 1", cascade=True,
                       if_not_exists=True),
     'CREATE EXTENSION IF NOT EXISTS "uuid-ossp" SCHEMA "Odd ""s""" VERSION \'it\'\'s 1\' CASCADE'),
    (DropExtensionOp("pg_trgm"), 'DROP EXTENSION "pg_trgm"'),
    (DropExtensionOp("pg_trgm", if_exists=True), 'DROP EXTENSION IF EXISTS "pg_trgm"'),
]  # fmt: skip


@pytest.mark.parametrize(("operation", "sql"), SQL)
def test_with_sql_the_whole_statement_is_written(operation: MigrateOperation, sql: str) -> None:
    assert written(operation) == f"{sql};\n\n"


@pytest.mark.parametrize(("operation", "sql"), SQL)
def test_an_operation_is_judged_like_its_sql(operation: MigrateOperation, sql: str) -> None:
    assert changes_of(operation) == changes_in(sql)
    assert changes_of(operation)[0].kind == getattr(operation, "kind", "")


@pytest.mark.majors
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_up_and_down_leaves_the_database_as_it_was(
    database: Database, make_project: MakeProject, driver: str
) -> None:
    database.execute('CREATE SCHEMA "Odd %s"')
    project = make_project(driver=driver)
    before = database.dump()
    project.revision(
        'op.create_extension("hstore", schema="Odd %s")\n'
        'op.create_extension("earthdistance", cascade=True)\n'
        'op.create_extension("earthdistance", if_not_exists=True)',
        'op.drop_extension("earthdistance")\n'
        'op.drop_extension("cube")\n'
        'op.drop_extension("hstore")\n'
        'op.drop_extension("hstore", if_exists=True)',
    )
    project.upgrade()
    installed = """
        SELECT extname, nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace
         WHERE extname <> 'plpgsql' ORDER BY extname
    """
    assert database.rows(installed) == [
        ("cube", "public"),
        ("earthdistance", "public"),
        ("hstore", "Odd %s"),
    ]
    project.downgrade()
    assert database.dump() == before


NEEDED = """
CREATE EXTENSION pg_trgm;
CREATE TABLE t (name text);
CREATE INDEX ix_name ON t USING gin (name gin_trgm_ops);
CREATE VIEW alike AS SELECT similarity(name, 'x') FROM t
"""


@pytest.mark.majors
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_what_needs_the_extension_is_named_and_stays(database: Database, driver: str) -> None:
    database.execute(NEEDED)
    before = database.dump()
    with op_on(database, driver) as op, pytest.raises(DependentObjectsError) as raised:
        op.drop_extension("pg_trgm")
    assert sorted(raised.value.dependents) == [
        "index ix_name depends on operator class gin_trgm_ops for access method gin",
        "view alike depends on function similarity(text,text)",
    ]
    assert all(f"  - {line}" in str(raised.value) for line in raised.value.dependents)
    assert "earlier step of this migration" in str(raised.value)
    assert database.dump() == before


def test_they_are_named_where_each_statement_is_committed_by_itself(database: Database) -> None:
    database.execute(NEEDED)
    with database.engine(isolation_level="AUTOCOMMIT").connect() as connection:
        op = Operations(MigrationContext.configure(connection))
        with pytest.raises(DependentObjectsError, match="ix_name") as raised:
            op.invoke(DropExtensionOp("pg_trgm"))
    assert "view alike" in str(raised.value)


MEMBERS = """
CREATE EXTENSION hstore;
CREATE TABLE "Job" (id int PRIMARY KEY, command text);
CREATE TABLE empty (id int);
CREATE TABLE known (id int);
ALTER EXTENSION hstore ADD TABLE "Job"; ALTER EXTENSION hstore ADD TABLE empty;
ALTER EXTENSION hstore ADD TABLE known;
INSERT INTO known VALUES (1), (2), (3);
UPDATE pg_extension SET extconfig = ARRAY['known'::regclass::oid], extcondition = '{WHERE id > 3}'
 WHERE extname = 'hstore'
"""


@pytest.mark.majors
@pytest.mark.parametrize("isolation_level", ["AUTOCOMMIT", "READ COMMITTED"])
def test_rows_of_its_own_tables_are_counted_and_stay(
    database: Database, isolation_level: str
) -> None:
    database.execute(MEMBERS)
    database.execute(
        "INSERT INTO \"Job\" VALUES (1, 'precious'); INSERT INTO known VALUES (4), (5)"
    )
    with database.engine(isolation_level=isolation_level).connect() as connection:
        op: Any = Operations(MigrationContext.configure(connection))
        with pytest.raises(NotDroppableError) as raised:
            op.drop_extension("hstore")
    assert '  - public."Job": 1 rows\n  - public.known: 2 rows\n' in str(raised.value)
    assert "op.execute('DROP EXTENSION \"hstore\"')" in str(raised.value)
    assert database.scalar('SELECT command FROM "Job"') == "precious"


def test_rows_that_the_extension_came_with_are_not_in_its_way(database: Database) -> None:
    database.execute(MEMBERS)
    with op_on(database) as op:
        op.drop_extension("hstore")
    assert database.scalar("SELECT to_regclass('known')") is None


def test_an_error_ends_the_command_without_a_traceback(project: Project) -> None:
    project.database.execute(NEEDED)
    project.revision('op.drop_extension("pg_trgm")')
    said = project.alembic("upgrade", "head").failed().output
    assert "FAILED: drop_extension('pg_trgm') changed nothing: other objects need" in said


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        ("op.create_extension('pg_trgrm')", UnknownObjectError,
         "create_extension('pg_trgrm') changed nothing: the server has no extension 'pg_trgrm'. "
         "Did you mean 'pg_trgm'"),
        ("op.create_extension('hstore')", NameTakenError, "write if_not_exists=True"),
        ("op.create_extension('pg_trgm', schema='shpo')", UnknownObjectError,
         "there is no schema 'shpo'. Did you mean 'shop'?"),
        ("op.create_extension('pg_trgm', version='99')", UnknownObjectError,
         "pg_trgm has no version '99' on this server, which has"),
        ("op.create_extension('earthdistance')", UnknownObjectError, "write cascade=True"),
        ("op.create_extension('')", ConfigurationError, "An extension needs a name"),
        ("op.drop_extension('hstor')", UnknownObjectError,
         "there is no extension 'hstor'. Did you mean 'hstore'?"),
    ],
)  # fmt: skip
def test_wrong_input_says_what_is_wrong_and_changes_nothing(
    database: Database, call: str, error: type[ZanithError], message: str
) -> None:
    database.execute("CREATE EXTENSION hstore; CREATE SCHEMA shop")
    before = database.dump()
    with op_on(database) as op:
        with pytest.raises(error) as raised:
            eval(call, {"op": op})
        assert op.get_bind().scalar(sa.text("SELECT 1")) == 1
    assert message in str(raised.value)
    assert database.dump() == before


def test_a_role_that_may_not_is_told_who_may(database: Database) -> None:
    role = database.role()
    with op_on(database, role=role) as op:
        with pytest.raises(MissingPrivilegeError, match="Run it as a superuser"):
            op.create_extension("pg_stat_statements")
        with pytest.raises(MissingPrivilegeError, match="Run it as a superuser"):
            op.create_extension("pg_trgm")
    database.execute(f'GRANT CREATE ON DATABASE "{database.name}" TO "{role}"')
    database.execute("GRANT CREATE ON SCHEMA public TO PUBLIC")
    with op_on(database, role=role) as op:
        op.create_extension("pg_trgm")


@pytest.mark.parametrize(("operation", "sql"), SQL)
def test_another_database_is_refused(operation: MigrateOperation, sql: str) -> None:
    with sa.create_engine("sqlite://").connect() as connection:
        op = Operations(MigrationContext.configure(connection))
        with pytest.raises(UnsupportedDatabaseError, match=r"PostgreSQL only.*sqlite"):
            op.invoke(operation)


def test_only_a_schema_that_is_said_is_translated(database: Database) -> None:
    database.execute("CREATE SCHEMA tenant")
    where = "SELECT nspname FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace"
    with database.begin() as connection:
        connection.execution_options(schema_translate_map={None: "nowhere", "shop": "tenant"})
        op = Operations(MigrationContext.configure(connection))
        op.invoke(CreateExtensionOp("hstore"))
        op.invoke(CreateExtensionOp("citext", schema="shop"))
    assert database.rows(f"{where} WHERE extname IN ('citext', 'hstore') ORDER BY extname") == [
        ("tenant",),
        ("public",),
    ]


def test_create_reverses_to_drop_and_that_back_to_the_same() -> None:
    create = CreateExtensionOp("e", schema="s", version="1", cascade=True, if_not_exists=True)
    drop = create.reverse()
    assert isinstance(drop, DropExtensionOp)
    assert (drop.extension_name, drop.if_exists) == ("e", False)
    assert drop.reverse().extension == Extension("e", "s", "1", cascade=True)


def test_without_a_definition_the_reverse_says_what_is_missing() -> None:
    with pytest.raises(NotReversibleError, match="schema and version"):
        DropExtensionOp("e").reverse()


@pytest.mark.parametrize(
    ("operation", "text"),
    [
        (CreateExtensionOp("e"), "op.create_extension('e')"),
        (CreateExtensionOp("e", schema="s", version="1", cascade=True, if_not_exists=True),
         "op.create_extension('e', schema='s', version='1', cascade=True, if_not_exists=True)"),
        (DropExtensionOp("e"), "op.drop_extension('e')"),
        (DropExtensionOp("e", if_exists=True), "op.drop_extension('e', if_exists=True)"),
    ],
)  # fmt: skip
def test_each_is_rendered_with_what_is_not_a_default(
    operation: MigrateOperation, text: str
) -> None:
    assert rendered(operation) == text


def test_differences_name_the_kind_and_the_extension() -> None:
    create = CreateExtensionOp("e", schema="s")
    assert create.to_diff_tuple() == ("create_extension", Extension("e", "s"))
    assert DropExtensionOp("e").to_diff_tuple() == ("drop_extension", "e")


MODELS = """
from alembic_zanith import Extension, Policy, RowSecurity

class T(Base):
    __tablename__ = "t"
    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    twice: Mapped[int | None] = mapped_column(sa.Computed("id * 2", persisted=True))

metadata.info["zanith"] = {
    "row_security": [RowSecurity("t", Policy("p", using="id > 0 AND id <> 5"), force=True)],
    "extensions": [EXTENSIONS],
}
"""
REVISION = """
op.create_table("t", sa.Column("id", sa.Integer(), primary_key=True, autoincrement=False))
op.create_policy("p", "t", using="id > 0 AND id <> 5")
op.enable_rls("t", force=True)
op.add_generated_column("t", sa.Column("twice", sa.Integer(), sa.Computed("id * 2")))
"""


def rehearsed(project: Project, extension: str, *options: str) -> Result:
    """Rehearse a revision that does all that the models say, and an extension if one is named."""
    create, drop = (f'op.{verb}_extension("{extension}")' for verb in ("create", "drop"))
    declared = f'Extension("{extension}")' if extension else ""
    project.write_models(MODELS.replace("EXTENSIONS", declared))
    project.revision(
        f"{create if extension else ''}\n{REVISION}",
        f"op.drop_table('t')\n{drop if extension else ''}",
    )
    return project.alembic("zanith-verify", *options)


def test_it_is_rehearsed_on_a_shadow_and_is_as_the_models_say(project: Project) -> None:
    rehearsed(project, "hstore").succeeded()
    assert project.database.scalar("SELECT count(*) FROM pg_extension") == 1


def test_in_a_schema_of_productions_database_an_extension_is_refused(project: Project) -> None:
    said = rehearsed(project, "hstore", "--topology", "schema").failed().output
    assert "hstore" in said
    assert project.database.scalar("SELECT count(*) FROM pg_extension") == 1


def test_in_a_schema_row_security_is_rehearsed(project: Project) -> None:
    rehearsed(project, "", "--topology", "schema").succeeded()
    assert project.database.scalar("SELECT to_regclass('t')") is None
