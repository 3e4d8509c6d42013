"""Every statement of PostgreSQL's grammar is decided on purpose."""

from __future__ import annotations

import pytest

from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.change import Change
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.statements import changes_in
from alembic_zanith.risk.statements.alter_table import COMMANDS, NEVER_WRITTEN
from alembic_zanith.risk.statements.parser import (
    Node,
    descendants,
    enum_name,
    enum_names,
    node_names,
    parse,
)
from alembic_zanith.risk.statements.registry import STATEMENTS
from tests.support.risk import grammar

NO_STATEMENTS = {
    "raw_stmt": "the wrapping of each statement",
    "replica_identity_stmt": "a part of ALTER TABLE",
    "set_operation_stmt": "made by the analysis that comes after the grammar",
    "return_stmt": "the body of a function that is written in SQL",
    "plassign_stmt": "an assignment of PL/pgSQL",
}

# Types of objects that have no statement of this sort in the grammar.
NEVER_DROPPED = {
    "OBJECT_AMOP": "ALTER OPERATOR FAMILY … DROP",
    "OBJECT_AMPROC": "ALTER OPERATOR FAMILY … DROP",
    "OBJECT_ATTRIBUTE": "ALTER TYPE … DROP ATTRIBUTE",
    "OBJECT_COLUMN": "ALTER TABLE … DROP",
    "OBJECT_DATABASE": "a statement of its own",
    "OBJECT_DEFACL": "ALTER DEFAULT PRIVILEGES",
    "OBJECT_DEFAULT": "ALTER TABLE … DROP DEFAULT",
    "OBJECT_DOMCONSTRAINT": "ALTER DOMAIN … DROP CONSTRAINT",
    "OBJECT_LARGEOBJECT": "lo_unlink()",
    "OBJECT_PARAMETER_ACL": "REVOKE",
    "OBJECT_PUBLICATION_NAMESPACE": "ALTER PUBLICATION … DROP",
    "OBJECT_PUBLICATION_REL": "ALTER PUBLICATION … DROP",
    "OBJECT_ROLE": "a statement of its own",
    "OBJECT_SUBSCRIPTION": "a statement of its own",
    "OBJECT_TABCONSTRAINT": "ALTER TABLE … DROP CONSTRAINT",
    "OBJECT_TABLESPACE": "a statement of its own",
    "OBJECT_USER_MAPPING": "a statement of its own",
}


def node_of(sql: str) -> Node:
    (found,) = parse(sql)
    return found.node


def changes(sql: str) -> tuple[Change, ...]:
    found = changes_in(sql)
    assert found, sql
    for each in found:
        # A name for it, and no change that is there for want of a reader.
        assert each.subject.strip() or each.kind == "alter_object", sql
        assert "there is no entry" not in getattr(each, "why", ""), sql
        each.judge()
    return found


def test_the_grammar_is_that_of_postgresql_18() -> None:
    assert len({name for name in node_names() if name.endswith("_stmt")}) > 110
    assert len(enum_names("AlterTableType")) > 60
    assert len(enum_names("ObjectType")) > 50


def test_every_statement_of_the_grammar_has_a_reader() -> None:
    statements = {name for name in node_names() if name.endswith("_stmt")}
    assert statements - set(STATEMENTS) == set(NO_STATEMENTS)


def test_every_reader_of_a_statement_reads_one() -> None:
    read = {each.name for sql in grammar.SAMPLES for each in parse(sql) if changes(sql)}
    assert set(STATEMENTS) - read == set()


def test_every_command_of_alter_table_has_a_reader() -> None:
    assert set(COMMANDS) | NEVER_WRITTEN == enum_names("AlterTableType")
    assert not set(COMMANDS) & NEVER_WRITTEN


def test_every_reader_of_a_command_reads_one() -> None:
    read = set()
    for command in grammar.COMMANDS:
        sql = f"ALTER TABLE t {command}"
        read |= {enum_name(node, "subtype") for _, node in _commands(sql) if changes(sql)}
    foreign = "ALTER FOREIGN TABLE t OPTIONS (SET a 'b')"
    read |= {enum_name(node, "subtype") for _, node in _commands(foreign) if changes(foreign)}
    assert set(COMMANDS) - read == set()


def _commands(sql: str) -> list[tuple[str, Node]]:
    return [each for each in descendants(node_of(sql)) if each[0] == "alter_table_cmd"]


def test_everything_that_can_be_dropped_is_read() -> None:
    dropped = {enum_name(node_of(sql), "remove_type") for sql in grammar.DROPS.values()}
    assert enum_names("ObjectType") - dropped == set(NEVER_DROPPED)


@pytest.mark.parametrize(("what", "sql"), grammar.DROPS.items())
def test_a_drop_says_what_goes(what: str, sql: str) -> None:
    (change,) = changes(sql)
    assert change.kind.startswith("drop_")
    assert change.kind != "drop_object" or change.subject.startswith(what)
    assert change.judge().level >= Level.MEDIUM
    word = what.upper()
    assert changes(sql.replace(word, f"{word} IF EXISTS", 1)) == (change,)
    cascading = Assessment.of("sql", changes(f"{sql} CASCADE"))
    exceptions = {"policy", "index"}  # nothing depends on them that has rows
    assert cascading.level is Level.DESTRUCTIVE or what in exceptions


@pytest.mark.parametrize("rest", grammar.RENAMES)
def test_every_rename_is_read(rest: str) -> None:
    (change,) = changes(f"ALTER {rest}")
    assert change.kind.startswith("rename_")
    assert change.judge().level is Level.MEDIUM


def test_everything_that_can_be_renamed_is_among_them() -> None:
    renamed = {
        enum_name(node, "rename_type")
        for rest in grammar.RENAMES
        if (node := node_of(f"ALTER {rest}")).DESCRIPTOR.name == "RenameStmt"
    }
    never = {"AMOP", "AMPROC", "CAST", "ACCESS_METHOD", "DEFACL", "DEFAULT", "EXTENSION"}
    never |= {"LARGEOBJECT", "OPERATOR", "PARAMETER_ACL", "PUBLICATION_NAMESPACE"}
    never |= {"PUBLICATION_REL", "TRANSFORM", "USER_MAPPING"}
    assert {each.removeprefix("OBJECT_") for each in enum_names("ObjectType") - renamed} == never


@pytest.mark.parametrize("what", grammar.OWNERS)
def test_every_change_of_owner_is_read(what: str) -> None:
    (change,) = changes(f"ALTER {what} OWNER TO app")
    assert (change.kind, change.judge().level) == ("change_privileges", Level.MEDIUM)


@pytest.mark.parametrize("what", grammar.MOVES)
def test_every_move_to_another_schema_is_read(what: str) -> None:
    (change,) = changes(f"ALTER {what} SET SCHEMA s")
    assert change.kind in ("move_table", "rename_object", "alter_extension")
    assert change.judge().level is Level.MEDIUM
