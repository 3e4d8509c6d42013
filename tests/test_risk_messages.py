"""What is said of every kind and for every reason, word for word."""

from __future__ import annotations

import ast
import re

import pytest
import sqlalchemy as sa
from alembic.operations import ops

from alembic_zanith.operations.soft_drop_table import SoftDropTableOp
from alembic_zanith.risk.assess import assess, assess_sql
from alembic_zanith.risk.change import KINDS, Change
from alembic_zanith.risk.levels import Level
from alembic_zanith.risk.reasons import Reason
from alembic_zanith.risk.statements.parser import parse
from tests.support.risk import further, published
from tests.support.risk.by_reason import REASONS
from tests.support.risk.case import Case, Step
from tests.support.risk.plans import last_verdict, plan

CASES = (*published.CASES, *further.CASES)

# What the text of a statement does not say: the type of a constraint, and the old type of a column.
BY_OPERATION: dict[str, tuple[Step, Step]] = {
    "drops_unique_constraint": (
        ops.DropConstraintOp("k", "t", type_="unique"),
        ops.DropConstraintOp("k", "t", type_="check"),
    ),
    "drops_foreign_key": (
        ops.DropConstraintOp("k", "t", type_="foreignkey"),
        ops.DropConstraintOp("k", "t", type_="check"),
    ),
    "narrows_column_type": (
        ops.AlterColumnOp("t", "c", existing_type=sa.Text(), modify_type=sa.String(5)),
        ops.AlterColumnOp("t", "c", existing_type=sa.String(5), modify_type=sa.Text()),
    ),
    "parks_data": (SoftDropTableOp("t"), ops.RenameTableOp("t", "u")),
}


def test_every_kind_has_a_case() -> None:
    assert {each.kind for each in CASES} == set(KINDS)


@pytest.mark.parametrize("case", CASES, ids=lambda each: each.kind)
def test_all_that_is_said_of_a_kind(case: Case) -> None:
    found = plan(*case.risky)[-1]
    assert found.worst is not None
    judgement = found.worst.judgement
    assert (found.kind, found.level.word) == (case.kind, case.level)
    assert found.worst.change.subject == case.subject
    assert tuple(map(str, judgement.reasons)) == case.reasons
    assert judgement.lock.value == case.lock
    assert judgement.instead == case.instead


@pytest.mark.parametrize("case", CASES, ids=lambda each: each.kind)
def test_what_is_milder_is_judged_so(case: Case) -> None:
    assert last_verdict(*case.ok) == case.then
    assert plan(*case.ok)[-1].level <= plan(*case.risky)[-1].level


def test_every_reason_has_a_case() -> None:
    assert set(REASONS) | set(BY_OPERATION) == {reason.value for reason in Reason}


@pytest.mark.parametrize(("reason", "steps"), [*REASONS.items(), *BY_OPERATION.items()])
def test_a_reason_is_given_where_it_holds_and_nowhere_else(
    reason: str, steps: tuple[Step, Step]
) -> None:
    risky, other = steps
    assert reason in map(str, plan(risky)[-1].reasons)
    assert reason not in map(str, plan(other)[-1].reasons)


def test_sql_that_is_written_by_hand_says_so_whatever_it_does() -> None:
    dropped = assess("execute", ops.ExecuteSQLOp("DROP INDEX i"))
    assert dropped.reasons == (Reason.DROPS_INDEX, Reason.RAW_SQL)
    assert assess_sql("connection.execute", "DROP INDEX i").reasons == dropped.reasons
    assert assess("drop_index", ops.DropIndexOp("i")).reasons == (Reason.DROPS_INDEX,)
    assert assess("execute", ops.ExecuteSQLOp("SELECT 1")).level is Level.SAFE


INSTEADS = sorted({each.instead for each in CASES if each.instead})


@pytest.mark.parametrize("instead", INSTEADS)
def test_what_is_to_be_pasted_is_python_and_sql(instead: str) -> None:
    complete = instead.replace("…", "...")
    if complete.startswith(("with op.", "op.")) and ", which" not in complete:
        code = complete.split("; or ")[0].split(", and ")[0]
        ast.parse(code)
    for sql in re.findall(r"op\.execute\('([^']*)'\)", instead):
        if "…" not in sql:
            assert parse(sql)


def test_everything_destructive_has_a_safe_way() -> None:
    destructive = [each for each in CASES if each.level == "destructive"]
    assert len(destructive) > 8
    assert all(each.instead for each in destructive)


def test_a_safe_change_is_not_argued_with() -> None:
    """But for a partition, which is made under a lock that nobody expects."""
    argued = {each.kind for each in CASES if each.level == "safe" and each.instead}
    assert argued == {"create_table"}


def test_a_reserved_word_is_quoted_in_what_is_to_be_pasted() -> None:
    renamed = 'ALTER TABLE "user" RENAME TO "order"'
    (change,) = (each.change for each in plan(renamed)[0].findings)
    assert isinstance(change, Change)
    assert '"user" AS TABLE "order"' in change.judge().instead
