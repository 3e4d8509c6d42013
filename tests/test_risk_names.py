"""The published names: what suppressions, reports and dashboards refer to."""

from __future__ import annotations

import alembic_zanith.operations
import alembic_zanith.risk.operations
import alembic_zanith.risk.statements  # noqa: F401 -- all three register their changes
from alembic_zanith.risk.change import KINDS
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.reasons import Reason

PUBLISHED_KINDS = {
    "create_extension",
    "create_table",
    "add_column",
    "add_generated_column",
    "add_index",
    "drop_index",
    "add_unique",
    "drop_unique",
    "add_foreign_key",
    "drop_foreign_key",
    "alter_column_type",
    "alter_column_nullable",
    "alter_column_default",
    "rename_table",
    "rename_column",
    "drop_column",
    "drop_table",
    "drop_extension",
    "enable_rls",
    "disable_rls",
    "create_policy",
    "drop_policy",
    "soft_drop_column",
    "soft_drop_table",
    "archive_column",
    "archive_table",
    "backfill",
    "split_column",
    "merge_columns",
    "rebuild_table",
    "raw_sql",
}

PUBLISHED_REASONS = {
    "adds_nullable_column",
    "adds_required_column_without_default",
    "adds_index",
    "adds_unique_constraint",
    "adds_foreign_key",
    "adds_extension",
    "drops_column_with_data",
    "drops_table_with_data",
    "drops_index",
    "drops_unique_constraint",
    "drops_foreign_key",
    "drops_extension",
    "narrows_column_type",
    "changes_column_type",
    "changes_column_nullable_to_not_null",
    "rebuilds_table",
    "requires_backfill",
    "rls_change",
    "raw_sql",
    "rename_table",
    "rename_column",
}


def test_the_31_published_kinds_exist() -> None:
    assert len(PUBLISHED_KINDS) == 31
    assert set(KINDS) >= PUBLISHED_KINDS
    assert all(change.kind == name for name, change in KINDS.items())


def test_the_21_published_reasons_exist() -> None:
    assert len(PUBLISHED_REASONS) == 21
    assert {reason.value for reason in Reason} >= PUBLISHED_REASONS


def test_every_reason_has_a_meaning_of_its_own() -> None:
    meanings = [reason.meaning for reason in Reason]
    assert all(meanings)
    same = {meaning for meaning in meanings if meanings.count(meaning) > 1}
    # A rename is a rename, whatever has the name.
    assert same <= {Reason.RENAME_TABLE.meaning}


def test_the_levels_have_their_scores() -> None:
    assert {level.word: level.score for level in Level} == {
        "safe": 5,
        "low": 15,
        "medium": 35,
        "high": 60,
        "destructive": 80,
        "blocked": 95,
    }
