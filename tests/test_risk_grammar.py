"""Every statement of PostgreSQL's grammar is decided on purpose."""

from __future__ import annotations

from alembic_zanith.risk.statements.alter_table import COMMANDS, NEVER_WRITTEN
from alembic_zanith.risk.statements.parser import enum_names, node_names
from alembic_zanith.risk.statements.registry import STATEMENTS

NO_STATEMENTS = {
    "raw_stmt": "the wrapping of each statement",
    "replica_identity_stmt": "a part of ALTER TABLE",
    "set_operation_stmt": "made by the analysis that comes after the grammar",
    "return_stmt": "the body of a function that is written in SQL",
    "plassign_stmt": "an assignment of PL/pgSQL",
}


def test_every_statement_of_the_grammar_has_a_reader() -> None:
    statements = {name for name in node_names() if name.endswith("_stmt")}
    assert statements - set(STATEMENTS) == set(NO_STATEMENTS)


def test_every_command_of_alter_table_has_a_reader() -> None:
    assert set(COMMANDS) | NEVER_WRITTEN == enum_names("AlterTableType")
    assert not set(COMMANDS) & NEVER_WRITTEN
