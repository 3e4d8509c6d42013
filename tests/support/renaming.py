"""The person who is asked about renames, and the hand that takes code out of a comment."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

from tests.support.project import Project, Script
from tests.support.swapping import is_up_to_date

_OWN_LINE = re.compile(r"# ###")


@contextmanager
def answering(*answers: bool) -> Iterator[list[str]]:
    """Be at the terminal and give these answers; what was asked is in the list.

    Every answer has to be asked for.
    """
    asked: list[str] = []
    waiting = list(answers)

    def ask(question: str) -> bool:
        asked.append(question)
        assert waiting, f"one question too many: {question}"
        return waiting.pop(0)

    with mock.patch("alembic_zanith.autogenerate.renames.somebody_to_ask", return_value=ask):
        yield asked
    assert not waiting, f"nobody asked for {waiting}; asked was {asked}"


def autogenerate(project: Project, models: str, *answers: bool) -> Script:
    """Autogenerate from models, with somebody at the terminal who gives the answers."""
    project.write_models(models)
    with answering(*answers):
        return project.autogenerate("after")


def goes_both_ways(project: Project) -> None:
    """Upgrade, find nothing more to do, and find the database as it was after the downgrade."""
    before = project.database.dump()
    project.upgrade()
    assert is_up_to_date(project)
    project.downgrade()
    assert project.database.dump() == before
    project.upgrade()


def take_the_comment(script: Script) -> None:
    """Replace what upgrade() and downgrade() do by the code in their comments, as by hand."""
    source = script.source
    for function in ("upgrade", "downgrade"):
        body = script.body(function)
        pattern = rf'(def {function}\(.*?\) -> None:\n    """.*?"""\n).*?(?=^\S|\Z)'
        code = textwrap.indent(in_comment(body), "    ") + "\n\n\n"
        source, count = re.subn(
            pattern,
            lambda found, code=code: found.group(1) + code,  # type: ignore[misc]  # bound early
            source,
            flags=re.DOTALL | re.MULTILINE,
        )
        assert count == 1
    script.path.write_text(source, encoding="utf-8")


def in_comment(body: str) -> str:
    """Return the code that stands in the one comment of a function."""
    lines = [line for line in body.splitlines() if not _OWN_LINE.match(line)]
    comment = [line[2:] for line in lines if line.startswith("# ")]
    end = next(number for number, line in enumerate(comment) if line.endswith(":"))
    return "\n".join(comment[end + 1 :])
