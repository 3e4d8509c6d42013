"""Park something and bring it back, by every strategy and both ways back."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.migration import MigrationContext
from alembic.operations import Operations

from alembic_zanith import recovery
from alembic_zanith.artifacts import Artifact
from alembic_zanith.errors import DependentObjectsError, NoKeyError, NotDroppableError
from alembic_zanith.sql import is_autocommit
from tests.support.database import Database
from tests.support.exact.dumps import without_column_order
from tests.support.exact.targets import (
    Refusal,
    Target,
    cannot_be_rewritten,
    has_key,
    has_strict_domain,
    is_declared_below,
    refusal,
)

Park = Callable[..., Artifact]


def _archive_online(
    connection: sa.Connection, table: str, column: str, *, schema: str | None
) -> Artifact:
    connection.execution_options(isolation_level="AUTOCOMMIT")
    op: Any = Operations(MigrationContext.configure(connection))
    artifact: Artifact = op.archive_column(table, column, schema=schema, online=True)
    return artifact


COLUMN_STRATEGIES: dict[str, Park] = {
    "soft_drop": recovery.soft_drop_column,
    "archive": recovery.archive_column,
    "archive_online": _archive_online,
}
TABLE_STRATEGIES: dict[str, Park] = {
    "soft_drop": recovery.soft_drop_table,
    "archive": recovery.archive_table,
}


@dataclass
class Cycle:
    """A database in which things are parked and brought back, over one connection.

    `way` is "command" for the functions of the package, "psql" for the recovery SQL alone.
    `before` is the dump that has to come out again.
    """

    database: Database
    way: str = "command"
    before: str = field(init=False)
    _engine: sa.Engine = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.before = self.database.dump()
        self._engine = sa.create_engine(self.database.url("psycopg"))

    def __enter__(self) -> Cycle:
        return self

    def __exit__(self, *error: object) -> None:
        self._engine.dispose()

    def refusal(self, target: Target) -> Refusal | None:
        """Return why PostgreSQL would refuse to drop the target."""
        with self._engine.begin() as connection:
            return refusal(connection, target)

    def park(self, target: Target, strategy: str) -> Artifact:
        """Park a target and commit."""
        with self._engine.connect() as connection:
            artifact = _park(connection, target, strategy)
            if not is_autocommit(connection):
                connection.commit()
            return artifact

    def bring_back(self, artifact: Artifact, target: Target, *, warnings: str = "") -> None:
        """Restore what was parked, and make sure that nothing was given up for it.

        `warnings` is a pattern that all warnings match; without it there are none.
        """
        if self.way == "psql":
            self.database.psql(artifact.recovery_sql)
            return
        restore = recovery.restore_table if target.column is None else recovery.restore_column
        with self._engine.begin() as connection:
            report = restore(connection, str(target), artifact=artifact.id)
        assert (report.left_out, report.not_valid, report.renamed) == ((), (), ())
        assert bool(report.warnings) is bool(warnings)
        assert all(re.search(warnings, each) for each in report.warnings)

    def purge(self, artifact: Artifact) -> None:
        """Drop what was parked for good."""
        with self._engine.begin() as connection:
            recovery.purge(connection, artifact.id)

    def park_and_bring_back(self, target: Target, strategy: str) -> None:
        """Go once round."""
        self.bring_back(self.park(target, strategy), target)

    def comes_back_or_is_refused(self, target: Target, strategy: str) -> bool:
        """Go once round, or see parking refused exactly where it has to be.

        That is where PostgreSQL refuses the real drop, where an archive would have no key, where
        a child declares the column itself, and where the table cannot be rewritten but would have
        to be. Return whether it went round.
        """
        with self._engine.begin() as connection:
            real = refusal(connection, target)
            keyless = target.column is not None and not has_key(connection, target)
            declared_below = target.column is not None and is_declared_below(connection, target)
            needs_rewrite = strategy != "soft_drop" or (
                target.column is not None and has_strict_domain(connection, target)
            )
            unwritable = (
                target.column is not None
                and real is None
                and needs_rewrite
                and cannot_be_rewritten(connection, target)
            )
        if real is not None:
            self.is_refused_like_the_real_drop(target, strategy, real)
        elif declared_below:
            with pytest.raises(NotDroppableError, match="declares the column itself"):
                self.park(target, strategy)
        elif unwritable:
            with pytest.raises(NotDroppableError, match="PostgreSQL does not"):
                self.park(target, strategy)
        elif strategy != "soft_drop" and keyless:
            with pytest.raises(NoKeyError, match=r"op\.soft_drop_column"):
                self.park(target, strategy)
        else:
            self.park_and_bring_back(target, strategy)
            return True
        return False

    def is_refused_like_the_real_drop(self, target: Target, strategy: str, real: Refusal) -> None:
        """Assert that parking is refused for the reason that PostgreSQL gives."""
        if not real.is_for_dependents:
            with pytest.raises(NotDroppableError) as refused:
                self.park(target, strategy)
            assert real.message in str(refused.value)
            return
        with pytest.raises(DependentObjectsError) as stopped:
            self.park(target, strategy)
        assert stopped.value.dependents == real.dependents
        for dependent in real.dependents:
            assert dependent in str(stopped.value)

    def nothing_has_changed(self, *context: Any) -> None:
        """Assert that the dump is the one from before, byte for byte."""
        after = self.database.dump()
        if after != self.before:
            pytest.fail(_difference(self.before.splitlines(), after.splitlines(), context))

    def only_column_order_has_changed(self, *context: Any) -> None:
        """Assert that the dump is the one from before but for the order of columns."""
        before, after = map(without_column_order, (self.before, self.database.dump()))
        if after != before:
            lines = ["\n".join(entries).splitlines() for entries in (before, after)]
            pytest.fail(_difference(lines[0], lines[1], context))


def _park(connection: sa.Connection, target: Target, strategy: str) -> Artifact:
    if target.column is None:
        return TABLE_STRATEGIES[strategy](connection, target.table, schema=target.schema)
    park = COLUMN_STRATEGIES[strategy]
    return park(connection, target.table, target.column, schema=target.schema)


def _difference(before: list[str], after: list[str], context: tuple[Any, ...]) -> str:
    diff = difflib.unified_diff(before, after, "before", "after", lineterm="", n=1)
    return "\n".join([" ".join(map(str, context)), *diff])
