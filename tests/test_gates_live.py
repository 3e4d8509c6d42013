"""What the database says refines the plan, and each fact is in the message."""

from __future__ import annotations

import re

import psycopg
import pytest
from sqlalchemy.dialects import postgresql

from alembic_zanith.plan.live import with_live_facts
from alembic_zanith.plan.model import Plan, PlannedOperation, PlannedRevision
from alembic_zanith.plan.record import Recording, record
from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.live_facts import Ceilings
from alembic_zanith.risk.statements import changes_in
from tests.support.database import Database
from tests.support.project import Project

SETUP = """
CREATE TABLE filled (id int PRIMARY KEY, value varchar(20), note text CHECK (note IS NOT NULL), must int NOT NULL);
INSERT INTO filled SELECT n, 'x', 'y', n FROM generate_series(1, 1000) n;
ANALYZE filled;
CREATE TABLE empty (id int, value text);
CREATE TABLE "Odd Name" (id int);
INSERT INTO "Odd Name" VALUES (1);
CREATE TABLE parts (id int) PARTITION BY RANGE (id);
CREATE TABLE parts_1 PARTITION OF parts FOR VALUES FROM (0) TO (100);
INSERT INTO parts SELECT generate_series(0, 99);
ANALYZE parts, parts_1;
"""


NO_LIMITS = Ceilings()


def refined(
    database: Database, *statements: str, ceilings: Ceilings = NO_LIMITS
) -> list[PlannedOperation]:
    operations = tuple(
        PlannedOperation(Assessment.of("execute", changes_in(sql)), sql) for sql in statements
    )
    plan = Plan((PlannedRevision("1", "1.py", "", operations),))
    with database.begin() as connection:
        found = with_live_facts(plan, connection, ceilings)
    return [operation for _, operation in found.operations]


@pytest.mark.majors
@pytest.mark.parametrize(
    ("sql", "level", "facts", "rows"),
    [
        ("DROP TABLE filled", "destructive", ["filled has about 1,000 rows, SIZE"], 1000),
        ("DROP TABLE empty", "safe", ["empty is empty"], 0),
        ("DROP TABLE IF EXISTS nothing", "safe", ["nothing does not exist"], None),
        ("TRUNCATE empty", "safe", ["empty is empty"], 0),
        ("ALTER TABLE empty DROP COLUMN value", "safe", ["empty is empty"], 0),
        ("CREATE INDEX ON empty (id)", "low", ["empty is empty"], 0),
        ('DROP TABLE "Odd Name"', "destructive", ['"Odd Name" has about 1 row, SIZE'], 1),
        (
            "DROP TABLE public.filled",
            "destructive",
            ["public.filled has about 1,000 rows, SIZE"],
            1000,
        ),
        ("DROP TABLE parts", "destructive", ["parts has about 100 rows, SIZE"], 100),
        (
            "ALTER TABLE filled ALTER value TYPE varchar(50)",
            "low",
            ["filled.value is character varying(20) now"],
            1000,
        ),
        (
            "ALTER TABLE filled ALTER value TYPE varchar(5)",
            "high",
            ["filled.value is character varying(20) now", "filled has about 1,000 rows, SIZE"],
            1000,
        ),
        (
            "ALTER TABLE filled ALTER note SET NOT NULL",
            "low",
            ["a valid CHECK says that filled.note is not NULL, so no row is read"],
            1000,
        ),
        (
            "ALTER TABLE filled ALTER must SET NOT NULL",
            "safe",
            ["filled.must is NOT NULL already"],
            1000,
        ),
        (
            "ALTER TABLE filled ALTER value SET NOT NULL",
            "high",
            ["filled has about 1,000 rows, SIZE"],
            1000,
        ),
    ],
)
def test_a_fact_of_the_database_is_in_the_finding(
    database: Database, sql: str, level: str, facts: list[str], rows: int | None
) -> None:
    database.execute(SETUP)
    (operation,) = refined(database, sql)
    (finding,) = operation.assessment.findings
    said = [re.sub(r", \d+ (bytes|kB)$", ", SIZE", fact) for fact in finding.facts]
    assert (finding.judgement.level.word, said, operation.rows) == (level, facts, rows)


FAILED_BUILD = """
CREATE TABLE t (id int); INSERT INTO t VALUES (1), (1);
CREATE INDEX plain ON t (id); CREATE TABLE k (id int PRIMARY KEY); CREATE UNIQUE INDEX uq ON k (id);
"""


@pytest.mark.majors
@pytest.mark.parametrize(
    ("sql", "verdict", "facts"),
    [
        ("DROP INDEX CONCURRENTLY IF EXISTS broken", "drops_index safe", "broken is INVALID"),
        ("DROP INDEX IF EXISTS missing", "drops_index safe", "missing does not exist"),
        ("DROP INDEX plain", "drops_index medium", ""),
        ("DROP INDEX public.uq", "drops_index drops_unique_constraint medium", "uq is unique"),
    ],
)
def test_an_index_is_looked_at_before_it_is_dropped(
    database: Database, sql: str, verdict: str, facts: str
) -> None:
    database.execute(FAILED_BUILD)
    with pytest.raises(psycopg.errors.UniqueViolation):
        database.execute("CREATE UNIQUE INDEX CONCURRENTLY broken ON t (id)")
    (operation,) = refined(database, sql)
    (finding,) = operation.assessment.findings
    reasons = [str(each) for each in finding.judgement.reasons]
    assert " ".join([*reasons, finding.judgement.level.word]) == verdict
    assert " ".join(finding.facts).startswith(facts)


@pytest.mark.parametrize(
    "before",
    ["ALTER INDEX plain RENAME TO missing", "SELECT unseen()", "ALTER TABLE s.t SET SCHEMA public"],
)
def test_an_index_that_gets_the_name_later_is_no_missing_one(
    database: Database, before: str
) -> None:
    database.execute(FAILED_BUILD)
    *_, dropped = refined(database, before, "DROP INDEX missing")
    assert dropped.assessment.level.word == "medium"


@pytest.mark.majors
def test_rows_that_go_along_with_deleted_ones_are_told(database: Database) -> None:
    database.execute(
        "CREATE TABLE a (id int PRIMARY KEY, up int REFERENCES a ON DELETE CASCADE);"
        'CREATE TABLE "B" (id int PRIMARY KEY REFERENCES a ON DELETE CASCADE);'
        'CREATE TABLE c (id int REFERENCES "B" ON DELETE CASCADE);'
        "CREATE TABLE d (id int REFERENCES a ON DELETE SET NULL)"
    )
    (operation,) = refined(database, "DELETE FROM a WHERE id = 5")
    (finding,) = operation.assessment.findings
    assert finding.judgement.level.word == "medium"
    assert finding.facts == ('ON DELETE CASCADE: rows of "B", c go along',)


@pytest.mark.parametrize(
    ("sql", "ceilings", "fact"),
    [
        ("DROP TABLE filled", Ceilings(max_lost_rows=999), "that is more than max_lost_rows = 999"),
        ("DROP TABLE filled", Ceilings(max_lost_rows=1000), None),
        (
            "ALTER TABLE filled ALTER id TYPE bigint",
            Ceilings(max_rewrite_rows=10),
            "that is more than max_rewrite_rows = 10",
        ),
        (
            "CREATE INDEX ON filled (id)",
            Ceilings(max_scan_rows=10),
            "that is more than max_scan_rows = 10",
        ),
        ("CREATE INDEX CONCURRENTLY ON filled (id)", Ceilings(max_scan_rows=10), None),
        ("CREATE INDEX ON filled (id)", Ceilings(max_rewrite_rows=10, max_lost_rows=10), None),
    ],
)
def test_a_ceiling_blocks(
    database: Database, sql: str, ceilings: Ceilings, fact: str | None
) -> None:
    database.execute(SETUP)
    (operation,) = refined(database, sql, ceilings=ceilings)
    (finding,) = operation.assessment.findings
    assert (operation.assessment.level.word == "blocked") is (fact is not None)
    assert fact is None or finding.facts[-1] == fact


def test_a_table_that_the_plan_itself_fills_is_not_empty(database: Database) -> None:
    database.execute(SETUP)
    _, dropped = refined(database, "INSERT INTO empty VALUES (1)", "DROP TABLE empty")
    assert dropped.assessment.level.word == "destructive"


def test_a_name_that_a_rename_gives_to_a_full_table_is_not_empty(database: Database) -> None:
    database.execute(SETUP)
    *_, dropped = refined(
        database,
        "ALTER TABLE empty RENAME TO old",
        "ALTER TABLE filled RENAME TO empty",
        "DROP TABLE empty",
    )
    assert dropped.assessment.level.word == "destructive"


def test_rows_that_row_level_security_hides_are_not_overlooked(database: Database) -> None:
    role = database.role()
    database.execute(
        f"CREATE TABLE hidden (id int); INSERT INTO hidden VALUES (1); ALTER TABLE hidden OWNER TO {role};"
        "ALTER TABLE hidden ENABLE ROW LEVEL SECURITY; ALTER TABLE hidden FORCE ROW LEVEL SECURITY"
    )
    plan = Plan(
        (
            PlannedRevision(
                "1",
                "1.py",
                "",
                (PlannedOperation(Assessment.of("execute", changes_in("DROP TABLE hidden")), ""),),
            ),
        )
    )
    with database.begin(role=role) as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM hidden").scalar() == 0
        found = with_live_facts(plan, connection, Ceilings())
    assert found.level.word == "destructive"


def test_asking_writes_nothing_and_leaves_no_setting_behind(database: Database) -> None:
    database.execute(SETUP)
    plan = record([], Recording(postgresql.dialect()))  # type: ignore[no-untyped-call]
    before = database.dump()
    with database.begin() as connection:
        connection.exec_driver_sql("SET LOCAL statement_timeout = '7s'")
        with_live_facts(plan, connection, Ceilings())
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "7s"
    assert database.dump() == before


def test_an_empty_table_may_be_dropped(database: Database, project: Project) -> None:
    database.execute("CREATE TABLE empty (id int)")
    project.revision(upgrade="op.drop_table('empty')")
    project.upgrade()
    assert database.scalar("SELECT to_regclass('empty')") is None


FILLS = r"""\g<0>
        import sqlalchemy as sa

        def fills(conn, cursor, statement, *_):
            if "CREATE TABLE other" in statement:
                engine = sa.create_engine(conn.engine.url, poolclass=sa.NullPool)
                with engine.begin() as beside:
                    beside.execute(sa.text("INSERT INTO empty VALUES (1)"))

        sa.event.listen(connection, "before_cursor_execute", fills)
"""


def test_a_table_that_others_fill_after_the_plan_is_not_dropped(
    database: Database, project: Project
) -> None:
    database.execute("CREATE TABLE empty (id int)")
    project.edit_env(r"with connectable\.connect\(\) as connection:", FILLS)
    project.revision(
        upgrade="op.create_table('other', sa.Column('id', sa.Integer))\nop.drop_table('empty')"
    )
    refused = project.alembic("upgrade", "head").failed()
    assert "Refused at the moment of execution" in refused.output
    assert database.scalar("SELECT count(*) FROM empty") == 1


def test_what_a_script_fills_itself_is_not_dropped(database: Database, project: Project) -> None:
    database.execute("CREATE TABLE empty (id int)")
    project.revision(
        upgrade="op.get_bind().scalar(sa.text('SELECT 1'))\n"
        "op.execute(sa.text('INSERT INTO empty VALUES (1)'))\n"
        "op.drop_table('empty')"
    )
    refused = project.alembic("upgrade", "head").failed()
    assert "Refused, nothing has run" in refused.output
    assert "behind the place where the recording of the script ended" in refused.output


def test_a_ceiling_holds_for_what_only_the_run_knows(database: Database, project: Project) -> None:
    database.execute(
        "CREATE TABLE t (id int); INSERT INTO t SELECT generate_series(1, 50); ANALYZE t"
    )
    project.settings(max_rewrite_rows="10")
    project.revision(
        upgrade="kind = op.get_bind().scalar(sa.text(\"SELECT 'bigint'\"))\n"
        "op.get_bind().execute(sa.text(f'ALTER TABLE t ALTER id TYPE {kind}'))"
    )
    before = database.dump()
    refused = project.alembic("upgrade", "head").failed()
    assert "max_rewrite_rows = 10" in refused.output
    assert database.dump() == before
