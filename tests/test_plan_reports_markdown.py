"""Plans as a comment on a pull request: names and values mean only themselves in it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from alembic_zanith.gates.model import Gate
from alembic_zanith.reports.plan_markdown import code, fenced, markdown_text, prose
from alembic_zanith.reports.plan_report import Layout, PlanReport
from tests.support.plans import (
    DUPLICATES,
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


def shown(*reports: PlanReport) -> str:
    return markdown_text(reports, Layout(ROOT))


def test_everything() -> None:
    assert shown(EVERYTHING) == (
        "**REFUSED** by allow-destructive, shadow-verified: upgrade of 4 operations in 2 "
        "revisions, worst: destructive (80) (mode staging, database shop, PostgreSQL 18.1)\n"
        "\n"
        "1. `drop_column users.email`, destructive (80) in `migrations/versions/1a2b_step.py:22`\n"
        "   - the values of the column are lost\n"
        "   - users has about 50,000 rows, 7 MB\n"
        "   - gate allow-destructive: what loses data needs consent.\n"
        "   - instead: `op.soft_drop_column('users', 'email')`\n"
        "   - or: To lose the data on purpose, run it with --allow-destructive.\n"
        "2. gate shadow-verified: there is no receipt.\n"
        "   - instead: To run without one, skip it.\n"
        "\n"
        "| Revision | Operation | Risk | Reasons | Rows | Lock |\n"
        "|---|---|---|---|--:|---|\n"
        "| 1a2b (step 1a2b) | `create_table notes` | safe (5) |  |  |  |\n"
        "| 1a2b (step 1a2b) | `drop_column users.email` | destructive (80) "
        "| `drops_column_with_data` | \\~50,000 | ACCESS EXCLUSIVE |\n"
        "| 1a2b (step 1a2b) | `drop_index users_name` | medium (35), allowed "
        "| `drops_index` |  | ACCESS EXCLUSIVE |\n"
        "| 3c4d (step 3c4d) (known in part) | `add_unique users` | medium (35) "
        "| `adds_unique_constraint` | \\~50,000 | ACCESS EXCLUSIVE |\n"
        "\n"
        "<details><summary>1a2b (step 1a2b): destructive (80)</summary>\n"
        "\n"
        "`migrations/versions/1a2b_step.py`\n"
        "\n"
        "`create_table notes`, line 20\n"
        "\n"
        "```sql\nCREATE TABLE notes (id int)\n```\n"
        "\n"
        "`drop_column users.email`, line 22\n"
        "\n"
        "- users has about 50,000 rows, 7 MB\n"
        "\n"
        "```sql\nALTER TABLE users DROP email\n```\n"
        "\n"
        "`drop_index users_name`, line 25\n"
        "\n"
        "- allowed in line 24, `drops_index`: nobody reads by name\n"
        "\n"
        "```sql\nDROP INDEX users_name\n```\n"
        "\n"
        "Line 30 allows drops\\_table without saying why.\n"
        "\n"
        "</details>\n"
        "\n"
        "<details><summary>3c4d (step 3c4d): medium (35)</summary>\n"
        "\n"
        "`migrations/versions/3c4d_step.py`\n"
        "\n"
        "`add_unique users`, line 9\n"
        "\n"
        "```sql\nALTER TABLE users ADD UNIQUE (name)\n```\n"
        "\n"
        "Known in part, because it reads the rows of: SELECT id FROM users.\n"
        "\n"
        "It could still call:\n"
        "- line 12: `op.drop_table(row.name)`\n"
        "\n"
        "</details>\n"
        "\n"
        "<details><summary>Preflight</summary>\n"
        "\n"
        "- users.name: 2 rows share a value, for example 'Ann'.\n"
        "\n"
        "</details>\n"
        "\n"
        "<details><summary>Warnings</summary>\n"
        "\n"
        "- A probe took too long.\n"
        "\n"
        "</details>\n"
    )


def test_nothing_pending_is_one_line() -> None:
    assert shown(NOTHING) == (
        "**PASS**: nothing is pending (mode staging, database shop, PostgreSQL 18.1)\n"
    )


def test_several_databases_are_told_apart() -> None:
    text = shown(replace(PASSING, database="engine1"), replace(NOTHING, database="engine_2"))
    assert "(mode staging, engine1: no database was asked)" in text
    assert "(mode staging, engine\\_2: database shop, PostgreSQL 18.1)" in text


def cells(row: str) -> list[str]:
    """Split a row where GitHub does: at pipes without a backslash."""
    return [each.strip() for each in re.split(r"(?<!\\)\|", row)[1:-1]]


@pytest.mark.parametrize(
    "name",
    ["a|b", "a`b", "a\\|b", "`", "``a``", "<b>", "@team", "_a_", "a\nb", "|", "--", "[x](y)"],
)
def test_a_row_has_six_cells_whatever_the_names_are(name: str) -> None:
    quoted = name.replace('"', '""')
    bad = revision("1a2b", planned(f'DROP TABLE "{quoted}"', 3))
    bad = replace(bad, description=name)
    rows = [
        line for line in shown(PlanReport(plan_of(bad), told())).splitlines() if line[:1] == "|"
    ]
    assert [len(cells(row)) for row in rows] == [6, 6, 6]
    assert "<b>" not in cells(rows[2])[0]
    assert "@team" not in cells(rows[2])[0]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("users.email", "`users.email`"),
        ("a|b", "`a\\|b`"),
        ("<b> @team _x_", "`<b> @team _x_`"),
        ("a`b", "<code>a&#96;b</code>"),
        ("a\\|b<i>_", "<code>a&#92;&#124;b&#60;i&#62;&#95;</code>"),
        ("a\n  b", "`a b`"),
        ("a\x1bb", "<code>a&#92;x1bb</code>"),
    ],
)
def test_code_means_only_itself(text: str, expected: str) -> None:
    assert code(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain words, 5", "plain words, 5"),
        ("<img src=x> & co", "&lt;img src=x&gt; &amp; co"),
        ("*a* _b_ `c` [d](e) ~f~ #1", r"\*a\* \_b\_ \`c\` \[d\](e) \~f\~ \#1"),
        ("a|b\\", "a\\|b\\\\"),
        ("ask @team", "ask @\u200bteam"),
        ("two\nlines", "two lines"),
    ],
)
def test_prose_means_only_itself(text: str, expected: str) -> None:
    assert prose(text) == expected


def test_a_block_of_sql_cannot_end_its_own_fence() -> None:
    assert fenced("SELECT '```'\n</details>", "sql") == ("````sql\nSELECT '```'\n</details>\n````")


def test_what_is_to_be_pasted_keeps_its_lines() -> None:
    index = revision("1a2b", planned("DROP INDEX users_name", 5))
    report = told(refused(Gate.MAX_RISK, "too risky", of=index, number=0))
    assert (
        "   - instead: \n"
        "\n"
        "     ```python\n"
        "     with op.get_context().autocommit_block():\n"
        "         op.drop_index('users_name', postgresql_concurrently=True)\n"
        "     ```\n"
    ) in shown(PlanReport(plan_of(index), report))


def test_rows_in_the_way_are_a_block() -> None:
    assert (
        "   - gate preflight: users has no duplicates in email: no, 1 group of rows.\n"
        "\n"
        "     ```\n"
        "     email = a|b `c`, rows = 100\n"
        '     All of them: SELECT "email" FROM "users"\n'
        "     ```\n"
    ) in shown(DUPLICATES)


def many(number: int) -> PlanReport:
    sql = "CREATE TABLE t (" + ", ".join(f"column_{n} int" for n in range(40)) + ")"
    plan = plan_of(*(revision(f"{n:04}", planned(sql, 5)) for n in range(number)))
    return PlanReport(plan, told())


def test_what_is_too_long_for_a_comment_leaves_out_details_and_then_the_table() -> None:
    assert "<details>" in shown(many(10))
    without_details = shown(many(200))
    assert len(without_details) < 65_536
    assert without_details.count("| `create_table t` |") == 200
    assert without_details.endswith(
        "SQL and facts are left out: they are longer than a comment may be.\n"
    )
    assert shown(many(2_000)).startswith("**PASS**: upgrade of 2,000 operations in 2,000")
    assert len(shown(many(2_000))) < 65_536
