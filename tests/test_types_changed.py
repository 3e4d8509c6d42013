"""Types that are others by the time something comes back: no value changes or goes astray."""

from __future__ import annotations

import pytest

from alembic_zanith.errors import ConstraintConflictError, NotRestorableError, ZanithError
from alembic_zanith.recovery import archive_column, restore_column, soft_drop_column
from tests.support.database import Database, PsqlFailed
from tests.support.ways import PARK, all_four

pytestmark = pytest.mark.majors

DOMAINS = [
    ("numeric(10,2)", "numeric(10,0)", "12.34"),
    ("timestamp", "date", "'2026-01-02 03:04'"),
    ("float8", "int", "1.6"),
    ("text", "name", "repeat('x', 70)"),
    ("oid", "int", "4294967295"),
    ("timestamp", "timestamptz", "'2026-01-02 03:04'"),
    ("timestamptz", "timestamp", "'2026-01-02 03:04+02'"),
    ("date", "timestamptz", "'2026-01-02'"),
    ("time", "timetz", "'03:04'"),
    ("timestamp[]", "timestamptz[]", "ARRAY[CAST('2026-01-02' AS timestamp)]"),
]


@all_four
@pytest.mark.parametrize(
    ("old", "new", "value"), DOMAINS, ids=[f"{old} to {new}" for old, new, _ in DOMAINS]
)
def test_a_domain_that_was_made_anew_changes_no_value(
    database: Database, way: str, old: str, new: str, value: str
) -> None:
    park, names, restore = PARK[way]
    database.execute(
        f"CREATE DOMAIN kind AS {old}; CREATE TABLE t (id int PRIMARY KEY, v kind);"
        f"INSERT INTO t VALUES (1, {value})"
    )
    before = database.rows("SELECT * FROM t")
    artifact = database.do(park, *names)
    database.execute(f"DROP DOMAIN kind; CREATE DOMAIN kind AS {new}")
    with pytest.raises(ConstraintConflictError, match="would change values of v, such as"):
        database.do(restore, ".".join(names))
    with pytest.raises(PsqlFailed, match="would change values"):
        database.psql(artifact.recovery_sql)
    database.execute(f"DROP DOMAIN kind; CREATE DOMAIN kind AS {old}")
    database.do(restore, ".".join(names))
    assert database.rows("SELECT * FROM t") == before


@pytest.mark.parametrize("way", ["soft_drop_column", "archive_column"])
@pytest.mark.parametrize(
    ("old", "new"),
    [("int", "bigint CHECK (VALUE > 0)"), ("oid", "bigint"), ("int", "oid"), ("text", "varchar")],
)
def test_a_domain_that_takes_all_values_gets_them(
    database: Database, way: str, old: str, new: str
) -> None:
    park, names, restore = PARK[way]
    database.execute(
        f"CREATE DOMAIN kind AS {old}; CREATE TABLE t (id int PRIMARY KEY, v kind);"
        "INSERT INTO t VALUES (1, '2')"
    )
    database.do(park, *names)
    database.execute(f"DROP DOMAIN kind; CREATE DOMAIN kind AS {new}")
    database.do(restore, "t.v")
    assert database.rows("SELECT v::text, pg_typeof(v)::text FROM t") == [("2", "kind")]


@all_four
@pytest.mark.parametrize(
    "change",
    [
        "DROP TYPE kind; CREATE TYPE kind AS (city text, street text)",
        "ALTER TYPE kind DROP ATTRIBUTE street; ALTER TYPE kind ADD ATTRIBUTE land text",
        "ALTER TYPE kind RENAME ATTRIBUTE street TO road",
    ],
    ids=["other order", "other fields", "other name"],
)
def test_fields_of_a_composite_do_not_change_places(
    database: Database, way: str, change: str
) -> None:
    park, names, restore = PARK[way]
    database.execute(
        "CREATE TYPE kind AS (street text, city text);"
        "CREATE TABLE t (id int PRIMARY KEY, v kind); INSERT INTO t VALUES (1, ('STREET', 'CITY'))"
    )
    artifact = database.do(park, *names)
    database.execute(change)
    with pytest.raises(ZanithError, match="other fields"):
        database.do(restore, ".".join(names))
    with pytest.raises(PsqlFailed, match="other fields"):
        database.psql(artifact.recovery_sql)
    database.execute("DROP TYPE kind; CREATE TYPE kind AS (street text, city text)")
    database.do(restore, ".".join(names))
    assert database.rows("SELECT (v).street, (v).city FROM t") == [("STREET", "CITY")]


MADE_OF_OTHERS = {
    "in a composite": ("CREATE TYPE kind AS (x inside)", "kind", "ROW({})"),
    "an array in a composite": ("CREATE TYPE kind AS (x inside[])", "kind", "ROW(ARRAY[{}])"),
    "three deep": (
        "CREATE TYPE half AS (x inside); CREATE TYPE kind AS (y half)",
        "kind",
        "ROW(ROW({}))",
    ),
    "a domain": ("CREATE DOMAIN kind AS inside", "kind", "{}"),
    "a domain of an array": ("CREATE DOMAIN kind AS inside[]", "kind", "ARRAY[{}]"),
    "an array of a domain": ("CREATE DOMAIN kind AS inside", "kind[]", "ARRAY[CAST({} AS kind)]"),
    "a domain in a composite": (
        "CREATE DOMAIN d AS inside; CREATE TYPE kind AS (x d)",
        "kind",
        "ROW({})",
    ),
    "a range": ("CREATE TYPE kind AS RANGE (SUBTYPE = inside)", "kind", "kind({0}, {0}, '[]')"),
    "a multirange": (
        "CREATE TYPE kind AS RANGE (SUBTYPE = inside)",
        "kind_multirange",
        "kind_multirange(kind({0}, {0}, '[]'))",
    ),
    "itself": ("", "inside", "{}"),
    "an array": ("", "inside[]", "ARRAY[{}]"),
}
INSIDE = {
    "type": "CREATE TYPE inside AS (street text, city text)",
    "table": "CREATE TABLE inside (street text, city text)",
    "view": "CREATE VIEW inside AS SELECT CAST('' AS text) AS street, CAST('' AS text) AS city",
}
CASES = [("type", use) for use in MADE_OF_OTHERS] + [
    (inside, use) for inside in ("table", "view") for use in ("itself", "an array", "a domain")
]


@pytest.mark.parametrize(("inside", "use"), CASES)
def test_fields_of_types_within_types_do_not_change_places(
    database: Database, inside: str, use: str
) -> None:
    create, of_type, value = MADE_OF_OTHERS[use]
    value = value.format("CAST(ROW('STREET', 'CITY') AS inside)")
    database.execute(
        f"{INSIDE[inside]}; {create}; CREATE TABLE t (id int PRIMARY KEY, v {of_type});"
        f"INSERT INTO t VALUES (1, {value})"
    )
    before = database.dump()
    rename = f"ALTER {inside} inside RENAME {'ATTRIBUTE' if inside == 'type' else 'COLUMN'}"
    swap = f"{rename} street TO s; {rename} city TO street; {rename} s TO city"
    artifact = database.do(archive_column, "t", "v")
    database.execute(swap)
    with pytest.raises(NotRestorableError, match=r"public\.inside has other fields .*CREATE TYPE"):
        database.do(restore_column, "t.v")
    with pytest.raises(PsqlFailed, match=r"public\.inside has other fields"):
        database.psql(artifact.recovery_sql)
    database.execute(swap)
    database.psql(artifact.recovery_sql)
    assert database.dump() == before
    database.do(soft_drop_column, "t", "v")
    if use in ("itself", "an array") and inside == "type":
        return  # freed of the column, it is no more than a namesake
    database.execute(swap)
    database.do(restore_column, "t.v")
    text = database.scalar("SELECT v::text FROM t")
    assert text.index("STREET") < text.index("CITY")


@pytest.mark.parametrize("way", ["command", "psql"])
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("ALTER TABLE address ADD zip text", r"public\.address has other fields by now"),
        ("ALTER TABLE address DROP street", r"public\.address has other fields by now"),
        ("DROP TABLE address", r"public\.address is gone"),
    ],
    ids=["gained", "lost", "gone"],
)
def test_rows_of_a_table_come_back_into_a_type_made_for_them(
    database: Database, way: str, change: str, message: str
) -> None:
    database.execute(
        "CREATE TABLE address (street text, city text);"
        "CREATE TABLE t (id int PRIMARY KEY, v address); INSERT INTO t VALUES (1, ('S', 'C'))"
    )
    artifact = database.do(archive_column, "t", "v")
    database.execute(change)
    with pytest.raises(NotRestorableError, match=message) as refused:
        database.do(restore_column, "t.v")
    create = 'CREATE TYPE "public"."address" AS (street text, city text)'
    assert create in str(refused.value)
    with pytest.raises(PsqlFailed, match=message):
        database.psql(artifact.recovery_sql)
    database.execute(f"ALTER TABLE IF EXISTS address RENAME TO address_now; {create}")
    if way == "command":
        database.do(restore_column, "t.v")
    else:
        database.psql(artifact.recovery_sql)
    assert database.rows("SELECT (v).street, (v).city FROM t") == [("S", "C")]


@pytest.mark.parametrize(
    ("create", "drop", "of_type", "value", "message"),
    [
        ("CREATE DOMAIN d AS {}; CREATE TYPE k AS (x d)", "TYPE k", "k", "ROW({})", "stands on"),
        ("CREATE DOMAIN d AS {}", "DOMAIN d", "d[]", "ARRAY[{}]", "stands on"),
        ("CREATE TYPE d AS RANGE (SUBTYPE = {})", "TYPE d", "d", "d({}, NULL)", "is over"),
    ],
    ids=["domain in a composite", "array of a domain", "range"],
)
def test_what_a_type_within_a_type_stands_on(
    database: Database, create: str, drop: str, of_type: str, value: str, message: str
) -> None:
    drop = f"DROP {drop}; DROP DOMAIN IF EXISTS d" if drop == "TYPE k" else f"DROP {drop}"
    value = value.format("CAST('2026-01-02 03:04' AS timestamp)")
    database.execute(
        f"{create.format('timestamp')}; CREATE TABLE t (id int PRIMARY KEY, v {of_type});"
        f"INSERT INTO t VALUES (1, {value})"
    )
    before = database.dump()
    artifact = database.do(archive_column, "t", "v")
    database.execute(f"{drop}; {create.format('timestamptz')}")
    with pytest.raises(NotRestorableError, match=rf"public\.d {message} another type"):
        database.do(restore_column, "t.v")
    with pytest.raises(PsqlFailed, match=rf"public\.d {message} another type"):
        database.psql(artifact.recovery_sql)
    database.execute(f"{drop}; {create.format('timestamp')}")
    database.do(restore_column, "t.v")
    assert database.dump() == before
