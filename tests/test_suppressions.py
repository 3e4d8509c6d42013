"""A risk that the author of a script allows, with a reason, passes the gates and is reported."""

from __future__ import annotations

import pytest

from alembic_zanith.plan.suppressions import Suppressions, read_suppressions
from alembic_zanith.risk.reasons import Reason
from tests.support.database import Database
from tests.support.project import Project

SCRIPT = '''
"""Not a comment: # zanith: allow drops_extension — in a string."""
# zanith: allow drops_index — above
op.drop_index("a")
op.drop_index("b")  # zanith: allow drops_index: behind
op.drop_index(
    "c",  # zanith: allow drops_index - inside
    table_name="t",
)
op.drop_index("d")
'''


def lines_covered(found: Suppressions) -> list[int]:
    return [
        line for line in range(1, 15) if found.covering(line, [Reason.DROPS_INDEX], "drop_index")
    ]


def test_a_comment_counts_on_its_statement_and_on_the_one_below() -> None:
    assert lines_covered(read_suppressions(SCRIPT)) == [3, 4, 5, 6, 7, 8, 9]


def test_a_list_of_the_module_counts_everywhere() -> None:
    found = read_suppressions("zanith_allow = ['drops_index — all are built anew']\n")
    assert lines_covered(found) == list(range(1, 15))
    assert found.covering(None, [Reason.DROPS_INDEX], "drop_index")


def test_every_reason_has_to_be_allowed_or_the_kind() -> None:
    reasons = [Reason.DROPS_UNIQUE_CONSTRAINT, Reason.DROPS_INDEX]
    one = read_suppressions("x  # zanith: allow drops_index — why")
    both = read_suppressions("x  # zanith: allow drops_index, drops_unique_constraint — why")
    kind = read_suppressions("x  # zanith: allow drop_unique — why")
    assert one.covering(1, reasons, "drop_unique") == ()
    assert [each.code for each in both.covering(1, reasons, "drop_unique")] == [
        "drops_unique_constraint",
        "drops_index",
    ]
    assert [each.code for each in kind.covering(1, reasons, "drop_unique")] == ["drop_unique"]


@pytest.mark.parametrize(
    ("source", "complaint"),
    [
        (
            "x  # zanith: allow drops_index",
            "line 1: drops_index is allowed without a reason, so it is not allowed. Add the "
            "reason: — why it is right here.",
        ),
        (
            "x  # zanith: allow drop_indx — why",
            "line 1: there is no reason or kind 'drop_indx'. Did you mean 'drop_index' or "
            "'drops_index' or 'add_index'?",
        ),
        (
            "x  # zanith: allow drops_index — why",
            "line 1: nothing needs to be allowed drops_index; take it out.",
        ),
        (
            "x  # zanith: ignore drops_index",
            "line 1: '# zanith: ignore drops_index' allows nothing. Write # zanith: allow CODE — "
            'reason, or zanith_allow = ["CODE — reason"].',
        ),
        (
            "zanith_allow = 'drops_index'",
            "line 1: \"'drops_index'\" allows nothing. Write # zanith: allow CODE — reason, or "
            'zanith_allow = ["CODE — reason"].',
        ),
        (
            "zanith_allow = [code()]",
            "line 1: 'code()' allows nothing. Write # zanith: allow CODE — reason, or "
            'zanith_allow = ["CODE — reason"].',
        ),
    ],
)
def test_what_has_no_effect_is_reported(source: str, complaint: str) -> None:
    assert read_suppressions(source).complaints([]) == (complaint,)


def test_a_script_that_does_not_parse_has_none() -> None:
    assert read_suppressions("def (: # zanith: allow drops_index — why") == Suppressions()


@pytest.fixture
def kept(database: Database) -> Database:
    database.execute("CREATE TABLE kept (id int PRIMARY KEY); INSERT INTO kept VALUES (1)")
    return database


ALLOWED = "# zanith: allow drops_table_with_data — it is a cache\nop.drop_table('kept')"


def test_what_is_allowed_passes_and_is_logged(kept: Database, project: Project) -> None:
    project.revision(upgrade=ALLOWED)
    assert "it is a cache" in project.upgrade().output
    assert kept.scalar("SELECT to_regclass('kept')::text") is None


@pytest.mark.parametrize(
    "body",
    [
        "op.drop_table('kept')  # zanith: allow drops_table_with_data",
        "op.drop_table('kept')  # zanith: allow drops_index — the wrong one",
        "# zanith: allow drops_table_with_data — too far away\n\nop.drop_table('kept')",
    ],
)
def test_without_reason_or_elsewhere_it_allows_nothing(
    kept: Database, project: Project, body: str
) -> None:
    project.revision(upgrade=body)
    before = kept.dump()
    assert "Refused" in project.alembic("upgrade", "head").failed().output
    assert kept.dump() == before


def test_it_holds_for_what_only_the_run_knows(kept: Database, project: Project) -> None:
    project.revision(
        upgrade="name = op.get_bind().scalar(sa.text(\"SELECT 'kept'\"))\n"
        "# zanith: allow drops_table_with_data, raw_sql — it is a cache\n"
        "op.get_bind().execute(sa.text(f'DROP TABLE {name}'))"
    )
    project.upgrade()
    assert kept.scalar("SELECT to_regclass('kept')::text") is None


@pytest.mark.parametrize(
    "settings", [{"mode": "production", "skip_shadow_check": "yes"}, {"max_lost_rows": "0"}]
)
def test_it_lifts_neither_the_ban_of_production_nor_a_ceiling(
    kept: Database, project: Project, settings: dict[str, str]
) -> None:
    kept.execute("ANALYZE kept")
    project.settings(**settings)
    project.revision(upgrade=ALLOWED)
    before = kept.dump()
    assert "Refused" in project.alembic("upgrade", "head").failed().output
    assert kept.dump() == before


def test_one_that_matches_nothing_is_a_warning(kept: Database, project: Project) -> None:
    project.revision(
        upgrade="op.create_table('t', sa.Column('id', sa.Integer))  # zanith: allow drops_index — why"
    )
    assert "nothing needs to be allowed drops_index; take it out." in project.upgrade().output
