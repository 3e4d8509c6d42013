"""Plans as annotations: what GitHub's runner reads, escaped as it wants it."""

from __future__ import annotations

from dataclasses import replace

from alembic_zanith.gates.model import Gate
from alembic_zanith.reports.plan_github import github_text
from alembic_zanith.reports.plan_report import Layout, PlanReport
from tests.support.plans import (
    EVERYTHING,
    NOTHING,
    PASSING,
    ROOT,
    plan_of,
    planned,
    refused,
    revision,
    told,
)


def lines(*reports: PlanReport) -> list[str]:
    return github_text(reports, Layout(ROOT)).splitlines()


def test_everything() -> None:
    assert lines(EVERYTHING) == [
        "::error file=migrations/versions/1a2b_step.py,line=22,"
        "title=Refused%3A drop_column users.email%2C destructive (80)"
        "::the values of the column are lost%0Ausers has about 50,000 rows, 7 MB"
        "%0Agate allow-destructive: what loses data needs consent."
        "%0Ainstead: op.soft_drop_column('users', 'email')"
        "%0Aor: To lose the data on purpose, run it with --allow-destructive.",
        "::error title=Refused%3A shadow-verified"
        "::gate shadow-verified: there is no receipt.%0Ainstead: To run without one, skip it.",
        "::notice file=migrations/versions/1a2b_step.py,line=25,"
        "title=drop_index users_name%2C medium (35)"
        "::queries that used the index read the whole table"
        "%0Aallowed in line 24: nobody reads by name",
        "::warning file=migrations/versions/3c4d_step.py,line=9,"
        "title=add_unique users%2C medium (35)"
        "::fails on duplicates, and writes to the table wait while its index is built"
        "%0Ainstead: with op.get_context().autocommit_block():%0A    op.create_index(…, 'users', "
        "['name'], unique=True, postgresql_concurrently=True)%0Aop.execute('ALTER TABLE users "
        "ADD CONSTRAINT … UNIQUE USING INDEX …')",
        "::warning file=migrations/versions/1a2b_step.py,line=1,title=Revision 1a2b (step 1a2b)"
        "::Line 30 allows drops_table without saying why.",
        "::warning file=migrations/versions/3c4d_step.py,line=1,title=Revision 3c4d (step 3c4d)"
        "::Known in part, because it reads the rows of: SELECT id FROM users."
        "%0AIt could still call:%0Aline 12: op.drop_table(row.name)",
        "::warning title=Migration plan::A probe took too long.",
        "4 operations in 2 revisions: REFUSED by allow-destructive, shadow-verified (mode staging)",
    ]


def test_what_is_safe_is_not_annotated() -> None:
    assert lines(PASSING, replace(NOTHING, database="engine2")) == [
        "1 operation in 1 revision: PASS (mode staging)",
        "engine2: 0 operations in 0 revisions: PASS (mode staging)",
    ]


def test_special_characters_cannot_end_a_command_or_a_property() -> None:
    evil = revision("1a2b", planned('DROP TABLE "a,b:c%\r\n::error::d"', 3))
    why = "100% of it\r\n::error::forged"
    (command, _) = lines(
        PlanReport(plan_of(evil), told(refused(Gate.MAX_RISK, why, "a\r\nb", evil, 0)))
    )
    properties, _, message = command.removeprefix("::error ").partition("::")
    assert properties == (
        "file=migrations/versions/1a2b_step.py,line=3,"
        'title=Refused%3A drop_table "a%2Cb%3Ac%25 %3A%3Aerror%3A%3Ad"%2C destructive (80)'
    )
    assert "gate max-risk: 100%25 of it%0A::error::forged%0A" in message
    assert message.endswith("a%0D%0Ab")


def test_an_operation_without_a_line_is_annotated_at_its_file() -> None:
    nameless = revision("1a2b", planned("DROP TABLE t"))
    (command, _) = lines(PlanReport(plan_of(nameless), told()))
    assert command.startswith("::warning file=migrations/versions/1a2b_step.py,title=drop_table t")
