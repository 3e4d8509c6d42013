"""What the author of a script allows by comments and by a list, and what is wrong with it."""

from __future__ import annotations

import pytest

from alembic_zanith.plan.model import Suppression
from alembic_zanith.plan.suppressions import Suppressions, read_suppressions
from alembic_zanith.risk.reasons import Reason

INDEX = (Reason.DROPS_INDEX,)


def allows_dropping_an_index(script: str, line: int) -> bool:
    return bool(read_suppressions(script).covering(line, INDEX, "drop_index"))


def complaints(script: str) -> tuple[str, ...]:
    """What is wrong with the suppressions of a script, if each that can be is used."""
    found = read_suppressions(script)
    used = [each.suppression for each in found.scopes]
    return found.complaints(used)


def test_a_comment_on_the_line_of_the_call_allows_it() -> None:
    assert allows_dropping_an_index("op.drop_index('i')  # zanith: allow drops_index — unused", 1)


def test_a_comment_on_the_line_before_allows_the_call() -> None:
    script = "# zanith: allow drops_index — unused\nop.drop_index('i')\nop.drop_index('j')"
    assert allows_dropping_an_index(script, 2)
    assert not allows_dropping_an_index(script, 3)


@pytest.mark.parametrize("position", range(4))
def test_a_comment_on_any_line_of_a_statement_allows_all_of_it(position: int) -> None:
    lines = ["op.drop_index(", "    'i',", "    table_name='t',", ")", "op.drop_index('j')"]
    lines[position] += "  # zanith: allow drops_index — unused"
    for line in range(1, 5):
        assert allows_dropping_an_index("\n".join(lines), line)
    assert not allows_dropping_an_index("\n".join(lines), 5)


def test_a_comment_before_a_statement_allows_each_of_its_lines() -> None:
    script = "# zanith: allow drops_index — unused\nop.drop_index(\n    'i',\n)\nop.drop_index('j')"
    assert [allows_dropping_an_index(script, line) for line in range(2, 6)] == [True] * 3 + [False]


def test_a_line_of_its_own_inside_a_statement_is_for_that_statement() -> None:
    script = (
        "op.drop_index(\n    # zanith: allow drops_index — unused\n    'i')\nop.drop_index('j')"
    )
    assert allows_dropping_an_index(script, 1)
    assert not allows_dropping_an_index(script, 4)


def test_a_comment_at_the_end_of_a_line_is_not_for_the_next_statement() -> None:
    script = "op.f('x')  # zanith: allow drops_index — unused\nop.drop_index('i')"
    assert not allows_dropping_an_index(script, 2)


def test_other_comments_may_stand_between_an_empty_line_may_not() -> None:
    comment = "# zanith: allow drops_index — unused\n"
    assert allows_dropping_an_index(f"{comment}# see the report\nop.drop_index('i')", 3)
    assert not allows_dropping_an_index(f"{comment}\nop.drop_index('i')", 3)


def test_several_comments_may_stand_before_one_statement() -> None:
    script = "# zanith: allow drops_index — unused\n# zanith: allow raw_sql — read twice\nop.execute('…')"
    reasons = (Reason.DROPS_INDEX, Reason.RAW_SQL)
    found = read_suppressions(script).covering(3, reasons, "drop_index")
    assert [each.line for each in found] == [1, 2]


def test_the_first_statement_of_a_block_is_the_next_one() -> None:
    script = (
        "with op.batch_alter_table('t') as batch_op:\n"
        "    # zanith: allow drops_index — unused\n"
        "    batch_op.drop_index('i')\n"
        "    batch_op.drop_index('j')\n"
    )
    assert allows_dropping_an_index(script, 3)
    assert not allows_dropping_an_index(script, 1)
    assert not allows_dropping_an_index(script, 4)


def test_a_comment_on_a_function_or_block_is_not_for_what_is_in_it() -> None:
    script = (
        "# zanith: allow drops_index — unused\n"
        "def upgrade():  # zanith: allow drops_index — unused\n"
        "    op.drop_index('i')\n"
    )
    assert not allows_dropping_an_index(script, 3)


@pytest.mark.parametrize("mark", ["—", "\N{EN DASH}", "-", "--", ":"])
@pytest.mark.parametrize("space", [" ", ""])
def test_the_reason_follows_a_dash_or_a_colon(mark: str, space: str) -> None:
    script = f"# zanith: allow drops_index{space}{mark}{space}no query: it is 0-5 ms\nop.x()"
    (found,) = read_suppressions(script).covering(2, INDEX, "drop_index")
    assert found == Suppression("drops_index", "no query: it is 0-5 ms", 1)


def test_one_comment_allows_several_codes() -> None:
    script = "# zanith: allow drops_index, raw_sql ,rename_table — moved\nop.x()"
    reasons = (Reason.RENAME_TABLE, Reason.DROPS_INDEX)
    found = read_suppressions(script).covering(2, reasons, "raw")
    assert [each.code for each in found] == ["rename_table", "drops_index"]


def test_all_reasons_have_to_be_allowed_or_nothing_is() -> None:
    script = "op.x()  # zanith: allow drops_index — unused"
    reasons = (Reason.DROPS_INDEX, Reason.RAW_SQL)
    assert read_suppressions(script).covering(1, reasons, "raw_sql") == ()


def test_a_kind_is_a_code_as_well() -> None:
    script = "op.drop_index('i')  # zanith: allow drop_index — unused"
    assert read_suppressions(script).covering(1, INDEX, "drop_index")
    assert not read_suppressions(script).covering(1, INDEX, "add_index")


def test_an_operation_without_reasons_needs_and_gets_nothing() -> None:
    script = "op.x()  # zanith: allow drops_index — unused"
    assert read_suppressions(script).covering(1, (), "harmless") == ()


@pytest.mark.parametrize(
    "assignment",
    [
        'zanith_allow = ["drops_index — unused"]',
        'zanith_allow: list[str] = ["drops_index — unused"]',
        'zanith_allow = ("raw_sql, drops_index: unused",)',
    ],
)
def test_a_list_of_the_script_allows_it_anywhere(assignment: str) -> None:
    found = read_suppressions(f"{assignment}\ndef upgrade():\n    op.drop_index('i')\n")
    assert found.covering(3, INDEX, "drop_index")
    assert found.covering(None, INDEX, "drop_index")


def test_a_comment_is_used_before_the_list_of_the_script() -> None:
    script = (
        'zanith_allow = ["drops_index — all"]\n'
        "op.drop_index('i')  # zanith: allow drops_index — this one"
    )
    (found,) = read_suppressions(script).covering(2, INDEX, "drop_index")
    assert found.why == "this one"


@pytest.mark.parametrize("value", ["ALLOWED", "[reason()]", "['drops_index' + X]", "'drops_index'"])
def test_a_list_that_would_have_to_run_allows_nothing_and_is_reported(value: str) -> None:
    script = f"zanith_allow = {value}"
    assert read_suppressions(script).covering(None, INDEX, "drop_index") == ()
    (complaint,) = complaints(script)
    assert complaint == (
        "Line 1: zanith_allow is not a list of plain strings with a code and a reason each, and "
        'nothing runs to find out. Write: zanith_allow = ["drops_index — the reason"]'
    )


def test_a_list_inside_a_function_is_none() -> None:
    script = "def upgrade():\n    zanith_allow = ['drops_index — unused']\n    op.drop_index('i')"
    assert not allows_dropping_an_index(script, 3)


@pytest.mark.parametrize(
    "text", ['"# zanith: allow drops_index — no"', '"""\n# zanith: allow drops_index — no\n"""']
)
def test_a_comment_inside_a_string_is_none(text: str) -> None:
    script = f"x = {text}; op.drop_index('i')"
    assert read_suppressions(script) == Suppressions()


def test_a_script_that_does_not_parse_allows_nothing() -> None:
    script = "op.drop_index('i')  # zanith: allow drops_index — unused\nx = ("
    assert read_suppressions(script) == Suppressions()


@pytest.mark.parametrize("text", ["drops_index", "drops_index —", "drops_index because of 5"])
def test_without_a_reason_nothing_is_allowed_and_it_is_said(text: str) -> None:
    script = f"op.drop_index('i')  # zanith: allow {text}"
    assert not allows_dropping_an_index(script, 1)
    assert complaints(script) == (
        "Line 1 allows drops_index without a reason, so it allows nothing. "
        "Say why it is right here: # zanith: allow drops_index — the reason",
    )


def test_an_unknown_code_is_reported_with_the_nearest_ones() -> None:
    (complaint,) = complaints("op.x()  # zanith: allow drop_indx — unused")
    assert complaint.startswith(
        "Line 1 allows 'drop_indx', which is no reason and no kind of operation. "
        "Did you mean 'drop_index'"
    )


def test_one_that_covered_nothing_is_reported() -> None:
    found = read_suppressions("op.x()  # zanith: allow drops_index, raw_sql — unused")
    used = found.covering(1, INDEX, "other")
    assert found.complaints(used) == (
        "Line 1 allows raw_sql, but nothing that it is for has that risk. Remove it.",
    )


@pytest.mark.parametrize(
    "comment",
    ["# zanith: alow drops_index — x", "# zanith allow drops_index — x", "# zanith: allow"],
)
def test_a_comment_that_is_nearly_one_is_reported(comment: str) -> None:
    (complaint,) = complaints(f"op.drop_index('i')  {comment}")
    assert complaint == (
        f"Line 1 cannot be read as a suppression: {comment}. "
        "Write: # zanith: allow drops_index — the reason"
    )


def test_a_right_and_used_one_is_not_reported() -> None:
    assert complaints("op.drop_index('i')  # zanith: allow drops_index — unused") == ()


def test_a_byte_order_mark_is_no_obstacle() -> None:
    assert allows_dropping_an_index("\ufeffop.drop_index('i')  # zanith: allow drops_index — no", 1)
