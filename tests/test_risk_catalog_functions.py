"""The functions of pg_catalog are known as PostgreSQL has them."""

from __future__ import annotations

import pytest

from alembic_zanith.risk.statements.catalog_functions import (
    is_catalog_function,
    is_stable,
    only_reads,
)
from alembic_zanith.risk.statements.known_functions import EFFECTS
from tests.support.database import Database

# Internal ones cannot be called from SQL, and those of triggers in no statement.
QUERY = """
    SELECT proname, bool_or(provolatile = 'v') FROM pg_proc
    WHERE pronamespace = 'pg_catalog'::regnamespace AND prokind <> 'p'
    AND prorettype NOT IN ('trigger'::regtype, 'internal'::regtype, 'event_trigger'::regtype)
    AND NOT ('internal'::regtype = ANY (proargtypes)) GROUP BY 1
"""


@pytest.mark.min_major(18)
def test_every_function_is_known_with_its_volatility(database: Database) -> None:
    rows = database.rows(QUERY)
    assert len(rows) > 2000
    assert [name for name, _ in rows if not is_catalog_function(name)] == []
    assert [name for name, volatile in rows if is_stable(name) is volatile] == []


def test_what_does_more_than_it_returns_is_told_apart() -> None:
    ours = {"dblink", "dblink_exec", "dblink_open", "dblink_send_query"}
    files = {"pg_file_rename", "pg_file_unlink", "pg_file_write"}
    assert all(is_catalog_function(name) for name in set(EFFECTS) - ours - files)


def test_a_function_of_ones_own_is_not_known() -> None:
    assert not only_reads("clean_up")
    assert not is_stable("clean_up")
