"""What operations of other packages are, for a run of pytest of its own.

These packages register themselves with Alembic when they are imported, for good: every later test
of the process would compare models and databases in their way.
"""

from __future__ import annotations

from typing import Any

import pytest
from alembic.operations import MigrateOperation

import alembic_zanith.risk.operations  # noqa: F401  # fills what READERS_BY_PATH holds
from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.reading import READERS_BY_PATH, changes_of, is_registered


def verdict(operation: MigrateOperation) -> tuple[str, str]:
    assert is_registered(operation)
    found = Assessment.of("operation", changes_of(operation))
    return found.kind, found.level.word


class TestAlembicUtils:
    @pytest.fixture
    def ops(self) -> Any:
        return pytest.importorskip("alembic_utils.reversible_op")

    def test_every_operation_of_it_has_an_entry(self, ops: Any) -> None:
        paths = {
            f"{each.__module__}.{each.__qualname__}"
            for each in vars(ops).values()
            if isinstance(each, type) and issubclass(each, ops.ReversibleOp)
        }
        assert paths - {f"{ops.__name__}.ReversibleOp"} <= set(READERS_BY_PATH)

    def test_a_view(self, ops: Any) -> None:
        from alembic_utils.pg_view import PGView

        view = PGView("public", "v", "SELECT id FROM t WHERE name = 'a:b'")
        assert verdict(ops.CreateOp(view)) == ("create_object", "safe")
        # Where the columns differ it drops the view and makes it anew.
        assert verdict(ops.ReplaceOp(view)) == ("replace_object", "medium")
        assert verdict(ops.RevertOp(view)) == ("replace_object", "medium")
        assert verdict(ops.DropOp(view)) == ("drop_object", "medium")
        assert verdict(ops.DropOp(view, cascade=True)) == ("drop_object", "destructive")

    def test_a_materialized_view(self, ops: Any) -> None:
        from alembic_utils.pg_materialized_view import PGMaterializedView

        view = PGMaterializedView("public", "m", "SELECT 1 AS one", with_data=True)
        assert verdict(ops.CreateOp(view)) == ("create_object", "safe")
        assert verdict(ops.ReplaceOp(view))[1] == "medium"
        assert verdict(ops.DropOp(view)) == ("drop_object", "medium")

    def test_a_function_deletes_nothing_until_it_is_called(self, ops: Any) -> None:
        from alembic_utils.pg_function import PGFunction

        function = PGFunction(
            "public",
            "f()",
            "RETURNS void LANGUAGE plpgsql AS $$ BEGIN DELETE FROM t; END $$",
        )
        assert verdict(ops.CreateOp(function)) == ("create_object", "safe")
        assert verdict(ops.ReplaceOp(function)) == ("replace_object", "medium")
        assert verdict(ops.DropOp(function)) == ("drop_object", "medium")

    def test_a_trigger(self, ops: Any) -> None:
        from alembic_utils.pg_trigger import PGTrigger

        trigger = PGTrigger(
            "public",
            "x",
            "BEFORE INSERT ON public.t FOR EACH ROW EXECUTE FUNCTION public.f()",
            on_entity="public.t",
        )
        assert verdict(ops.CreateOp(trigger)) == ("add_trigger", "medium")
        assert verdict(ops.ReplaceOp(trigger))[1] == "medium"
        assert verdict(ops.DropOp(trigger)) == ("drop_object", "medium")

    def test_a_policy(self, ops: Any) -> None:
        from alembic_utils.pg_policy import PGPolicy

        policy = PGPolicy("public", "p", "FOR ALL TO PUBLIC USING (true)", on_entity="public.t")
        assert verdict(ops.CreateOp(policy)) == ("create_policy", "medium")
        assert verdict(ops.DropOp(policy)) == ("drop_policy", "medium")

    def test_an_extension(self, ops: Any) -> None:
        from alembic_utils.pg_extension import PGExtension

        extension = PGExtension("public", "hstore")
        assert verdict(ops.CreateOp(extension)) == ("create_extension", "safe")
        assert verdict(ops.DropOp(extension)) == ("drop_extension", "high")

    def test_a_grant(self, ops: Any) -> None:
        from alembic_utils.pg_grant_table import PGGrantTable, PGGrantTableChoice

        grant = PGGrantTable("public", "t", "app", PGGrantTableChoice.DELETE)
        assert verdict(ops.CreateOp(grant)) == ("change_privileges", "medium")
        assert verdict(ops.DropOp(grant)) == ("change_privileges", "medium")


class TestAlembicPostgresqlEnum:
    @pytest.fixture
    def ops(self) -> Any:
        return pytest.importorskip("alembic_postgresql_enum.operations")

    def test_every_operation_of_it_has_an_entry(self, ops: Any) -> None:
        paths = {
            f"{each.__module__}.{each.__qualname__}"
            for each in vars(ops).values()
            if isinstance(each, type) and issubclass(each, MigrateOperation)
        }
        assert paths
        assert paths <= set(READERS_BY_PATH)

    def test_a_type_that_comes_and_goes(self, ops: Any) -> None:
        arguments = {"schema": "public", "name": "mood", "enum_values": ["a"]}
        assert verdict(ops.CreateEnumOp(**arguments)) == ("create_object", "safe")
        assert verdict(ops.DropEnumOp(**arguments)) == ("drop_object", "medium")

    def test_values_that_are_added(self, ops: Any) -> None:
        operation = ops.AddEnumValuesOp("public", "mood", ["a"], ["a", "b"], [])
        assert verdict(operation) == ("add_enum_value", "low")

    def test_values_that_are_exchanged_rewrite_the_tables(self, ops: Any) -> None:
        from alembic_postgresql_enum import TableReference

        reference = TableReference(table_schema="app", table_name="t", column_name="c")
        operation = ops.SyncEnumValuesOp("public", "mood", ["a", "b"], ["a"], [reference])
        assert verdict(operation) == ("alter_column_type", "high")
        found = Assessment.of("operation", changes_of(operation))
        assert found.worst is not None
        assert found.worst.change.subject == "app.t.c"

    def test_a_column_that_becomes_an_enum_is_a_change_of_type(self, ops: Any) -> None:
        import sqlalchemy as sa
        from alembic_postgresql_enum.add_postgres_using_to_text import PostgresUsingAlterColumnOp

        operation = PostgresUsingAlterColumnOp("t", "c", modify_type=sa.Enum("a", name="mood"))
        assert verdict(operation) == ("alter_column_type", "high")
