"""A plan for people: all of it at 80 columns, and nothing cut or wrapped where it is piped."""

from __future__ import annotations

import textwrap
from dataclasses import replace

import pytest

from alembic_zanith.gates.model import Gate
from alembic_zanith.reports.plan_report import Layout, PlanReport
from alembic_zanith.reports.plan_terminal import terminal_lines, terminal_text
from tests.support.plans import (
    EVERYTHING,
    NOTHING,
    PASSING,
    ROOT,
    SILENT,
    plan_of,
    planned,
    refused,
    revision,
    told,
)


def shown(*reports: PlanReport, width: int | None = None, verbose: bool = False) -> str:
    return terminal_text(reports, Layout(ROOT, width, verbose))


def test_everything_at_80_columns() -> None:
    assert shown(EVERYTHING, width=80) == textwrap.dedent(
        """\
        Upgrade: 4 operations in 2 revisions (database shop, PostgreSQL 18.1)

        1a2b (step 1a2b), migrations/versions/1a2b_step.py
        Line  Operation                Risk              Rows     Lock
          20  create_table notes       safe (5)
              CREATE TABLE notes (id int)
          22  drop_column users.email  destructive (80)  ~50,000  ACCESS EXCLUSIVE
              drops_column_with_data: the values of the column are lost
              users has about 50,000 rows, 7 MB
              ALTER TABLE users DROP email
          25  drop_index users_name    medium (35)                ACCESS EXCLUSIVE
              drops_index: queries that used the index read the whole table
              allowed in line 24, drops_index: nobody reads by name
              DROP INDEX users_name
          Line 30 allows drops_table without saying why.

        3c4d (step 3c4d), migrations/versions/3c4d_step.py
        Line  Operation         Risk         Rows     Lock
           9  add_unique users  medium (35)  ~50,000  ACCESS EXCLUSIVE
              adds_unique_constraint: fails on duplicates, and writes to the table wait
                while its index is built
              ALTER TABLE users ADD UNIQUE (name)
          Known in part, because it reads the rows of: SELECT id FROM users. It could
          still call:
            line 12: op.drop_table(row.name)

        Worst: destructive (80). Total: 1 destructive, 2 medium, 1 safe.

        Preflight
          users.name: 2 rows share a value, for example 'Ann'.

        Warnings
          A probe took too long.

        Refused

        1. drop_column users.email, by op.call: destructive (80), drops_column_with_data
           where: revision 1a2b (step 1a2b), migrations/versions/1a2b_step.py:22
           why: the values of the column are lost; users has about 50,000 rows, 7 MB
           gate allow-destructive: what loses data needs consent.
           instead: op.soft_drop_column('users', 'email')
           or: To lose the data on purpose, run it with --allow-destructive.

        2. gate shadow-verified: there is no receipt.
           instead: To run without one, skip it.

        REFUSED by allow-destructive, shadow-verified (mode staging)
        """
    )


def test_off_a_terminal_nothing_is_wrapped() -> None:
    text = shown(EVERYTHING)
    assert (
        "      adds_unique_constraint: fails on duplicates, and writes to the table wait while its "
        "index is built\n" in text
    )
    assert "\x1b" not in text


@pytest.mark.parametrize("width", [40, 60, 80, 120])
def test_no_line_but_what_is_to_be_pasted_is_wider_than_the_terminal(width: int) -> None:
    long = revision(
        "1a2b",
        planned(
            "ALTER TABLE a_table_with_quite_a_name.that_is_long DROP COLUMN another_long_name",
            1234,
            fact="that_is_long has about 50,000,000 rows and is " + "very " * 20 + "large",
            rows=50_000_000,
        ),
        ended="it reads the rows of: SELECT " + ", ".join("column" for _ in range(30)),
    )
    report = told(refused(Gate.DESTRUCTIVE, "what loses data " * 8, of=long, number=0))
    lines = shown(PlanReport(plan_of(long), report), width=width).splitlines()
    pasted = [line for line in lines if line.startswith("   instead: ")]
    assert len(pasted) == 1
    # Below this the columns of the table need more.
    widest = max(len(line) for line in lines if line not in pasted)
    assert widest <= max(width, 80)


def test_a_name_that_needs_more_room_goes_on_below() -> None:
    long = revision("1a2b", planned(f"DROP INDEX {'name_' * 8}of_an_index", 7))
    text = shown(PlanReport(plan_of(long), told()), width=80)
    first, second = text.splitlines()[4:6]
    assert first.startswith("   7  drop_index")
    assert first.endswith("ACCESS EXCLUSIVE")
    assert second.startswith("      ")
    assert (first.split()[2] + second.strip()).startswith("name_name_")


def test_sql_is_one_short_line_and_whole_when_asked_for() -> None:
    sql = (
        "CREATE TABLE t (\n" + "".join(f"    column_{n} int,\n" for n in range(20)) + "    z int\n)"
    )
    report = PlanReport(plan_of(revision("1a2b", planned(sql, 3))), told())
    assert "      CREATE TABLE t ( column_0 int, column_1 int" in shown(report)
    assert "z int" not in shown(report)
    whole = "\n".join("      " + line for line in sql.splitlines())
    assert whole in shown(report, verbose=True)


def test_what_changes_nothing_is_counted_and_shown_when_asked_for() -> None:
    some = revision("1a2b", planned("SELECT 1"), planned("DROP TABLE t", 3), planned("SET a.b = 1"))
    none = revision("3c4d", planned("SELECT 1"))
    report = PlanReport(plan_of(some, none), told())
    text = shown(report)
    assert "  and 2 statements that change nothing, shown by --verbose\n" in text
    assert "  and 1 statement that changes nothing, shown by --verbose\n" in text
    assert "DROP TABLE t" in text
    assert "SELECT 1" not in text
    assert "SELECT 1" in shown(report, verbose=True)
    assert "--verbose" not in shown(report, verbose=True)


def test_nothing_pending_says_so_and_passes() -> None:
    assert shown(NOTHING) == (
        "Nothing is pending (database shop, PostgreSQL 18.1).\n\nPASS (mode staging)\n"
    )


def test_a_revision_that_does_nothing_says_so() -> None:
    assert shown(SILENT) == (
        "Upgrade: 0 operations in 1 revision (no database was asked)\n"
        "\n"
        "7a8b (step 7a8b), migrations/versions/7a8b_step.py\n"
        "  does nothing\n"
        "\n"
        "Worst: safe (5). Total: no operations.\n"
        "\n"
        "PASS (mode dev)\n"
    )


def test_several_databases_are_told_apart_and_each_has_its_verdict() -> None:
    text = shown(replace(PASSING, database="engine1"), replace(NOTHING, database="engine2"))
    assert "Upgrade: 1 operation in 1 revision (engine1: no database was asked)\n" in text
    assert "Nothing is pending (engine2: database shop, PostgreSQL 18.1).\n" in text
    assert text.count("PASS (mode staging)") == 2


def test_levels_and_the_verdict_have_a_colour_on_a_terminal() -> None:
    styles = {line.plain: str(line.style) for line in terminal_lines([EVERYTHING], Layout(ROOT))}
    (drop,) = [text for text in styles if text.startswith("  22  drop_column")]
    assert styles[drop] == "red"
    assert styles["REFUSED by allow-destructive, shadow-verified (mode staging)"] == "bold red"
    passed = terminal_lines([PASSING], Layout(ROOT))
    assert str(passed[-1].style) == "bold green"


def test_names_cannot_draw_on_the_terminal() -> None:
    evil = revision("e", planned('DROP TABLE "a\x1b[2J"', 1), complaints=("bad \x07",))
    for verbose in (False, True):
        text = shown(PlanReport(plan_of(evil), told(probes=("\x1b[1m",))), verbose=verbose)
        assert not any(ord(character) < 32 for character in text.replace("\n", ""))
