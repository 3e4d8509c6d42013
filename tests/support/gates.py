"""Columns that can refuse a write which does not name them, each in its own way.

Every setup makes a table t (id, kept, gone) with one row; `gone` is the column to drop.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Gate:
    """SQL that makes t, and the first PostgreSQL that understands it."""

    setup: str
    since: int = 14


def _gate(
    gone: str, *, value: str = "1", before: str = "", after: str = "", since: int = 14
) -> Gate:
    table = f"CREATE TABLE t (id int PRIMARY KEY, kept text, gone {gone})"
    row = f"INSERT INTO t (id, kept, gone) VALUES (1, 'a', {value})"
    return Gate("; ".join(part for part in (before, table, row, after) if part), since)


_OTHER = "CREATE TABLE other (id int PRIMARY KEY); INSERT INTO other VALUES (1), (2)"
_REFUSE = (
    "CREATE FUNCTION refuse() RETURNS int LANGUAGE plpgsql AS"
    " $$BEGIN RAISE EXCEPTION 'refused'; END$$"
)

GATES = {
    "not null": _gate("int NOT NULL"),
    "not null and unique": _gate("int NOT NULL UNIQUE"),
    "constant default, unique": _gate("int NOT NULL DEFAULT 7 UNIQUE", value="7"),
    "unique, nulls not distinct": _gate("int UNIQUE NULLS NOT DISTINCT", value="NULL", since=15),
    "unique, deferred": _gate("int DEFAULT 1 UNIQUE DEFERRABLE INITIALLY DEFERRED"),
    "default that the check refuses": _gate(
        "int NOT NULL DEFAULT 5", after="ALTER TABLE t ADD CHECK (gone < 3)"
    ),
    "check that refuses NULL": _gate("int CHECK (gone IS NOT NULL)"),
    "check with another column": _gate("int", after="ALTER TABLE t ADD CHECK (gone = id)"),
    "check not valid": _gate("int", after="ALTER TABLE t ADD CHECK (gone > 100) NOT VALID"),
    "unique with another column": _gate(
        "int DEFAULT 1", after="ALTER TABLE t ADD UNIQUE (kept, gone)"
    ),
    "part of the primary key": Gate(
        "CREATE TABLE t (id int UNIQUE NOT NULL, kept text, gone int, PRIMARY KEY (id, gone));"
        "INSERT INTO t VALUES (1, 'a', 1)"
    ),
    "unique expression": _gate("int DEFAULT 3", after="CREATE UNIQUE INDEX ON t ((gone * 0))"),
    "partial unique index": _gate(
        "int DEFAULT 1", after="CREATE UNIQUE INDEX ON t ((1)) WHERE gone = 1"
    ),
    "unique index that includes it": _gate(
        "int DEFAULT 3", after="CREATE UNIQUE INDEX ON t (kept) INCLUDE (gone)"
    ),
    "index expression that fails": _gate("int DEFAULT 0", after="CREATE INDEX ON t ((1 / gone))"),
    "exclusion constraint": _gate(
        "int4range DEFAULT '[1,9]'",
        value="DEFAULT",
        after="ALTER TABLE t ADD EXCLUDE USING gist (gone WITH &&)",
    ),
    "default that fails": _gate("int NOT NULL DEFAULT 1 / (random() * 0)::int"),
    "default function that raises": _gate("int NOT NULL DEFAULT refuse()", before=_REFUSE),
    "default function that reads a table gone by now": _gate(
        "bigint NOT NULL DEFAULT latest()",
        before="CREATE TABLE other (n int); CREATE FUNCTION latest() RETURNS bigint LANGUAGE plpgsql"
        " AS 'BEGIN RETURN count(*) FROM other; END'",
        after="DROP TABLE other",
    ),
    "default too long for the check": _gate(
        "text NOT NULL DEFAULT repeat('x', 20)",
        value="'x'",
        after="ALTER TABLE t ADD CHECK (length(gone) < 9)",
    ),
    "domain": _gate("positive", before="CREATE DOMAIN positive AS int NOT NULL CHECK (VALUE > 0)"),
    "domain with a default over a domain": _gate(
        "small",
        before="CREATE DOMAIN positive AS int NOT NULL CHECK (VALUE > 0);"
        "CREATE DOMAIN small AS positive DEFAULT 100 CHECK (VALUE < 100)",
    ),
    "foreign key": _gate("int NOT NULL DEFAULT 9 REFERENCES other", before=_OTHER),
    "foreign key, deferred": _gate(
        "int DEFAULT 9 REFERENCES other DEFERRABLE INITIALLY DEFERRED", before=_OTHER
    ),
    "foreign key with another column": _gate(
        "int",
        before="CREATE TABLE other (a text, b int, PRIMARY KEY (a, b)); INSERT INTO other VALUES ('a', 1)",
        after="ALTER TABLE t ADD FOREIGN KEY (kept, gone) REFERENCES other MATCH FULL",
    ),
    "serial": _gate("serial UNIQUE"),
    "serial that is used up": _gate("smallserial", after="SELECT setval('t_gone_seq', 32767)"),
    "sequence wider than the column": _gate(
        "int NOT NULL DEFAULT nextval('wide')",
        before="CREATE SEQUENCE wide START 2147483647",
        after="SELECT nextval('wide'); ALTER SEQUENCE wide OWNED BY t.gone",
    ),
    "sequence shared and used up": _gate(
        "bigint NOT NULL DEFAULT nextval('shared')",
        before="CREATE SEQUENCE shared MAXVALUE 2",
        after="SELECT setval('shared', 2)",
    ),
    "sequence that another column owns": _gate(
        "bigint NOT NULL DEFAULT nextval('shared')",
        before="CREATE SEQUENCE shared MAXVALUE 2",
        after="ALTER SEQUENCE shared OWNED BY t.kept; SELECT setval('shared', 2)",
    ),
    "owns one sequence, takes from another": _gate(
        "bigint NOT NULL DEFAULT nextval('shared')",
        before="CREATE SEQUENCE shared MAXVALUE 2; CREATE SEQUENCE owned",
        after="ALTER SEQUENCE owned OWNED BY t.gone; SELECT setval('shared', 2)",
    ),
    "owns one sequence, takes from that of another column": _gate(
        "bigint NOT NULL DEFAULT nextval('shared')",
        before="CREATE SEQUENCE shared MAXVALUE 2; CREATE SEQUENCE owned",
        after="ALTER SEQUENCE owned OWNED BY t.gone; ALTER SEQUENCE shared OWNED BY t.kept;"
        "SELECT setval('shared', 2)",
    ),
    "identity": _gate("int GENERATED BY DEFAULT AS IDENTITY UNIQUE"),
    "identity, always": _gate(
        "int GENERATED BY DEFAULT AS IDENTITY",
        after="ALTER TABLE t ALTER gone SET GENERATED ALWAYS",
    ),
    "identity that is used up": _gate(
        "int GENERATED BY DEFAULT AS IDENTITY (MAXVALUE 2)", after="SELECT setval('t_gone_seq', 2)"
    ),
    "identity that counts down": _gate(
        "bigint GENERATED BY DEFAULT AS IDENTITY (INCREMENT -1 MINVALUE -1 MAXVALUE 1 START 1)"
    ),
    "virtual expression that fails, under a check": _gate(
        "int GENERATED ALWAYS AS (1 / id) VIRTUAL CHECK (gone > 0)", value="DEFAULT", since=18
    ),
    "stored expression that fails": _gate(
        "int GENERATED ALWAYS AS (1 / (id - 10)) STORED", value="DEFAULT", since=17
    ),
    "not null with a name of its own": _gate("int CONSTRAINT t_kept_not_null NOT NULL", since=18),
    "check not enforced": _gate("int CHECK (gone > 5) NOT ENFORCED", since=18),
    "key without overlaps": _gate(
        "daterange NOT NULL DEFAULT '[2020-01-01,2021-01-01)'",
        value="DEFAULT",
        before="CREATE EXTENSION IF NOT EXISTS btree_gist SCHEMA public",
        after="ALTER TABLE t ADD UNIQUE (kept, gone WITHOUT OVERLAPS)",
        since=18,
    ),
    "clustered and replica identity": _gate(
        "int NOT NULL UNIQUE",
        after="CLUSTER t USING t_gone_key; ALTER TABLE t REPLICA IDENTITY USING INDEX t_gone_key",
    ),
    "of a partitioned table": Gate(
        "CREATE TABLE t (id int PRIMARY KEY, kept text, gone int NOT NULL CHECK (gone > 0))"
        " PARTITION BY RANGE (id); CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (50);"
        "CREATE TABLE t_2 PARTITION OF t DEFAULT; INSERT INTO t VALUES (1, 'a', 1)"
    ),
    "serial of a partitioned table": Gate(
        "CREATE TABLE t (id int PRIMARY KEY, kept text, gone serial)"
        " PARTITION BY RANGE (id); CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (50);"
        "CREATE TABLE t_2 PARTITION OF t DEFAULT; INSERT INTO t VALUES (1, 'a', 1)"
    ),
    "identity of a partitioned table": Gate(
        "CREATE TABLE t (id int PRIMARY KEY, kept text, gone int GENERATED ALWAYS AS IDENTITY)"
        " PARTITION BY RANGE (id); CREATE TABLE t_1 PARTITION OF t FOR VALUES FROM (0) TO (50);"
        "CREATE TABLE t_2 PARTITION OF t DEFAULT; INSERT INTO t (id, kept) VALUES (1, 'a')"
    ),
}

GATES_OF_PARENTS = {
    "identity of a table with children": Gate(
        "CREATE TABLE t (id int PRIMARY KEY, kept text, gone int GENERATED ALWAYS AS IDENTITY);"
        "CREATE TABLE child (own text) INHERITS (t); INSERT INTO t (id, kept) VALUES (1, 'a')"
    ),
    "of a table with children": Gate(
        "CREATE TABLE t (id int PRIMARY KEY, kept text, gone int NOT NULL CHECK (gone > 0));"
        "CREATE TABLE child (own text) INHERITS (t); INSERT INTO t VALUES (1, 'a', 1)"
    ),
}
