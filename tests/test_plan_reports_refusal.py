"""The error of a refused run says what, where, why, which gate, and what to do instead."""

from __future__ import annotations

import textwrap

from alembic_zanith.gates.model import Gate
from alembic_zanith.reports.refusal import refusal_text
from tests.support.plans import DUPLICATES, ROOT, plan_of, planned, refused, revision, told

DROP = revision(
    "1a2b",
    planned("CREATE TABLE notes (id int)", 20),
    planned("ALTER TABLE users DROP email", 22, fact="users has about 50,000 rows"),
)
UNIQUE = revision("3c4d", planned("ALTER TABLE users ADD UNIQUE (name)", 9))
CONSENT = "To lose the data on purpose, run it with --allow-destructive."


def test_one_operation_that_one_gate_refuses() -> None:
    report = told(refused(Gate.DESTRUCTIVE, "what loses data needs consent", CONSENT, DROP, 1))
    assert refusal_text(plan_of(DROP), report, root=ROOT) == (
        "Refused, nothing has run: 1 of 2 operations does not pass the gates of mode staging.\n"
        "\n"
        "1. drop_column users.email, by op.call: destructive (80), drops_column_with_data\n"
        "   where: revision 1a2b (step 1a2b), migrations/versions/1a2b_step.py:22\n"
        "   why: the values of the column are lost; users has about 50,000 rows\n"
        "   gate allow-destructive: what loses data needs consent.\n"
        "   instead: op.soft_drop_column('users', 'email')\n"
        "   or: To lose the data on purpose, run it with --allow-destructive."
    )


def test_what_two_gates_refuse_is_one_entry_and_each_way_is_told_once() -> None:
    report = told(
        refused(Gate.MAX_RISK, "it scores 80, and at most 60 is allowed", CONSENT, DROP, 1),
        refused(Gate.DESTRUCTIVE, "Mode production allows none.", CONSENT, DROP, 1),
        refused(Gate.PREFLIGHT, "3 rows of users share a name.", of=UNIQUE, number=0),
        mode="production",
    )
    text = refusal_text(plan_of(DROP, UNIQUE), report, root=ROOT)
    assert text.splitlines()[0] == (
        "Refused, nothing has run: 2 of 3 operations do not pass the gates of mode production."
    )
    assert [line for line in text.splitlines()[1:] if line and not line.startswith(" ")] == [
        "1. drop_column users.email, by op.call: destructive (80), drops_column_with_data",
        "2. add_unique users, by op.call: medium (35), adds_unique_constraint",
    ]
    assert text.count(CONSENT) == 1
    assert (
        "   gate max-risk: it scores 80, and at most 60 is allowed.\n"
        "   gate allow-destructive: Mode production allows none.\n" in text
    )
    assert "   gate preflight: 3 rows of users share a name.\n" in text


def test_rows_in_the_way_have_lines_of_their_own() -> None:
    assert (
        "   gate preflight: users has no duplicates in email: no, 1 group of rows.\n"
        "      email = a|b `c`, rows = 100\n"
        '      All of them: SELECT "email" FROM "users"\n'
    ) in refusal_text(DUPLICATES.plan, DUPLICATES.gates, root=ROOT)


def test_two_equal_operations_are_two_entries() -> None:
    drop = "DROP TABLE users"
    twice = revision("1a2b", planned(drop, 5), planned(drop, 5))
    report = told(
        refused(Gate.MAX_RISK, "too risky", of=twice, number=0),
        refused(Gate.MAX_RISK, "too risky", of=twice, number=1),
    )
    text = refusal_text(plan_of(twice), report, root=ROOT)
    assert "2 of 2 operations do not" in text
    assert "\n2. drop_table users" in text


def test_a_refusal_of_the_whole_run_has_no_place() -> None:
    report = told(
        refused(
            Gate.SHADOW,
            "there is no receipt",
            "alembic zanith-verify\nalembic upgrade head",
        )
    )
    assert refusal_text(plan_of(UNIQUE, is_downgrade=True), report, root=ROOT) == (
        "Refused, nothing has run: the downgrade does not pass the gates of mode staging.\n"
        "\n"
        "1. gate shadow-verified: there is no receipt.\n"
        "   instead: alembic zanith-verify\n"
        "      alembic upgrade head"
    )


def test_a_refused_revision_is_named_with_its_file() -> None:
    report = told(refused(Gate.MAX_RISK, "its recording ended early", of=UNIQUE))
    assert refusal_text(plan_of(UNIQUE), report, root=ROOT).splitlines()[2:] == [
        "1. where: revision 3c4d (step 3c4d), migrations/versions/3c4d_step.py",
        "   gate max-risk: its recording ended early.",
    ]


def test_what_turns_out_while_running_does_not_claim_that_nothing_has_run() -> None:
    report = told(refused(Gate.DESTRUCTIVE, "what loses data needs consent", "", DROP, 1))
    text = refusal_text(plan_of(DROP), report, while_running=True, root=ROOT)
    assert text.startswith(
        "Refused at the moment of execution: a statement does not pass the gates of mode staging. "
        "It has not been sent, and the upgrade stops here; what its transaction has done is rolled "
        "back.\n\n1. drop_column users.email"
    )


def test_sql_that_nothing_can_see_through_says_why() -> None:
    opaque = revision("1a2b", planned("DO $$ BEGIN EXECUTE 'DR' || 'OP TABLE t'; END $$", 3))
    report = told(refused(Gate.MAX_RISK, "too risky", of=opaque, number=0))
    text = refusal_text(plan_of(opaque), report, root=ROOT)
    (why,) = [line for line in text.splitlines() if line.startswith("   why: ")]
    assert "written by hand" in why
    assert why.endswith("; the string is computed when it runs")


def test_paths_are_whole_where_the_script_is_outside_of_the_project() -> None:
    report = told(refused(Gate.MAX_RISK, "too risky", of=UNIQUE, number=0))
    text = refusal_text(plan_of(UNIQUE), report, root=f"{ROOT}/elsewhere")
    assert f"{ROOT}/migrations/versions/3c4d_step.py:9\n" in text


def test_names_cannot_draw_on_the_terminal() -> None:
    evil = revision("e", planned('DROP TABLE "a\x1b[2J\nb"', 1))
    report = told(refused(Gate.MAX_RISK, "too \x1b[1mrisky", "DROP \x07", evil, 0))
    text = refusal_text(plan_of(evil), report, root=ROOT)
    assert "\x1b" not in text
    assert "\x07" not in text
    assert '1. drop_table "a\\x1b[2J b", by op.call: destructive (80)' in text


def test_wrapped_as_one_paragraph_the_entries_still_stand_apart() -> None:
    """As Alembic does it on a terminal: every line break becomes a space."""
    report = told(
        refused(Gate.MAX_RISK, "too risky", "op.soft_drop_column('users', 'email')", DROP, 1),
        refused(Gate.PREFLIGHT, "3 rows share a name.", of=UNIQUE, number=0),
    )
    text = refusal_text(plan_of(DROP, UNIQUE), report, root=ROOT)
    (wrapped,) = textwrap.wrap(text, 10_000)
    assert "mode staging.  1. drop_column users.email" in wrapped
    assert "'email')  2. add_unique users" in wrapped
    assert "    gate preflight: " in wrapped
