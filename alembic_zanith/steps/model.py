"""One step of a migration."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from alembic_zanith.plan.model import Suppression
from alembic_zanith.risk.assessment import Assessment

if TYPE_CHECKING:
    from alembic.operations import MigrateOperation

_WRITES_ROWS = re.compile(
    r"\s*(INSERT|UPDATE|DELETE|MERGE|COPY|WITH\b.*\b(INSERT|UPDATE|DELETE|MERGE))\b",
    re.IGNORECASE | re.DOTALL,
)


@dataclass
class Step:
    """One operation that a script calls, or one statement that it sends by itself.

    `began` and `elapsed_seconds` are of the clock that only counts on, `statements` as they went
    to the driver, without parameters. `rows` is how many rows were written, None where no
    statement writes any. `assessment` is what it amounts to, for all that is known.
    """

    operation: str
    source: MigrateOperation | None = None
    began: float = field(default_factory=time.perf_counter)
    elapsed_seconds: float = 0.0
    statements: list[str] = field(default_factory=list)
    rows: int | None = None
    assessment: Assessment | None = None
    allowed_by: tuple[Suppression, ...] = ()
    error: BaseException | None = None
    is_own: bool = False
    """Whether it is an operation of this package, which asks a lot on its way."""
    is_committed: bool = False
    """Whether a COMMIT has come after it."""
    is_rolled_back: bool = False
    """Whether a ROLLBACK has, to before it."""

    def count(self, statement: str, rows: int) -> None:
        """Note how many rows a statement has written, as the driver says."""
        if rows >= 0 and _WRITES_ROWS.match(statement) and "_zanith_migration" not in statement:
            self.add_rows(rows)

    def add_rows(self, rows: int) -> None:
        """Note rows that were written."""
        self.rows = (self.rows or 0) + rows

    def end(self, error: BaseException | None = None) -> None:
        """Stop the clock."""
        self.elapsed_seconds += time.perf_counter() - self.began
        self.error = error

    def resume(self) -> None:
        """Go on, as what a batch has put off does when it ends."""
        self.began = time.perf_counter()
