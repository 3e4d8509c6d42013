"""Where a parked object is still noticed: exactly how, as docs/limits.md tells it.

Each of these works after a real DROP. A limit that goes away fails here: take it out of the docs.
"""

from __future__ import annotations

from contextlib import nullcontext

import pytest
import sqlalchemy as sa

from alembic_zanith import recovery
from devtools.postgres import LocalPostgres
from tests.conftest import MakeTwins
from tests.support.database import Database, PsqlFailed
from tests.support.twins import Dropped

pytestmark = pytest.mark.majors

SOFT = pytest.mark.parametrize("strategy", ["soft_drop"])
BOTH = pytest.mark.parametrize("strategy", ["soft_drop", "archive"])

MIDDLE = (
    "CREATE TABLE t (id int PRIMARY KEY, gone text, kept text); INSERT INTO t VALUES (1, 'a', 'b')"
)


@SOFT
class TestASoftDroppedColumnIsStillAColumn:
    """Archive it, if something counts columns: that drops it for real."""

    def test_a_star_shows_it(self, twin_schemas: MakeTwins) -> None:
        expected, found = twin_schemas(MIDDLE, "t.gone").try_both("SELECT * FROM t")
        assert expected.rows == ("(1, 'b')",)
        assert found.rows == ("(1, 'a', 'b')",)

    def test_an_insert_without_names_fills_it(self, twin_schemas: MakeTwins) -> None:
        made = twin_schemas(MIDDLE, "t.gone")
        made.try_both("INSERT INTO t VALUES (2, 'c')")
        expected, found = made.try_both("SELECT id, kept FROM t WHERE id = 2")
        assert expected.rows == ("(2, 'c')",)
        assert found.rows == ("(2, None)",)

    def test_copy_without_names_wants_it(self, twin_schemas: MakeTwins) -> None:
        made = twin_schemas(MIDDLE, "t.gone")
        made.differ_on("COPY t FROM STDIN (FORMAT csv)\n2,c\n", 'missing data for column "kept"')

    def test_whole_rows_hold_it(self, twin_schemas: MakeTwins) -> None:
        made = twin_schemas(MIDDLE, "t.gone")
        made.differ_on("SELECT CAST(ROW(1, 'x') AS t)", "cannot cast type record to t")
        expected, found = made.try_both("SELECT count(*) FROM t, jsonb_object_keys(to_jsonb(t)) k")
        assert (expected.rows, found.rows) == (("(2,)",), ("(3,)",))

    def test_a_table_without_it_is_no_partition(self, twin_schemas: MakeTwins) -> None:
        made = twin_schemas(
            "CREATE TABLE t (id int, gone text, kept text) PARTITION BY RANGE (id);"
            "CREATE TABLE new (id int, kept text)",
            "t.gone",
        )
        made.differ_on("ALTER TABLE t ATTACH PARTITION new DEFAULT", "is missing column")

    def test_a_table_without_it_is_no_child(self, twin_schemas: MakeTwins) -> None:
        made = twin_schemas(f"{MIDDLE}; CREATE TABLE new (id int NOT NULL, kept text)", "t.gone")
        made.differ_on("ALTER TABLE new INHERIT t", "is missing column")

    def test_a_table_like_it_has_it(self, twin_schemas: MakeTwins) -> None:
        made = twin_schemas(MIDDLE.replace("gone text", "gone text NOT NULL DEFAULT 'x'"), "t.gone")
        assert all(done.refusal is None for done in made.try_both("CREATE TABLE copy (LIKE t)"))
        made.differ_on("INSERT INTO copy (id, kept) VALUES (1, 'a')", "null value in column")

    def test_its_values_count_for_the_size_of_a_row(self, twin_schemas: MakeTwins) -> None:
        made = twin_schemas(
            "CREATE TABLE t (id int PRIMARY KEY, kept text, gone text);"
            "ALTER TABLE t ALTER kept SET STORAGE PLAIN, ALTER gone SET STORAGE PLAIN;"
            "INSERT INTO t VALUES (1, 'a', repeat('x', 5000))",
            "t.gone",
        )
        made.differ_on("UPDATE t SET kept = repeat('y', 5000)", "row is too big")

    def test_publications_of_all_tables_still_send_it(self, twins: MakeTwins) -> None:
        made = twins(f"{MIDDLE}; CREATE PUBLICATION everything FOR ALL TABLES", "t.gone")
        names = (
            "SELECT count(*) FROM pg_publication_tables p, unnest(p.attnames) WHERE tablename = 't'"
        )
        if made.parked.server.major < 15:
            pytest.skip("PostgreSQL 15 or newer tells which columns are sent")
        expected, found = made.try_both(names)
        assert (expected.rows, found.rows) == (("(2,)",), ("(3,)",))


@SOFT
class TestAGeneratedColumnBefore17KeepsItsExpression:
    """PostgreSQL 17 brought SET EXPRESSION. Before that, archive it."""

    SETUP = (
        "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT 10 / $1';"
        "CREATE TABLE t (id int PRIMARY KEY, v int, gone int GENERATED ALWAYS AS (f(v)) STORED);"
        "INSERT INTO t (id, v) VALUES (1, 1)"
    )

    @pytest.fixture(autouse=True)
    def _before_17(self, server: LocalPostgres) -> None:
        if server.major >= 17:
            pytest.skip("no limit from PostgreSQL 17 on")

    def test_it_can_refuse_a_row(self, twin_schemas: MakeTwins) -> None:
        made = twin_schemas(self.SETUP, "t.gone")
        made.differ_on("INSERT INTO t (id, v) VALUES (2, 0)", "division by zero")

    @pytest.mark.min_major(15)
    def test_its_columns_and_functions_stay(self, twin_schemas: MakeTwins) -> None:
        made = twin_schemas(self.SETUP, "t.gone")
        made.differ_on("ALTER TABLE t DROP v", "depends on column v")
        made = twin_schemas(self.SETUP, "t.gone")
        made.differ_on("DROP FUNCTION f(int)", "depends on function f")


@BOTH
class TestAParkedTableKeeps:
    """Purge it, and the way is free. An archived table is out of its schema at least."""

    @pytest.mark.min_major(15)
    def test_the_functions_of_its_generated_columns(self, twin_schemas: MakeTwins) -> None:
        made = twin_schemas(TestAGeneratedColumnBefore17KeepsItsExpression.SETUP, "t")
        made.differ_on("DROP FUNCTION f(int)", "depends on function f")

    def test_its_owner(self, twins: MakeTwins) -> None:
        made = twins(f"{MIDDLE}; ALTER TABLE t OWNER TO <owner>", "t")
        made.differ_on("DROP ROLE <owner>", "owner of table")

    def test_the_type_of_a_partition_key(self, twin_schemas: MakeTwins) -> None:
        made = twin_schemas(
            "CREATE DOMAIN kind AS int; CREATE TABLE t (k kind) PARTITION BY RANGE (k)", "t"
        )
        made.differ_on("DROP DOMAIN kind", "depends on type kind")

    @pytest.mark.min_major(15)
    def test_its_tablespace(self, database: Database, strategy: str) -> None:
        name = f'"{database.name}"'
        database.psql(
            f"SET allow_in_place_tablespaces = on; CREATE TABLESPACE {name} LOCATION '';"
            f"CREATE TABLE t (id int PRIMARY KEY) TABLESPACE {name}"
        )
        try:
            with database.begin() as connection:
                Dropped.parse("t").park(connection, strategy)
            with pytest.raises(PsqlFailed, match="is not empty"):
                database.psql(f"DROP TABLESPACE {name}")
            with database.begin() as connection:
                recovery.purge(connection, "t")
        finally:
            database.psql(f"DROP TABLE IF EXISTS t; DROP TABLESPACE {name}")

    def test_the_type_that_it_is_a_table_of(self, twin_schemas: MakeTwins) -> None:
        made = twin_schemas("CREATE TYPE kind AS (a int); CREATE TABLE t OF kind", "t")
        made.differ_on("DROP TYPE kind", "depends on type kind")


@BOTH
@pytest.mark.parametrize("target", ["t.gone", "t"], ids=["column", "table"])
def test_rights_that_another_role_passed_on_stay_unless_we_can_become_it(
    database: Database, strategy: str, target: str
) -> None:
    owner, second, third = (database.role(name) for name in ("owner", "second", "third"))
    database.execute(
        f"GRANT CREATE ON SCHEMA public TO {owner};"
        f'GRANT CREATE ON DATABASE "{database.name}" TO {owner};'
        f"SET ROLE {owner}; CREATE TABLE t (id int PRIMARY KEY, gone int, kept int);"
        f"GRANT SELECT (gone) ON t TO {second} WITH GRANT OPTION;"
        f"SET ROLE {second}; GRANT SELECT (gone) ON t TO {third}"
    )
    url = database.url()
    database.execute(f"ALTER ROLE {owner} LOGIN")
    engine = sa.create_engine(url.set(username=owner), poolclass=sa.NullPool)
    with engine.begin() as connection:
        Dropped.parse(target).park(connection, strategy)
    refused = strategy == "soft_drop" or target == "t"
    with pytest.raises(PsqlFailed, match="cannot be dropped") if refused else nullcontext():
        database.psql(f"DROP ROLE {third}")


@SOFT
def test_a_soft_dropped_table_keeps_its_schema(twins: MakeTwins) -> None:
    made = twins("CREATE SCHEMA app; CREATE TABLE app.t (id int)", Dropped("app", "t", None))
    made.differ_on("DROP SCHEMA app", "depends on schema app")


@pytest.mark.parametrize("strategy", ["archive"])
def test_an_archived_table_does_not_keep_its_schema(twins: MakeTwins) -> None:
    made = twins(
        "CREATE SCHEMA app; CREATE TABLE app.t (id serial PRIMARY KEY)", Dropped("app", "t", None)
    )
    made.agree_on("DROP SCHEMA app")


HOLDS_A_TYPE = {
    "extension": ("CREATE EXTENSION hstore", "hstore", "DROP EXTENSION hstore"),
    "extension, array": ("CREATE EXTENSION citext", "citext[]", "DROP EXTENSION citext"),
    "range": ("CREATE TYPE kind AS RANGE (SUBTYPE = int4)", "kind", "DROP TYPE kind"),
    "array of a domain": ("CREATE DOMAIN kind AS int", "kind[]", "DROP DOMAIN kind"),
    "row of a table": ("CREATE TABLE kind (a int)", "kind", "DROP TABLE kind"),
    "inside of a composite": (
        "CREATE TYPE inside AS ENUM ('a'); CREATE TYPE kind AS (x inside)",
        "kind",
        "DROP TYPE kind; DROP TYPE inside",
    ),
    "under a domain": (
        "CREATE TYPE under AS ENUM ('a'); CREATE DOMAIN kind AS under",
        "kind",
        "DROP DOMAIN kind; DROP TYPE under",
    ),
    "function that takes it": (
        "CREATE TYPE kind AS ENUM ('a'); CREATE FUNCTION f(kind) RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "kind",
        "DROP FUNCTION f(kind); DROP TYPE kind",
    ),
    "column that goes for real later": (
        "CREATE TYPE kind AS ENUM ('a'); CREATE TABLE u (v kind)",
        "kind",
        "DROP TABLE u; DROP TYPE kind",
    ),
}


@pytest.mark.parametrize("case", HOLDS_A_TYPE.values(), ids=list(HOLDS_A_TYPE))
class TestATypeThatCannotBeFreed:
    """Archive the column: values of such types are kept as text. A parked table has to be purged."""

    @SOFT
    def test_by_a_soft_dropped_column(self, twins: MakeTwins, case: tuple[str, str, str]) -> None:
        create, kind, drop = case
        made = twins(f"{create}; CREATE TABLE t (id int PRIMARY KEY, gone {kind})", "t.gone")
        made.differ_on(drop, "depend")

    @BOTH
    def test_by_a_parked_table(self, twins: MakeTwins, case: tuple[str, str, str]) -> None:
        create, kind, drop = case
        made = twins(f"{create}; CREATE TABLE t (id int PRIMARY KEY, gone {kind})", "t")
        made.differ_on(drop, "depend")

    @pytest.mark.parametrize("strategy", ["archive"])
    def test_but_not_by_an_archived_column(
        self, twins: MakeTwins, case: tuple[str, str, str]
    ) -> None:
        create, kind, drop = case
        made = twins(f"{create}; CREATE TABLE t (id int PRIMARY KEY, gone {kind})", "t.gone")
        made.agree_on(drop)
