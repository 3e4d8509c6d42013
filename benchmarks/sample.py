"""The table that everything is measured on: a key, five columns and two secondary indexes."""

from __future__ import annotations

import sqlalchemy as sa

TABLE = "customers"
KEY = "id"
COLUMN = "legacy_uuid"
TARGET = f"{TABLE}.{COLUMN}"

_STATEMENTS = """
CREATE TABLE customers (
    id bigint PRIMARY KEY,
    legacy_uuid uuid,
    email text,
    created_at timestamptz,
    balance numeric
);
INSERT INTO customers
SELECT n, md5('customer ' || n)::uuid, 'customer' || n || '@example.com',
       timestamptz '2020-01-01 00:00:00+00' + n * interval '37 seconds',
       mod(n * 7919, 1000003) / 100.0
  FROM generate_series(1, CAST({rows} AS bigint)) AS n;
CREATE INDEX customers_email ON customers (email);
CREATE INDEX customers_created_at ON customers (created_at)
"""


def fill(engine: sa.Engine, rows: int) -> None:
    """Create the table with that many rows, as it looks when it was in use for a while."""
    with engine.begin() as connection:
        for statement in _STATEMENTS.format(rows=rows).split(";"):
            connection.exec_driver_sql(statement)
    with engine.execution_options(isolation_level="AUTOCOMMIT").connect() as connection:
        connection.exec_driver_sql(f"VACUUM ANALYZE {TABLE}")
