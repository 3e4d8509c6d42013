"""`op.rebuild_table` in a transaction: another shape, the same rows, the old table kept."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import render_python_code
from alembic.migration import MigrationContext
from alembic.operations import Operations, ops

from alembic_zanith import recovery
from alembic_zanith.artifacts import Artifact
from alembic_zanith.errors import (
    ConfigurationError,
    DependentObjectsError,
    NotDroppableError,
    NotRestorableError,
    RebuildError,
    UnknownObjectError,
    ZanithError,
)
from alembic_zanith.models import ArtifactKind
from alembic_zanith.operations import RebuildTableOp
from tests.support.database import Database
from tests.support.project import Project
from tests.support.swapping import code

SHOP = """
CREATE TABLE customers (id integer PRIMARY KEY);
INSERT INTO customers SELECT g FROM generate_series(1, 10) g;
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE orders (
    id serial PRIMARY KEY, customer_id integer REFERENCES customers ON DELETE CASCADE,
    total text NOT NULL, note text DEFAULT 'none', seen boolean, UNIQUE (customer_id, id)
);
CREATE INDEX ix_note ON orders (note) WHERE note <> 'no';
CREATE INDEX ix_seen ON orders (seen);
COMMENT ON COLUMN orders.note IS 'as it was';
CREATE TRIGGER touched BEFORE UPDATE ON orders FOR EACH ROW EXECUTE FUNCTION touch();
ALTER TABLE orders ENABLE ALWAYS TRIGGER touched;
INSERT INTO orders (customer_id, total, note)
  SELECT g % 10 + 1, g || '.5', 'n' || g FROM generate_series(1, 1000) g;
CREATE TABLE lines (id integer PRIMARY KEY, order_id integer NOT NULL REFERENCES orders);
INSERT INTO lines SELECT g, g FROM generate_series(1, 500) g;
"""

NEW_COLUMNS = [
    sa.Column("id", sa.BigInteger(), primary_key=True),
    sa.Column("total", sa.Numeric(14, 2), nullable=False, comment="in euro"),
    "note",
    sa.Column("currency", sa.Text(), nullable=False, server_default="EUR"),
    "customer_id",
]
SEQUENCE_TYPE = (
    "SELECT seqtypid::regtype::text FROM pg_sequence WHERE seqrelid = 'orders_id_seq'::regclass"
)
SELECT = {"total": "total::numeric * 2"}


@contextmanager
def op_on(database: Database, driver: str = "psycopg") -> Iterator[Any]:
    """Operations in a transaction, as a revision script has them."""
    with database.begin(driver) as connection:
        yield Operations(MigrationContext.configure(connection))


@pytest.fixture
def shop(database: Database) -> Database:
    """A database with a thousand orders."""
    database.execute(SHOP)
    return database


def rebuilt(database: Database, **options: Any) -> Artifact:
    arguments = {"columns": NEW_COLUMNS, "select": SELECT, **options}
    with op_on(database) as op:
        artifact: Artifact = op.rebuild_table("orders", **arguments)
    return artifact


def columns_of(database: Database) -> list[tuple[str, str, bool]]:
    return database.rows(
        "SELECT attname::text, format_type(atttypid, atttypmod), attnotnull FROM pg_attribute"
        " WHERE attrelid = 'orders'::regclass AND attnum > 0 ORDER BY attnum"
    )


@pytest.mark.majors
@pytest.mark.parametrize("driver", ["psycopg", "psycopg2"])
def test_the_table_has_its_new_shape_and_each_row_its_values(shop: Database, driver: str) -> None:
    with op_on(shop, driver) as op:
        artifact = op.rebuild_table("orders", columns=NEW_COLUMNS, select=SELECT)
    assert artifact.kind is ArtifactKind.REBUILD_TABLE
    assert artifact.row_count == 1000
    assert columns_of(shop) == [
        ("id", "bigint", True),
        ("total", "numeric(14,2)", True),
        ("note", "text", False),
        ("currency", "text", True),
        ("customer_id", "integer", False),
    ]
    different = shop.rows(
        "SELECT * FROM (SELECT id, (g + 0.5) * 2 AS total, 'n' || g AS note, 'EUR' AS currency,"
        " g % 10 + 1 AS customer_id FROM generate_series(1, 1000) g, LATERAL (SELECT g AS id) x)"
        " AS wanted EXCEPT SELECT id, total, note, currency, customer_id FROM orders"
    )
    assert different == []
    assert shop.scalar("SELECT count(*) FROM orders") == 1000


@pytest.mark.majors
def test_all_that_hung_on_the_old_table_hangs_on_the_new_one(shop: Database) -> None:
    rebuilt(shop)
    with pytest.raises(Exception, match="lines_order_id_fkey"):
        shop.execute("DELETE FROM orders WHERE id = 5")
    with pytest.raises(Exception, match="orders_customer_id_fkey"):
        shop.execute("INSERT INTO orders (total, customer_id) VALUES (1, 77)")
    shop.execute("INSERT INTO orders (total) VALUES (1)")
    assert shop.scalar("SELECT max(id) FROM orders") == 1002  # the row refused had 1001
    assert shop.scalar(SEQUENCE_TYPE) == "bigint"
    indexes = shop.rows(
        "SELECT indexname::text FROM pg_indexes WHERE tablename = 'orders' ORDER BY 1"
    )
    assert [name for (name,) in indexes] == ["ix_note", "orders_customer_id_id_key", "orders_pkey"]
    triggers = "SELECT tgname::text, tgenabled FROM pg_trigger WHERE NOT tgisinternal"
    assert shop.rows(triggers) == [("touched", "A")]
    comments = "SELECT col_description('orders'::regclass, n)::text FROM generate_series(1, 5) n"
    assert [text for (text,) in shop.rows(comments)] == [None, "in euro", "as it was", None, None]
    shop.execute("DELETE FROM lines; DELETE FROM customers WHERE id = 3")
    assert shop.scalar("SELECT count(*) FROM orders WHERE customer_id = 3") == 0


def test_an_index_that_goes_with_its_column_is_logged(
    shop: Database, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("INFO", "alembic.zanith"):
        artifact = rebuilt(shop)
    assert [each.getMessage() for each in caplog.records if each.name == "alembic.zanith"] == [
        "index ix_seen of public.orders went with its column.",
        "orders is rebuilt with 1,000 rows; the old table is kept as "
        f"{artifact.parked} (artifact {artifact.id})",
    ]


def test_a_sequence_and_an_identity_go_on_where_they_were(database: Database) -> None:
    database.execute(
        "CREATE TABLE orders (id bigint GENERATED ALWAYS AS IDENTITY (START 5 INCREMENT 3), a int);"
        "INSERT INTO orders (a) VALUES (1), (2)"
    )
    rebuilt(database, columns=["a", "id"], select=None)
    database.execute("INSERT INTO orders (a) VALUES (3)")
    assert database.rows("SELECT id, a FROM orders ORDER BY a") == [(5, 1), (8, 2), (11, 3)]
    identity = sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=False)
    rebuilt(database, columns=[identity, "a"], select=None)
    database.execute("INSERT INTO orders (a) VALUES (4)")
    assert database.scalar("SELECT max(id) FROM orders") == 12


def test_a_number_becomes_an_identity_behind_its_highest_value(database: Database) -> None:
    database.execute(
        "CREATE TABLE orders (id int PRIMARY KEY); INSERT INTO orders VALUES (3), (41)"
    )
    rebuilt(
        database,
        columns=[sa.Column("id", sa.BigInteger(), sa.Identity(), primary_key=True)],
        select=None,
    )
    database.execute("INSERT INTO orders DEFAULT VALUES")
    assert database.scalar("SELECT max(id) FROM orders") == 42


def test_a_new_column_is_generated_or_has_its_default(database: Database) -> None:
    database.execute("CREATE TABLE orders (a int); INSERT INTO orders VALUES (1), (2)")
    computed = sa.Column("b", sa.Integer(), sa.Computed("a * 10", persisted=True))
    rebuilt(database, columns=["a", computed, sa.Column("c", sa.Text())], select=None)
    assert database.rows("SELECT * FROM orders ORDER BY a") == [(1, 10, None), (2, 20, None)]


def test_names_of_any_kind_are_carried_over(database: Database) -> None:
    database.execute(
        'CREATE SCHEMA "my ""s"; CREATE TABLE "my ""s"."a ""b%s" ("c %d" text, "ü" int UNIQUE);'
        'INSERT INTO "my ""s"."a ""b%s" VALUES (\'x%\', 1)'
    )
    before = database.dump()
    for driver in ("psycopg", "psycopg2"):
        with op_on(database, driver) as op:
            op.rebuild_table('a "b%s', columns=["c %d", "ü"], schema='my "s')
            op.rebuild_table(
                'a "b%s',
                schema='my "s',
                columns=[sa.Column("c %d", sa.Text(), server_default=None), "ü"],
                select={"c %d": "\"c %d\" || '%' -- %s"},
            )
    assert database.rows('SELECT "c %d" FROM "my ""s"."a ""b%s"') == [("x%%%",)]
    assert database.dump("--schema-only").count("CREATE TABLE") == before.count("CREATE TABLE")


def test_expressions_are_read_under_the_settings_of_the_session(database: Database) -> None:
    database.execute(
        "CREATE SCHEMA app; CREATE TYPE app.mood AS ENUM ('ok');"
        "CREATE FUNCTION app.one() RETURNS int LANGUAGE sql AS 'SELECT 1';"
        "CREATE TABLE app.orders (at timestamp); INSERT INTO app.orders VALUES ('2020-01-01 12:00')"
    )
    with op_on(database) as op:
        op.execute("SET LOCAL search_path = app; SET LOCAL timezone = 'Asia/Tokyo'")
        op.rebuild_table(
            "orders",
            columns=[
                sa.Column("at", sa.DateTime(timezone=True)),
                sa.Column("mood", sa.Enum("ok", name="mood")),
                sa.Column("one", sa.Integer()),
            ],
            select={"mood": "'ok'", "one": "one()"},
        )
    assert database.rows(
        "SELECT at AT TIME ZONE 'UTC' = '2020-01-01 03:00', mood::text, one FROM app.orders"
    ) == [(True, "ok", 1)]


# -- the old table -----------------------------------------------------------------------


def test_the_old_table_is_listed_inspected_exported_and_purged(shop: Database) -> None:
    old = shop.rows("SELECT id, customer_id, total, note, seen FROM orders ORDER BY id")
    artifact = rebuilt(shop)
    (listed,) = shop.do(recovery.list_artifacts)
    assert (listed.artifact.id, listed.artifact.source) == (artifact.id, "orders")
    inspection = shop.do(recovery.inspect_artifact, artifact.id)
    assert inspection.matches
    assert "does not come back" not in inspection.plan_sql
    assert "kept for inspection and export" in inspection.plan_sql
    shown = shop.psql(inspection.plan_sql)
    assert len(shown.splitlines()) == 1000
    assert shop.rows(f"SELECT * FROM {artifact.parked_name} ORDER BY id") == old
    shop.do(recovery.purge, artifact.id)
    assert shop.do(recovery.list_artifacts) == []
    assert shop.scalar("SELECT count(*) FROM orders") == 1000


@pytest.mark.parametrize("options", [{}, {"as_name": "old_orders"}, {"force": True}])
def test_a_restore_refuses_and_says_why_and_what_can_be_done(
    shop: Database, options: dict[str, Any]
) -> None:
    artifact = rebuilt(shop)
    before = shop.fingerprint()
    with pytest.raises(NotRestorableError) as error:
        shop.do(recovery.restore_table, "orders", **options)
    assert "which would be lost" in str(error.value)
    assert f"zanith-recover export {artifact.id}" in str(error.value)
    assert shop.fingerprint() == before


def test_a_downgrade_fails_and_says_why(project: Project) -> None:
    project.database.execute("CREATE TABLE orders (a int, b int)")
    project.revision("op.rebuild_table('orders', columns=['b', 'a'])", "op.restore_table('orders')")
    project.upgrade()
    result = project.alembic("downgrade", "-1")
    assert result.exit_code != 0
    assert "FAILED: orders does not come back from artifact" in result.output
    assert "To have the old shape again, rebuild the table once more" in result.output
    assert "Traceback" not in result.output


def test_the_old_table_is_in_nobodys_way(shop: Database) -> None:
    rebuilt(shop)
    shop.execute("DROP TABLE lines; DROP TABLE orders; DROP TABLE customers; DROP FUNCTION touch()")


def test_autogenerate_and_check_see_the_new_table_alone(project: Project) -> None:
    project.write_models(
        """
        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)
            a: Mapped[str | None]
        """
    )
    project.autogenerate("orders")
    project.upgrade()
    project.revision("op.rebuild_table('orders', columns=['a', 'id'])")
    project.upgrade()
    assert "No new upgrade operations" in project.alembic("check").succeeded().output


# -- where it refuses --------------------------------------------------------------------

REFUSALS: list[tuple[dict[str, Any], type[ZanithError], str]] = [
    ({"columns": []}, ConfigurationError, "columns= is not a list"),
    ({"columns": "id"}, ConfigurationError, "columns= is not a list"),
    ({"columns": ["id", 3]}, ConfigurationError, "3 in columns= is neither"),
    ({"columns": ["id", "id"]}, ConfigurationError, "'id' more than once"),
    ({"columns": ["id"], "select": {"total": "1"}}, ConfigurationError, "which columns= has not"),
    ({"columns": ["id"], "select": {"id": " "}}, ConfigurationError, "select= is not a dict"),
    ({"columns": ["id", "notes"]}, UnknownObjectError, "Did you mean 'note'"),
    ({"columns": ["id"], "table_name": "order"}, UnknownObjectError, "Did you mean 'orders'"),
    ({"columns": ["id", sa.Column("n", sa.Integer(), nullable=False)]}, ConfigurationError,
     "NOT NULL and no row has a value"),
    ({"columns": ["id", "customer_id", sa.Column("total", sa.Integer())]}, RebuildError,
     "'total' does not work: column \"total\" is of type integer but expression is of type text"),
    ({"columns": ["id", "customer_id", "total"], "select": {"total": "nope"}}, RebuildError,
     'column "nope" does not exist'),
    ({"columns": ["id", "customer_id", "total"], "select": {"total": "total)"}}, RebuildError, "syntax error"),
    ({"columns": ["id", "customer_id", sa.Column("n", sa.Integer())], "select": {"n": "max(id)"}}, RebuildError,
     "must appear in the GROUP BY"),
    ({"columns": ["id", "customer_id", sa.Column("n", sa.Integer())], "select": {"n": "generate_series(1, 2)"}},
     ConfigurationError, "1,000 rows became 2,000"),
    ({"columns": ["note"]}, DependentObjectsError, "lines_order_id_fkey"),
    ({"columns": ["id", "total"]}, DependentObjectsError,
     "orders_customer_id_id_key .* which needs customer_id"),
    ({"columns": [sa.Column("id", sa.BigInteger()), "customer_id"]}, ConfigurationError,
     "autoincrement=True"),
    ({"columns": [sa.Column("id", sa.Text(), primary_key=True, autoincrement=False),
                  "customer_id"]}, RebuildError, "lines_order_id_fkey"),
    ({"columns": ["id", "customer_id", sa.Column("total", sa.Text(), primary_key=True)]},
     ConfigurationError, "primary_key=True of total"),
    ({"columns": ["id", "customer_id", sa.Column("n", sa.Integer(), unique=True)]}, ZanithError,
     "'n' has unique=True"),
    ({"columns": ["id", "customer_id", sa.Column("n", sa.Integer(), sa.ForeignKey("x.y"))]},
     ZanithError, "'n' has a ForeignKey"),
    ({"columns": ["id", "customer_id", sa.Column("note", sa.Integer(), sa.Computed("1"))],
      "select": {"note": "2"}}, ConfigurationError, "'note' is generated"),
]  # fmt: skip


@pytest.mark.parametrize(("options", "error", "words"), REFUSALS)
def test_what_cannot_be_meant_is_refused_and_nothing_has_changed(
    shop: Database, options: dict[str, Any], error: type[ZanithError], words: str
) -> None:
    before = shop.dump()
    arguments = dict(options)
    with pytest.raises(error, match=words), op_on(shop) as op:
        op.rebuild_table(arguments.pop("table_name", "orders"), **arguments)
    assert shop.dump() == before
    assert shop.scalar("SELECT to_regnamespace('_zanith_archive')") is None


def test_an_expression_that_fails_on_a_late_row_shows_the_row_and_leaves_nothing(
    shop: Database,
) -> None:
    shop.execute("UPDATE orders SET total = 'about 12' WHERE id = 777")
    before = shop.dump()
    with pytest.raises(RebuildError) as error:
        rebuilt(shop)
    assert 'invalid input syntax for type numeric: "about 12"' in str(error.value)
    assert '"id": 777' in error.value.row
    assert error.value.row in str(error.value)
    assert shop.dump() == before
    with pytest.raises(RebuildError, match=r'null value in column "total".*"id": 55'):
        rebuilt(shop, select={"total": "CASE WHEN id <> 55 THEN 1 END"})
    with pytest.raises(RebuildError, match=r"orders_pkey .* cannot be made again .* is duplicated"):
        rebuilt(shop, select={"id": "greatest(id, 10)", "total": "1"})
    assert shop.dump() == before


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("CREATE VIEW v AS SELECT id FROM orders", "view v depends on table orders"),
        ("CREATE MATERIALIZED VIEW v AS SELECT 1 FROM orders", "materialized view v"),
        ("CREATE FUNCTION f(orders) RETURNS int LANGUAGE sql AS 'SELECT 1'", "function f"),
        ("CREATE TABLE x (o orders)", "column o of table x"),
        ("CREATE POLICY p ON orders USING (seen)", "policy p on table orders"),
        ("CREATE TRIGGER u AFTER UPDATE OF seen ON orders EXECUTE FUNCTION touch()", "trigger u"),
    ],
)
def test_what_would_be_left_with_the_old_table_is_named_before_anything_is_done(
    shop: Database, statement: str, named: str
) -> None:
    shop.execute(statement)
    before = shop.dump()
    with pytest.raises(DependentObjectsError) as error:
        rebuilt(shop)
    assert any(line.startswith(named) for line in error.value.dependents)
    assert named in str(error.value)
    assert shop.dump() == before


def test_a_check_that_the_new_type_does_not_go_with_is_named(shop: Database) -> None:
    shop.execute("ALTER TABLE orders ADD CONSTRAINT is_text CHECK (total LIKE '%.%')")
    before = shop.dump()
    with pytest.raises(RebuildError, match=r"constraint is_text .* cannot be made again"):
        rebuilt(shop)
    assert shop.dump() == before


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("CREATE TABLE heir () INHERITS (orders)", "has heirs"),
        ("CREATE TABLE t (a int) PARTITION BY LIST (a)", "is partitioned"),
        ("CREATE TABLE p (a int) PARTITION BY LIST (a); CREATE TABLE t PARTITION OF p DEFAULT",
         "is a partition"),
        ("CREATE TYPE k AS (a int); CREATE TABLE t OF k", "table of a type"),
    ],
)  # fmt: skip
def test_a_table_among_others_is_refused(shop: Database, statement: str, words: str) -> None:
    shop.execute(statement)
    before = shop.dump()
    table, columns = ("orders", ["id"]) if "heir" in statement else ("t", ["a"])
    with pytest.raises(NotDroppableError, match=words), op_on(shop) as op:
        op.rebuild_table(table, columns=columns)
    assert shop.dump() == before


def test_what_goes_with_an_extension_is_refused(shop: Database) -> None:
    shop.execute("ALTER INDEX ix_note DEPENDS ON EXTENSION plpgsql")
    with pytest.raises(NotDroppableError, match=r"ix_note, which goes with .* plpgsql"):
        rebuilt(shop)


def test_grants_of_a_role_out_of_reach_are_refused(shop: Database) -> None:
    owner, other = shop.role("owner"), shop.role("other")
    shop.execute(
        f"GRANT CREATE ON SCHEMA public TO {owner}; CREATE SCHEMA _zanith_archive"
        f" AUTHORIZATION {owner}; CREATE TABLE mine (a int); ALTER TABLE mine OWNER TO {owner};"
        f"GRANT SELECT ON mine TO {other} WITH GRANT OPTION; SET ROLE {other};"
        f"GRANT SELECT ON mine TO PUBLIC; RESET ROLE;"
        f"GRANT CREATE, USAGE ON SCHEMA public TO {owner}"
    )
    before = shop.dump()
    with shop.begin("psycopg") as connection:
        connection.execute(sa.text(f"SET SESSION AUTHORIZATION {owner}"))
        op: Any = Operations(MigrationContext.configure(connection))
        with pytest.raises(ZanithError, match=f"privilege SELECT that {other} granted"):
            op.rebuild_table("mine", columns=["a"])
    assert shop.dump() == before


# -- others meanwhile --------------------------------------------------------------------


def meanwhile(database: Database, work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = 'relation'"
    while not database.scalar(waiting) and time.monotonic() < deadline:
        time.sleep(0.05)
    return thread


def test_a_write_that_waited_for_the_copy_is_in_the_new_table(shop: Database) -> None:
    with op_on(shop) as op:
        op.execute("LOCK TABLE orders IN SHARE ROW EXCLUSIVE MODE")
        writing = meanwhile(
            shop, lambda: shop.execute("UPDATE orders SET note = 'late' WHERE id = 9")
        )
        op.rebuild_table("orders", columns=NEW_COLUMNS, select=SELECT)
    writing.join(20)
    assert shop.scalar("SELECT note FROM orders WHERE id = 9") == "late"


# -- text, --sql, plan -------------------------------------------------------------------


def rendered(operation: ops.MigrateOperation) -> str:
    context = MigrationContext.configure(dialect_name="postgresql")
    text = render_python_code(ops.UpgradeOps([operation]), migration_context=context)
    return code(f"    {text}")


def test_it_is_rendered_with_what_is_not_a_default() -> None:
    whole = RebuildTableOp(
        "orders",
        columns=["id", sa.Column("total", sa.Numeric(14, 2), nullable=False)],
        select={"total": "total::numeric"},
        schema="app",
        retention_days=None,
    )
    assert rendered(whole) == (
        "op.rebuild_table('orders',\ncolumns=[\n'id',\n"
        "sa.Column('total', sa.Numeric(precision=14, scale=2), nullable=False),\n],\n"
        "select={\n'total': 'total::numeric',\n},\nschema='app',\nretention_days=None\n)"
    )
    assert rendered(RebuildTableOp("o", columns=["id"])) == (
        "op.rebuild_table('o',\ncolumns=[\n'id',\n]\n)"
    )
    assert rendered(whole.reverse()) == "op.restore_table('orders', schema='app')"
    assert whole.reverse().reverse() is whole


def test_the_plan_calls_it_high_and_the_gates_of_staging_let_it_pass(project: Project) -> None:
    project.database.execute("CREATE TABLE orders (a int, b int); INSERT INTO orders VALUES (1, 2)")
    project.revision("op.rebuild_table('orders', columns=['b', 'a'])")
    plan = project.alembic("zanith-plan").succeeded().output
    assert "rebuild_table orders" in plan
    assert "high (60)" in plan
    assert "rebuilds_table" in plan
    project.upgrade()
    assert project.database.rows("SELECT * FROM orders") == [(2, 1)]


def test_how_it_is_walked_is_rendered_and_checked() -> None:
    walked = RebuildTableOp("o", columns=["id"], batch_size=50, pause=0.5, key=["a", "b"])
    assert rendered(walked) == (
        "op.rebuild_table('o',\ncolumns=[\n'id',\n],\nbatch_size=50,\npause=0.5,\nkey=('a', 'b')\n)"
    )
    assert "key='a'" in rendered(RebuildTableOp("o", columns=["id"], key="a"))
    wrong: dict[str, Any]
    for wrong in ({"batch_size": 0}, {"pause": -1}, {"key": []}, {"retention_days": -1}):
        with pytest.raises(ConfigurationError, match=rf"^rebuild_table.*{next(iter(wrong))}="):
            RebuildTableOp("o", columns=["id"], **wrong)


@pytest.mark.slow
def test_a_rehearsal_knows_that_the_old_table_does_not_come_back(project: Project) -> None:
    for table in ("orders", "gone"):
        project.revision(
            f"op.execute('CREATE TABLE {table} (a int, b int)')", f"op.drop_table('{table}')"
        )
    project.upgrade()
    project.revision(
        "op.rebuild_table('orders', columns=['b', 'a'])\nop.soft_drop_table('gone')",
        "op.restore_table('gone')\nop.restore_table('orders')",
    )
    report = project.alembic("zanith-verify").output
    assert "There is no way back: " in report, report
    assert "orders does not come back from artifact" in report
    assert "What is parked of" not in report
