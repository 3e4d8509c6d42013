"""Ask the database about the tables that a plan is on. Nothing is written."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from alembic_zanith.failures import sqlstate
from alembic_zanith.identifiers import literal, quote
from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.change import Cost, Lock, TableRef
from alembic_zanith.risk.changes.columns import SetNullable, SetType
from alembic_zanith.risk.changes.indexes import DropIndex
from alembic_zanith.risk.changes.rows import DeleteRows
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.live_facts import (
    STOPS_WRITERS,
    Ceilings,
    ColumnFacts,
    IndexFacts,
    TableFacts,
)
from alembic_zanith.sql import is_autocommit, run, scalar

from .known import Known
from .model import Plan

# As the script would find them: by the search path, or in the schema that it names. A partitioned
# table has its rows in its partitions. reltuples is -1 where nobody has counted yet:
# https://www.postgresql.org/docs/current/catalog-pg-class.html
_TABLES = """
SELECT asked.number, c.oid IS NOT NULL,
       (SELECT CASE WHEN bool_and(leaf.reltuples >= 0) THEN sum(leaf.reltuples)::bigint END
          FROM pg_catalog.pg_partition_tree(c.oid) tree
          JOIN pg_catalog.pg_class leaf ON leaf.oid = tree.relid AND tree.isleaf),
       pg_catalog.pg_total_relation_size(c.oid), c.relkind::text, c.reltuples,
       pg_catalog.row_security_active(c.oid),
       pg_catalog.current_setting('transaction_isolation') LIKE 'read %'
  FROM (VALUES {asked}) AS asked(number, name)
  LEFT JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(asked.name)
"""

_IS_A_TYPE = """
SELECT EXISTS (SELECT FROM pg_catalog.pg_type t
                 JOIN pg_catalog.pg_attribute a ON a.atttypid IN (t.oid, t.typarray)
                WHERE t.typrelid = pg_catalog.to_regclass({name}))
"""

_COLUMNS = """
SELECT a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod), a.attnotnull,
       EXISTS (SELECT FROM pg_catalog.pg_constraint k
                WHERE k.conrelid = a.attrelid AND k.contype = 'c' AND k.convalidated
                  AND k.conkey = ARRAY[a.attnum]
                  AND pg_catalog.pg_get_expr(k.conbin, k.conrelid)
                      = '(' || pg_catalog.quote_ident(a.attname) || ' IS NOT NULL)')
  FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = pg_catalog.to_regclass({name}) AND a.attnum > 0 AND NOT a.attisdropped
"""

# Those that refer to it, and in turn to these.
_DELETED_WITH = """
WITH RECURSIVE referring(oid) AS (
    SELECT k.conrelid FROM pg_catalog.pg_constraint k
     WHERE k.confrelid = pg_catalog.to_regclass({name}) AND k.confdeltype = 'c'
    UNION
    SELECT k.conrelid FROM pg_catalog.pg_constraint k
      JOIN referring r ON k.confrelid = r.oid AND k.confdeltype = 'c'
)
SELECT DISTINCT oid::regclass::text FROM referring
 WHERE oid <> pg_catalog.to_regclass({name}) ORDER BY 1
"""

_INDEXES = """
SELECT asked.number, c.oid IS NOT NULL, coalesce(i.indisvalid, true), coalesce(i.indisunique, false)
  FROM (VALUES {asked}) AS asked(number, name)
  LEFT JOIN pg_catalog.pg_class c ON c.oid = pg_catalog.to_regclass(asked.name)
  LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = c.oid
"""

# A table that nobody has analyzed is counted, up to here.
_COUNTED = 100_000
# Not allowed to read it, or not in this time.
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_NOBODY_KNOWS = {"42501", "57014", "55P03"}
_HAS_ROWS = ("r", "p", "m")
_TIMEOUT = "2s"


def with_live_facts(plan: Plan, connection: Connection, ceilings: Ceilings) -> Plan:
    """Return the plan as the tables that are there make it, with numbers of rows.

    A fact holds only as long as no operation before has changed it: what is written to an empty
    table by the plan itself is not overlooked.
    """
    assessments = [operation.assessment for _, operation in plan.operations]
    asked = {table for assessment in assessments for table in tables_of(assessment)}
    facts = table_facts(
        connection, asked, _columns_wanted(assessments), _emptied_in_part(assessments)
    )
    indexes = _index_facts(connection, assessments)
    known = Known(facts, indexes)
    revisions = []
    for revision in plan.revisions:
        operations = []
        for operation in revision.operations:
            assessment = known.refined(operation.assessment, ceilings)
            counts = [facts[table].rows for table in tables_of(operation.assessment)]
            rows = max((n for n in counts if n is not None), default=None)
            operations.append(replace(operation, assessment=assessment, rows=rows))
        revisions.append(replace(revision, operations=tuple(operations)))
        if revision.is_partial:
            known.lose_track()
    return replace(plan, revisions=tuple(revisions), facts=_server(connection))


def tables_of(assessment: Assessment) -> set[TableRef]:
    """Return the tables whose rows an operation concerns."""
    return {
        finding.change.on
        for finding in assessment.findings
        if finding.change.on is not None and finding.judgement.cost is not Cost.NOTHING
    }


def _emptied_in_part(assessments: Iterable[Assessment]) -> set[TableRef]:
    """Return the tables of which rows are deleted, maybe along with those of others."""
    return {
        finding.change.table
        for assessment in assessments
        for finding in assessment.findings
        if isinstance(finding.change, DeleteRows) and finding.judgement.level > Level.SAFE
    }


def _columns_wanted(assessments: Iterable[Assessment]) -> set[TableRef]:
    return {
        finding.change.on
        for assessment in assessments
        for finding in assessment.findings
        if isinstance(finding.change, SetType | SetNullable)
        and finding.change.on is not None
        and finding.judgement.level is not Level.SAFE
    }


def table_facts(
    connection: Connection,
    tables: Iterable[TableRef],
    with_columns: Iterable[TableRef] = (),
    with_cascades: Iterable[TableRef] = (),
) -> dict[TableRef, TableFacts]:
    """Return what the database knows of each table, and where asked of its columns and keys."""
    numbered = list(dict.fromkeys([*tables, *with_columns, *with_cascades]))
    if not numbered:
        return {}
    found: dict[TableRef, TableFacts] = {}
    readable, in_the_past = set[TableRef](), set[TableRef]()
    with _bounded(connection):
        asked = ", ".join(f"({n}, {_literal(table)})" for n, table in enumerate(numbered))
        found_rows: Iterable[Sequence[Any]] = run(connection, _TABLES.format(asked=asked))
        for number, exists, in_leaves, size, relkind, tuples, is_filtered, sees in found_rows:
            rows = in_leaves if relkind == "p" else tuples
            table = numbered[number]
            found[table] = TableFacts(
                exists, rows=None if rows is None or rows < 0 else int(rows), size=size
            )
            # What row-level security hides is there all the same:
            # https://www.postgresql.org/docs/current/ddl-rowsecurity.html
            if relkind in _HAS_ROWS and not is_filtered:
                readable.add(table)
            if not sees:
                in_the_past.add(table)
        for table in with_cascades:
            rows = run(connection, _DELETED_WITH.format(name=_literal(table)))
            found[table] = replace(found[table], deleted_with=tuple(name for (name,) in rows))
    looked_into = {
        table: _looked_into(connection, table, facts, table in set(with_columns))
        if table in readable
        else facts
        for table, facts in found.items()
    }
    # A transaction that keeps its snapshot does not see what others have committed since, not even
    # with a lock: https://www.postgresql.org/docs/current/transaction-iso.html
    return {
        table: replace(facts, is_empty=None, rows=None)
        if facts.is_empty and table in in_the_past
        else facts
        for table, facts in looked_into.items()
    }


def _looked_into(
    connection: Connection, table: TableRef, facts: TableFacts, with_columns: bool
) -> TableFacts:
    try:
        with _bounded(connection):
            name = _quoted(table)
            is_empty = not run(connection, f"SELECT EXISTS (SELECT FROM {name})").scalar()
            if is_empty and run(connection, _IS_A_TYPE.format(name=_literal(table))).scalar():
                return facts  # values of its row type are in columns of others
            rows = 0 if is_empty else facts.rows
            if not is_empty and not rows:
                rows = run(
                    connection,
                    f"SELECT count(*) FROM (SELECT FROM {name} LIMIT {_COUNTED}) AS first_rows",
                ).scalar()
            facts = replace(facts, is_empty=is_empty, rows=rows)
            if with_columns:
                columns: Iterable[Sequence[Any]] = run(
                    connection, _COLUMNS.format(name=_literal(table))
                )
                facts = replace(facts, columns={c[0]: ColumnFacts(*c[1:]) for c in columns})
    except DBAPIError as error:
        if sqlstate(error) not in _NOBODY_KNOWS:
            raise
    return facts


def _index_facts(
    connection: Connection, assessments: Iterable[Assessment]
) -> dict[TableRef, IndexFacts]:
    """Return what the database knows of the indexes that a plan drops."""
    asked = [
        finding.change.index
        for assessment in assessments
        for finding in assessment.findings
        if isinstance(finding.change, DropIndex) and finding.judgement.level > Level.SAFE
    ]
    if not asked:
        return {}
    values = ", ".join(f"({n}, {_literal(index)})" for n, index in enumerate(asked))
    with _bounded(connection):
        found: Iterable[Sequence[Any]] = run(connection, _INDEXES.format(asked=values))
        return {asked[number]: IndexFacts(*rest) for number, *rest in found}


def lock_table(connection: Connection, table: TableRef, lock: Lock) -> None:
    """Take the lock that an operation is going to take, or at least one that stops writers."""
    mode = lock if lock in STOPS_WRITERS else Lock.SHARE_ROW_EXCLUSIVE
    run(connection, f"LOCK TABLE {_quoted(table)} IN {mode.value} MODE")


@contextmanager
def _bounded(connection: Connection) -> Iterator[None]:
    """Let questions neither wait nor leave a failed transaction or a setting behind."""
    if is_autocommit(connection):
        yield
        return
    with connection.begin_nested() as savepoint:
        run(connection, f"SET LOCAL statement_timeout = '{_TIMEOUT}'")
        run(connection, f"SET LOCAL lock_timeout = '{_TIMEOUT}'")
        yield
        # Back to the settings from before.
        savepoint.rollback()


def _server(connection: Connection) -> dict[str, str]:
    return {
        "database": str(scalar(connection, "SELECT pg_catalog.current_database()")),
        "server": str(scalar(connection, "SELECT pg_catalog.current_setting('server_version')")),
    }


def _quoted(table: TableRef) -> str:
    name = quote(table.name)
    return name if table.schema is None else f"{quote(table.schema)}.{name}"


def _literal(table: TableRef) -> str:
    return literal(_quoted(table))
