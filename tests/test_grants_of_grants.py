"""Privileges that others passed on: taken back while parked, and given again by the same role."""

from __future__ import annotations

import pytest

from tests.support.database import Database
from tests.support.twins import STRATEGIES, Dropped

pytestmark = pytest.mark.majors


def a_chain_of_grants(database: Database) -> list[str]:
    """A table of which the owner let a second role, and that a third, do things with it."""
    owner, second, third = (database.role(name) for name in ("owner", "second", "third"))
    database.execute(
        f"CREATE TABLE t (id int PRIMARY KEY, other serial, gone serial);"
        f"ALTER TABLE t OWNER TO {owner};"
        f"GRANT SELECT, UPDATE ON t TO {second} WITH GRANT OPTION;"
        f"GRANT USAGE ON SEQUENCE t_gone_seq TO {second} WITH GRANT OPTION;"
        f"SET ROLE {second};"
        f"GRANT SELECT ON t TO {third} WITH GRANT OPTION; GRANT UPDATE (id) ON t TO {third};"
        f"GRANT SELECT (gone), UPDATE (gone) ON t TO {third};"
        f"GRANT USAGE ON SEQUENCE t_gone_seq TO {third};"
        f"SET ROLE {third}; GRANT SELECT ON t TO PUBLIC; GRANT SELECT (gone) ON t TO PUBLIC"
    )
    return [owner, second, third]


@pytest.mark.parametrize("target", ["t.gone", "t"], ids=["column", "table"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_nobody_but_the_owner_has_any_right_on_what_is_parked(
    database: Database, strategy: str, target: str
) -> None:
    a_chain_of_grants(database)
    with database.begin() as connection:
        Dropped.parse(target).park(connection, strategy)
    rights = database.rows(
        "SELECT c.relname FROM pg_class c, aclexplode(c.relacl) x"
        " WHERE c.relname ~ '_zanith_(dropped|archived)' AND x.grantee <> c.relowner"
        " UNION ALL SELECT a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid,"
        " aclexplode(a.attacl) x WHERE c.relname || a.attname ~ '_zanith_(dropped|archived)'"
    )
    assert rights == []


@pytest.mark.parametrize("by_psql", [False, True], ids=["command", "psql"])
@pytest.mark.parametrize("target", ["t.gone", "t"], ids=["column", "table"])
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_they_come_back_from_whom_they_were(
    database: Database, strategy: str, target: str, by_psql: bool
) -> None:
    a_chain_of_grants(database)
    before = database.dump()
    dropped = Dropped.parse(target)
    with database.begin() as connection:
        artifact = dropped.park(connection, strategy)
    if by_psql:
        database.psql(artifact.recovery_sql)
    else:
        with database.begin() as connection:
            dropped.restore(connection)
    assert database.dump() == before
