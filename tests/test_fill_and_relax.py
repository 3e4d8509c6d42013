"""Where rows written since make a column impossible, there are two ways on: fill and relax."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from alembic_zanith.artifacts import Artifact
from alembic_zanith.errors import FillError, ZanithError
from alembic_zanith.recovery import archive_column, restore_column, soft_drop_column
from tests.support.database import Database
from tests.support.users import is_refused, notes, recorded, users_with
from tests.support.ways import each_way_to_drop_a_column

Drop = Callable[..., Artifact]


@each_way_to_drop_a_column
class TestNotNull:
    """A NOT NULL column without a default, and a row written since."""

    @pytest.fixture(autouse=True)
    def life_went_on(self, database: Database, drop: Drop) -> None:
        users_with(database, "note text NOT NULL", "(1, 'one')")
        database.do(drop, "users", "note")
        database.execute("INSERT INTO users VALUES (2, 'new@x'), (3, 'newer@x')")

    def test_restore_refuses_with_count_sample_and_both_ways_on(self, database: Database) -> None:
        refusal = is_refused(database)
        assert refusal.count == 2
        message = str(refusal)
        assert message.startswith("users.note cannot come back as it was")
        assert "2 rows stand in the way, for example: (2,new@x,); (3,newer@x,)" in message
        assert "--fill" in message
        assert "--relax" in message
        assert "Nothing has changed" in message
        assert "_zanith_" not in message

    def test_fill_gives_the_rows_without_value_one(self, database: Database) -> None:
        report = database.do(restore_column, "users.note", fill="upper(email) || '%'")
        assert notes(database) == {1: "one", 2: "NEW@X%", 3: "NEWER@X%"}
        assert report.left_out == ()
        with pytest.raises(Exception, match="not-null"):
            database.execute("INSERT INTO users VALUES (4, 'x', NULL)")

    def test_relax_leaves_it_out_and_says_so(self, database: Database) -> None:
        report = database.do(restore_column, "users.note", relax=True)
        assert notes(database) == {1: "one", 2: None, 3: None}
        (left_out,) = report.left_out
        assert "NOT NULL" in left_out
        assert "_zanith_" not in left_out
        assert recorded(database, report)["left_out"] == [left_out]

    @pytest.mark.parametrize(
        "fill", ["nonsense(", "no_such_function()", "missing_column", "(SELECT 1)", "1 / 0"]
    )
    def test_a_fill_that_is_no_expression_is_refused(self, database: Database, fill: str) -> None:
        before = database.dump_of_all()
        with pytest.raises(FillError, match="--fill takes an SQL expression") as refusal:
            database.do(restore_column, "users.note", fill=fill)
        assert f"cannot be given {fill}" in str(refusal.value)
        assert database.dump_of_all() == before


@each_way_to_drop_a_column
@pytest.mark.parametrize("domain", ["text NOT NULL", "text CHECK (VALUE IS NOT NULL)"])
def test_a_domain_that_refuses_null_is_a_constraint_like_any_other(
    database: Database, drop: Drop, domain: str
) -> None:
    database.execute(f"CREATE DOMAIN filled AS {domain}")
    users_with(database, "note filled", "(1, 'one')")
    database.do(drop, "users", "note")
    database.execute("INSERT INTO users VALUES (2, 'new')")
    refusal = is_refused(database)
    message = str(refusal)
    assert "type public.filled of note" in message
    assert "--relax" in message
    if domain == "text NOT NULL":
        assert refusal.count == 1
        assert "(2,new,)" in message
        assert "--fill" in message
    clone = database.clone()
    if domain == "text NOT NULL" or drop is archive_column:
        clone.do(restore_column, "users.note", fill="'x'")
        assert notes(clone) == {1: "one", 2: "x"}
        assert "public.filled" in clone.dump()
    report = database.do(restore_column, "users.note", relax=True)
    assert len(report.left_out) == 1
    assert notes(database) == {1: "one", 2: None}
    database.execute("INSERT INTO users VALUES (3, 'new')")


def test_fill_leaves_archived_nulls_alone(database: Database) -> None:
    users_with(database, "note text")
    database.do(archive_column, "users", "note")
    database.execute("INSERT INTO users VALUES (3, 'new')")
    database.do(restore_column, "users.note", fill="'filled'")
    assert notes(database) == {1: "one", 2: None, 3: "filled"}


def test_fill_of_a_nullable_soft_dropped_column_is_refused(database: Database) -> None:
    users_with(database, "note text")
    database.do(soft_drop_column, "users", "note")
    with pytest.raises(ZanithError, match="cannot be told from rows written since"):
        database.do(restore_column, "users.note", fill="'x'")


@each_way_to_drop_a_column
@pytest.mark.parametrize(
    ("column", "constraint", "life", "sample"),
    [
        ("note int", "UNIQUE (note, email)", "UPDATE users SET email = 'same'", "(7,same,2)"),
        ("note int", "CHECK (note < 8 * length(email))", "UPDATE users SET email = ''", '(1,"",7)'),
        (
            "note int4range",
            "EXCLUDE USING gist (note WITH &&, point(length(email), 0) WITH ~=)",
            "UPDATE users SET email = 'same'",
            '(1,same,"[1,5)")',
        ),
        ("note int", "PRIMARY KEY (note, email)", "UPDATE users SET email = 'same'", "(7,same,2)"),
    ],
    ids=["unique", "check", "exclusion", "primary key"],
)
def test_rows_that_break_a_constraint_are_counted_and_shown(
    database: Database, drop: Drop, column: str, constraint: str, life: str, sample: str
) -> None:
    value = "7" if column == "note int" else "'[1,5)'"
    database.execute(
        f"CREATE TABLE users (id int UNIQUE NOT NULL, email text NOT NULL, {column},"
        f" CONSTRAINT rule {constraint});"
        f"INSERT INTO users VALUES (1, 'a', {value}), (2, 'bb', {value}), (3, 'ccc', NULL)"
        if not constraint.startswith("PRIMARY")
        else f"CREATE TABLE users (id int UNIQUE NOT NULL, email text NOT NULL, {column},"
        f" CONSTRAINT rule {constraint}); INSERT INTO users VALUES (1, 'a', 7), (2, 'bb', 7)"
    )
    database.do(drop, "users", "note")
    database.execute(life)
    refusal = is_refused(database)
    assert refusal.constraint == "rule"
    assert refusal.count == 2
    message = str(refusal)
    assert "2 rows stand in the way, for example: " in message
    assert sample in message
    assert "--relax" in message
    assert "_zanith_" not in message

    report = database.do(restore_column, "users.note", relax=True)
    assert any("rule" in each for each in report.left_out)
    assert recorded(database, report)["left_out"] == list(report.left_out)
    assert database.scalar("SELECT count(*) FROM pg_constraint WHERE conname = 'rule'") == 0
    assert database.scalar("SELECT count(note) FROM users") == 2


@each_way_to_drop_a_column
def test_a_unique_index_that_rows_break_is_refused_too(database: Database, drop: Drop) -> None:
    users_with(database, "note int DEFAULT 0", "(1, 1), (2, 2), (3, NULL)")
    database.execute("CREATE UNIQUE INDEX one_of_a_kind ON users (note) WHERE note IS NOT NULL")
    database.do(drop, "users", "note")
    database.execute("INSERT INTO users VALUES (4), (5), (6)")
    refusal = is_refused(database)
    assert refusal.count == 3
    report = database.do(restore_column, "users.note", relax=True)
    assert any("one_of_a_kind" in each for each in report.left_out)
    assert notes(database) == {1: 1, 2: 2, 3: None, 4: 0, 5: 0, 6: 0}


@pytest.mark.parametrize("park", [soft_drop_column, archive_column])
@pytest.mark.parametrize(
    ("type_", "value", "too_long", "fits"),
    [
        ("varchar(3)", "abc", "'abcdef'", "'de'"),
        ("short", "abc", "'abcdef'", "'de'"),
        ("char(3)", "abc", "'abcdef'", "'def'"),
        ("bit(3)", "101", "B'10101'", "B'010'"),
        ("numeric(3,1)", "1.5", "1000", "id + 0.5"),
        ("varchar(3)[]", "{abc}", "ARRAY['abcdef']", "ARRAY['de']"),
    ],
)
def test_a_fill_that_is_too_long_is_refused_as_an_update_would_be(
    database: Database,
    park: Callable[..., Artifact],
    type_: str,
    value: str,
    too_long: str,
    fits: str,
) -> None:
    database.execute(
        "CREATE DOMAIN short AS varchar(3);"
        f"CREATE TABLE t (id int PRIMARY KEY, v {type_} NOT NULL); INSERT INTO t VALUES (1, '{value}')"
    )
    twin = database.clone()
    artifact = database.do(park, "t", "v")
    database.execute("INSERT INTO t VALUES (2)")
    before = database.dump_of_all()
    with pytest.raises(ZanithError, match=r"too long|does not match type|overflow"):
        database.do(restore_column, artifact.id, fill=too_long)
    assert database.dump_of_all() == before
    database.do(restore_column, artifact.id, fill=fits)
    twin.execute(f"INSERT INTO t (id, v) SELECT id, {fits} FROM (SELECT 2 AS id) AS new")
    query = "SELECT id, v::text FROM t ORDER BY id"
    assert database.rows(query) == twin.rows(query)
