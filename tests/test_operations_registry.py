"""Every operation is whole: on `op`, run, rendered, reversed and described."""

from __future__ import annotations

from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import renderers
from alembic.operations import BatchOperations, Operations
from alembic.operations.ops import MigrateOperation

import alembic_zanith  # noqa: F401 -- registers the operations
from alembic_zanith.operations import (
    OPERATIONS,
    AddGeneratedColumnOp,
    ArchiveColumnOp,
    ArchiveTableOp,
    BackfillOp,
    CreateExtensionOp,
    CreatePolicyOp,
    DisableRlsOp,
    DropExtensionOp,
    DropPolicyOp,
    EnableRlsOp,
    MergeColumnsOp,
    RebuildTableOp,
    ReshapeOperation,
    RestoreColumnOp,
    RestoreTableOp,
    SoftDropColumnOp,
    SoftDropTableOp,
    SplitColumnOp,
    SyncColumnsOp,
    UnsyncColumnsOp,
)

DOCS = Path(__file__).parent.parent / "docs" / "operations"

PARKING: list[MigrateOperation] = [
    SoftDropColumnOp("users", "legacy", schema="shop"),
    SoftDropTableOp("users", schema="shop"),
    ArchiveColumnOp("users", "legacy", schema="shop"),
    ArchiveTableOp("users", schema="shop"),
    RestoreColumnOp("users", "legacy", schema="shop"),
    RestoreTableOp("users", schema="shop"),
]

SYNCING: list[MigrateOperation] = [
    SyncColumnsOp("users", "legacy", "new", forward="legacy", backward="new", schema="shop"),
    UnsyncColumnsOp("users", "legacy", "new", forward="legacy", backward="new", schema="shop"),
]

EXAMPLES: list[MigrateOperation] = [
    *PARKING,
    SplitColumnOp("users", "name", into=["a"], using={"a": "name"}, reverse="a", schema="shop"),
    MergeColumnsOp("users", ["a"], into="name", using="a", reverse={"a": "name"}, schema="shop"),
    RebuildTableOp("users", columns=["id"], schema="shop"),
    BackfillOp("users", set={"email": "lower(name)"}, schema="shop"),
    AddGeneratedColumnOp("users", sa.Column("c", sa.Text, sa.Computed("upper(name)"))),
    EnableRlsOp("users", schema="shop"),
    DisableRlsOp("users", schema="shop"),
    CreatePolicyOp("own_rows", "users", schema="shop"),
    DropPolicyOp("own_rows", "users", schema="shop"),
    CreateExtensionOp("hstore"),
    DropExtensionOp("hstore"),
    *SYNCING,
]


def test_there_is_an_example_of_every_operation() -> None:
    assert {type(example) for example in EXAMPLES} == set(OPERATIONS.values())


@pytest.mark.parametrize("kind", OPERATIONS)
def test_each_operation_has_one_name_everywhere(kind: str) -> None:
    cls = OPERATIONS[kind]
    assert cls.__name__ == "".join(word.title() for word in kind.split("_")) + "Op"
    assert cls.__module__ == f"alembic_zanith.operations.{kind}"
    assert (getattr(cls, "kind"), hasattr(Operations, kind)) == (kind, True)  # noqa: B009
    reshapes_a_table = kind.endswith(("_column", "_columns")) and "sync" not in kind
    assert hasattr(BatchOperations, kind) == reshapes_a_table
    assert (DOCS / f"{kind}.md").read_text().startswith(f"# op.{kind}\n")


@pytest.mark.parametrize("kind", OPERATIONS)
def test_each_operation_is_implemented_and_rendered(kind: str) -> None:
    example = next(example for example in EXAMPLES if type(example) is OPERATIONS[kind])
    assert callable(Operations._to_impl.dispatch(example))
    assert callable(renderers.dispatch(example))


@pytest.mark.parametrize("kind", OPERATIONS)
def test_what_users_call_is_documented_with_an_example(kind: str) -> None:
    doc = getattr(Operations, kind).__doc__
    assert f"op.{kind}(" in doc or f'op.{kind}("' in doc
    for section in (":param ", "_name: name of the ", ":return:", "Raises "):
        assert section in doc


def test_a_drop_reverses_to_the_restore_and_that_to_the_drop() -> None:
    # The restore of a rebuilt table is the one that refuses, and says why.
    rebuild = RebuildTableOp("users", columns=["id"], schema="shop")
    for example in (*PARKING[:4], rebuild):
        restore = example.reverse()
        assert isinstance(restore, RestoreColumnOp | RestoreTableOp)
        assert (restore.table_name, restore.schema) == ("users", "shop")
        assert restore.reverse() is example


def test_a_restore_of_unknown_origin_reverses_to_a_soft_drop() -> None:
    column = PARKING[4].reverse()
    assert isinstance(column, SoftDropColumnOp)
    assert (column.table_name, column.column_name, column.schema) == ("users", "legacy", "shop")
    table = PARKING[5].reverse()
    assert isinstance(table, SoftDropTableOp)
    assert (table.table_name, table.schema) == ("users", "shop")


def test_a_split_reverses_to_a_merge_and_that_to_the_split() -> None:
    for example in EXAMPLES[6:8]:
        back = example.reverse()
        assert {type(example), type(back)} == {SplitColumnOp, MergeColumnsOp}
        assert isinstance(back, ReshapeOperation)
        assert (back.table_name, back.schema) == ("users", "shop")
        assert back.reverse() is example


def test_a_backfill_says_why_it_has_no_reverse() -> None:
    with pytest.raises(NotImplementedError, match="what the rows had before is kept nowhere"):
        BackfillOp("users", set={"email": "lower(name)"}).reverse()


@pytest.mark.parametrize("example", SYNCING, ids=str)
def test_keeping_two_columns_the_same_and_its_end_are_the_reverse_of_each_other(
    example: MigrateOperation,
) -> None:
    there = example.reverse()
    assert type(there) is not type(example)
    assert type(there.reverse()) is type(example)
    assert vars(there) == vars(there.reverse()) == vars(example)
    with pytest.raises(NotImplementedError, match="forward= and backward="):
        UnsyncColumnsOp("users", "legacy", "new").reverse()


def test_differences_are_worded_as_alembic_words_its_own() -> None:
    words = [example.to_diff_tuple()[0] for example in PARKING]
    assert words == [
        "remove_column",
        "remove_table",
        "remove_column",
        "remove_table",
        "add_column",
        "add_table",
    ]


def test_other_differences_are_worded_as_the_operation() -> None:
    for example in EXAMPLES[len(PARKING) :]:
        if isinstance(example, AddGeneratedColumnOp):
            continue  # Alembic's own add says the same
        assert example.to_diff_tuple()[0] == getattr(example, "kind", None)
