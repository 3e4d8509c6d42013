"""What only a parked object needed can be dropped: functions, sequences, collations, extensions."""

from __future__ import annotations

import pytest

from tests.conftest import MakeTwins

pytestmark = pytest.mark.majors

NEEDS = (
    "CREATE FUNCTION f(int) RETURNS int LANGUAGE sql IMMUTABLE AS 'SELECT $1';"
    "CREATE FUNCTION fill() RETURNS int LANGUAGE sql AS 'SELECT 1';"
    "CREATE FUNCTION fire() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';"
    "CREATE FUNCTION allowed() RETURNS boolean LANGUAGE sql AS 'SELECT true';"
    "CREATE SEQUENCE shared; CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1);"
    "CREATE COLLATION own (provider = libc, locale = 'C');"
    "CREATE COLLATION used_by_index (provider = libc, locale = 'C');"
    "CREATE COLLATION used_by_check (provider = libc, locale = 'C');"
    "CREATE OPERATOR === (FUNCTION = int4eq, LEFTARG = int, RIGHTARG = int, COMMUTATOR = ===);"
    "CREATE OPERATOR CLASS own_ops FOR TYPE int USING btree AS"
    " OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >,"
    " FUNCTION 1 btint4cmp(int, int);"
    "CREATE TEXT SEARCH CONFIGURATION words (COPY = simple);"
)
DROPS = (
    "DROP FUNCTION f(int)",
    "DROP FUNCTION fill()",
    "DROP SEQUENCE shared",
    "DROP COLLATION own",
    "DROP COLLATION used_by_index",
    "DROP COLLATION used_by_check",
    "DROP OPERATOR === (int, int)",
    "DROP OPERATOR CLASS own_ops USING btree",
    "DROP OPERATOR FAMILY own_ops USING btree",
    "DROP TEXT SEARCH CONFIGURATION words",
    "DROP TABLE other",
)
# Each needs something of its own; `gone` stands for the name of the column.
COLUMNS = (
    "gone int NOT NULL DEFAULT fill()",
    "gone int DEFAULT 1 + fill()",
    "gone bigint DEFAULT nextval('shared')",
    "gone bigint DEFAULT nextval('shared'::text)",
    "gone regclass DEFAULT 'other'",
    "gone regprocedure DEFAULT 'f(int)'",
    "gone regconfig DEFAULT 'words'",
    "gone int CHECK (f(gone) > 0)",
    "gone int CHECK (gone === gone)",
    "gone text CHECK (gone COLLATE used_by_check > 'a')",
    "gone int, CHECK (f(gone) > id)",
    "gone int DEFAULT 1 REFERENCES other",
    "gone text COLLATE own",
    "gone varchar(10) COLLATE own NOT NULL DEFAULT 'a' UNIQUE",
    "gone text[] COLLATE own",
    "gone int, EXCLUDE USING btree (gone WITH =) WHERE (f(gone) > 0)",
)
INDEXES = (
    "CREATE INDEX ON t ((f(gone)))",
    "CREATE UNIQUE INDEX ON t (id, f(gone))",
    "CREATE INDEX ON t (id) WHERE f(gone) > 1",
    "CREATE INDEX ON t (gone own_ops)",
    "CREATE INDEX ON t ((gone::text) COLLATE used_by_index)",
    "CREATE INDEX ON t USING gin (to_tsvector('words', gone::text))",
    "CREATE STATISTICS of_f ON (f(gone)), id FROM t",
)
TABLE_ONLY = (
    "CREATE TRIGGER a BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION fire()",
    "CREATE TRIGGER b AFTER INSERT ON t FOR EACH ROW WHEN (f(NEW.id) > 1) EXECUTE FUNCTION fire()",
    "CREATE CONSTRAINT TRIGGER c AFTER INSERT ON t DEFERRABLE FOR EACH ROW EXECUTE FUNCTION fire()",
    "CREATE POLICY a ON t USING (allowed())",
    "CREATE POLICY b ON t USING (id IN (SELECT id FROM other))",
    "CREATE RULE a AS ON INSERT TO t DO ALSO SELECT allowed()",
    "CREATE RULE b AS ON DELETE TO t DO ALSO DELETE FROM other",
)


def all_of_it() -> tuple[str, list[str]]:
    """SQL for a table t with all of the columns and indexes, and the names of its columns."""
    columns, indexes, names = [], [], []
    for number, column in enumerate(COLUMNS, 1):
        names.append(f"gone_{number}")
        columns.append(column.replace("gone", names[-1]))
    for number, index in enumerate(INDEXES, len(names) + 1):
        names.append(f"gone_{number}")
        columns.append(f"{names[-1]} int DEFAULT {number}")
        indexes.append(index.replace("gone", names[-1]))
    table = f"CREATE TABLE t (id int PRIMARY KEY, {', '.join(columns)})"
    return "; ".join([NEEDS + table, *indexes, "INSERT INTO t VALUES (1)"]), names


def test_what_columns_needed(twin_schemas: MakeTwins) -> None:
    setup, names = all_of_it()
    made = twin_schemas(setup, *(f"t.{name}" for name in names))
    made.agree_on(*DROPS, "INSERT INTO t (id) VALUES (2)")


def test_what_a_table_needed(twin_schemas: MakeTwins) -> None:
    setup, _ = all_of_it()
    made = twin_schemas("; ".join([setup, *TABLE_ONLY]), "t")
    made.agree_on(*DROPS, "DROP FUNCTION fire()", "DROP FUNCTION allowed()")


def test_what_a_partition_needed(twin_schemas: MakeTwins) -> None:
    made = twin_schemas(
        f"{NEEDS} CREATE TABLE parent (id int, v int, w text) PARTITION BY LIST (id);"
        "CREATE TABLE t PARTITION OF parent FOR VALUES IN (1); INSERT INTO t VALUES (1, 1, 'a');"
        "ALTER TABLE t ADD CHECK (f(v) > 0), ALTER v SET DEFAULT fill();"
        "CREATE INDEX ON t (f(v)); CREATE INDEX ON t (w COLLATE used_by_index);"
        + "; ".join(TABLE_ONLY),
        "t",
    )
    made.agree_on(*DROPS, "DROP FUNCTION fire()", "DROP FUNCTION allowed()")


EXTENSIONS = {
    "btree_gist": "gone int, EXCLUDE USING gist (gone WITH =)",
    "pg_trgm": "gone text DEFAULT 'x'",
    "citext": "gone citext NOT NULL DEFAULT 'A' UNIQUE CHECK (gone <> 'b')",
    "fuzzystrmatch": "gone text NOT NULL DEFAULT soundex('a')",
    "intarray": "gone int[] DEFAULT '{1}'",
}


@pytest.mark.parametrize("name", EXTENSIONS)
@pytest.mark.parametrize("what", ["column", "table"])
def test_an_extension_can_be_dropped(twins: MakeTwins, name: str, what: str) -> None:
    setup = f'CREATE EXTENSION "{name}"; CREATE TABLE t (id int PRIMARY KEY, {EXTENSIONS[name]});'
    if name == "pg_trgm":
        setup += "CREATE INDEX ON t USING gin (gone gin_trgm_ops);"
    if name == "intarray":
        setup += "CREATE INDEX ON t USING gist (gone gist__int_ops);"
    made = twins(setup + "INSERT INTO t VALUES (1)", "t.gone" if what == "column" else "t")
    made.agree_on(f'DROP EXTENSION "{name}"')
