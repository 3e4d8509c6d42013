"""Policies and extensions in a project with alembic-utils, for a run of pytest of its own.

It registers itself with Alembic when it is imported, for good.
"""

from __future__ import annotations

from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from alembic_zanith import Extension, Policy, RowSecurity
from tests.support.database import Database

utils: Any = pytest.importorskip("alembic_utils.replaceable_entity")

MINE = Policy("mine", using="id > 0")


@pytest.fixture
def accounts(database: Database) -> Database:
    utils.registry.clear()
    database.execute("CREATE TABLE accounts (id int)")
    return database


def register(*names: str, extensions: tuple[str, ...] = ()) -> None:
    from alembic_utils.pg_extension import PGExtension
    from alembic_utils.pg_policy import PGPolicy

    policies = [
        PGPolicy(
            "public", name, "AS permissive FOR ALL TO public USING ((id > 0))", "public.accounts"
        )
        for name in names
    ]
    utils.register_entities([*policies, *(PGExtension("public", each) for each in extensions)])


def differences(
    database: Database, *policies: Policy, extensions: tuple[str, ...] | None = None
) -> list[tuple[str, str]]:
    """What is done, and to what, where both tools compare."""
    declared: dict[str, Any] = {}
    if extensions is not None:
        declared["extensions"] = [Extension(each) for each in extensions]
    if policies:
        declared["row_security"] = [RowSecurity("accounts", *policies, enabled=False)]
    metadata = sa.MetaData(info={"zanith": declared})
    sa.Table("accounts", metadata, sa.Column("id", sa.Integer))
    with database.begin() as connection:
        context = MigrationContext.configure(connection, opts={"include_schemas": False})
        found = compare_metadata(context, metadata)
        return sorted((each[0], str(each[1:])) for each in found)


def kinds(found: list[tuple[str, str]]) -> list[str]:
    return [kind for kind, _ in found]


def test_what_is_registered_there_is_made_by_it_alone(accounts: Database) -> None:
    register("mine", extensions=("hstore",))
    found = differences(accounts, MINE, extensions=("hstore",))
    assert kinds(found) == ["create_entity", "create_entity"]


def test_what_is_declared_here_is_made_here_alone(accounts: Database) -> None:
    register("theirs")
    found = differences(accounts, MINE, extensions=("hstore",))
    assert kinds(found) == ["create_entity", "create_extension", "create_policy"]


def test_what_is_there_and_declared_here_is_not_dropped_by_it(accounts: Database) -> None:
    register("theirs", extensions=("hstore",))
    accounts.execute("""
        CREATE EXTENSION hstore; CREATE EXTENSION citext;
        CREATE POLICY mine ON accounts USING (id > 0);
        CREATE POLICY theirs ON accounts USING (id > 0)
    """)
    assert differences(accounts, MINE, extensions=("citext",)) == []


def test_what_changed_here_is_changed_here_alone(accounts: Database) -> None:
    register("theirs")
    accounts.execute("""
        CREATE POLICY mine ON accounts USING (id > 1);
        CREATE POLICY theirs ON accounts USING (id > 0)
    """)
    assert kinds(differences(accounts, MINE)) == ["create_policy", "drop_policy"]


def test_what_neither_has_is_dropped_once(accounts: Database) -> None:
    register("theirs")
    accounts.execute("""
        CREATE EXTENSION hstore;
        CREATE POLICY old ON accounts USING (true);
        CREATE POLICY theirs ON accounts USING (id > 0);
        CREATE POLICY mine ON accounts USING (id > 0)
    """)
    found = differences(accounts, MINE, extensions=())
    assert kinds(found) == ["drop_entity", "drop_entity"]
    assert [what for _, what in found if "old" in what or "hstore" in what] == [
        what for _, what in found
    ]


def test_without_declarations_it_does_as_it_always_does(accounts: Database) -> None:
    register("theirs")
    accounts.execute("CREATE POLICY mine ON accounts USING (id > 0)")
    assert kinds(differences(accounts)) == ["create_entity", "drop_entity"]
