"""Archiving a column, and bringing it back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

from alembic_zanith.identifiers import QualifiedName
from alembic_zanith.recovery import archive_column, restore_column

from .figures import Figure, megabytes, ratio_of_times
from .lab import Database, Lab, Work
from .sample import COLUMN, KEY, TABLE, TARGET

_ARCHIVE_LIMIT = 2.0
_RESTORE_LIMIT = 0.5
_SIZE_LIMIT = 0.7


def measure_archive(lab: Lab, base: Database, rounds: int) -> Iterator[Figure]:
    """Yield the best time of archive_column against the best of the copy by hand."""
    ours, bare = [], []
    for _ in range(rounds):
        with lab.database(base) as copy:
            bare.append(copy.seconds(_copy_by_hand))
        with lab.database(base) as copy:
            ours.append(copy.seconds(archive))
    what = "archive_column / CREATE TABLE AS, PRIMARY KEY, DROP COLUMN"
    yield ratio_of_times(what, min(ours), min(bare), _ARCHIVE_LIMIT)


def measure_restore(lab: Lab, archived: Database, rounds: int) -> Iterator[Figure]:
    """Yield the best time of the restore against that of an UPDATE, and the sizes they leave."""
    source = archived.run(_archive_name)
    ours, bare = [], []
    for _ in range(rounds):
        with lab.database(archived) as copy:
            bare.append(copy.seconds(_update_from(source)))
            bloated = copy.run(_total_size)
        with lab.database(archived) as copy:
            ours.append(copy.seconds(lambda connection: restore_column(connection, TARGET)))
            copy.run(_require_values_of(source))
            compact = copy.run(_total_size)
    what = "restore_column / ADD COLUMN, UPDATE … FROM"
    yield ratio_of_times(what, min(ours), min(bare), _RESTORE_LIMIT)
    yield Figure(
        "size of the table after that",
        megabytes(compact),
        megabytes(bloated),
        compact / bloated,
        _SIZE_LIMIT,
        "x",
    )


def archive(connection: sa.Connection) -> Any:
    """Archive the column that is measured."""
    return archive_column(connection, TABLE, COLUMN)


def _copy_by_hand(connection: sa.Connection) -> None:
    for statement in (
        f"CREATE TABLE kept AS SELECT {KEY}, {COLUMN} FROM {TABLE}",
        f"ALTER TABLE kept ADD PRIMARY KEY ({KEY})",
        f"ALTER TABLE {TABLE} DROP COLUMN {COLUMN}",
    ):
        connection.exec_driver_sql(statement)


def _archive_name(connection: sa.Connection) -> QualifiedName:
    query = "SELECT parked_schema, parked_table FROM _zanith_migration_artifacts"
    return QualifiedName(*connection.exec_driver_sql(query).one())


def _update_from(source: QualifiedName) -> Work:
    def update(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"ALTER TABLE {TABLE} ADD COLUMN {COLUMN} uuid")
        connection.exec_driver_sql(
            f"UPDATE {TABLE} SET {COLUMN} = a.value FROM {source} AS a WHERE a.key_1 = {KEY}"
        )

    return update


def _require_values_of(source: QualifiedName) -> Work:
    query = (
        f"SELECT count(*) FROM {TABLE} AS t LEFT JOIN {source} AS a ON a.key_1 = t.{KEY}"
        f" WHERE t.{COLUMN} IS DISTINCT FROM a.value OR a.key_1 IS NULL"
    )

    def check(connection: sa.Connection) -> None:
        wrong = connection.exec_driver_sql(query).scalar_one()
        if wrong:
            raise AssertionError(f"{wrong} rows have another value than before. No time counts.")

    return check


def _total_size(connection: sa.Connection) -> Any:
    return connection.exec_driver_sql(f"SELECT pg_total_relation_size('{TABLE}')").scalar_one()
