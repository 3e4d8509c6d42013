"""Some of production's rows on the shadow, with the rows that they refer to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from alembic_zanith.integrity import pinned_settings
from alembic_zanith.risk.change import TableRef
from alembic_zanith.sql import reading, run
from alembic_zanith.verification import SampleLine

from .choosing import Chosen, choose
from .filling import fill
from .tables import SampledTable, find_tables

if TYPE_CHECKING:
    from sqlalchemy import Connection

_TIMEOUT = "10s"


def copy_sample(
    production: Connection,
    shadow: Connection,
    tables: Sequence[TableRef],
    rows: int,
    *,
    shadow_schema: str | None = None,
) -> tuple[SampleLine, ...]:
    """Copy up to `rows` rows of each table to the shadow, and all rows that these refer to.

    The shadow has the same tables at this moment; `shadow_schema` holds them all, where it is one.
    Production is only read, and no lock stays behind. A row that the shadow does not take is left
    out, and the line of its table says so.

    Example::

        copy_sample(production, shadow, [TableRef("orders")], 1000)
    """
    with reading(production):
        run(production, f"SET LOCAL statement_timeout = '{_TIMEOUT}'")
        run(production, f"SET LOCAL lock_timeout = '{_TIMEOUT}'")
        wanted, unknown = find_tables(production, tables)
        with pinned_settings(production):
            chosen = choose(production, wanted, rows)
    with pinned_settings(shadow):
        lines = fill(shadow, chosen, shadow_schema)
    shadow.commit()
    return (*lines, *(SampleLine(str(each), 0, "production has no such table") for each in unknown))


__all__ = ["Chosen", "SampledTable", "copy_sample"]
