"""The page on the plan shows what the command prints, and knows each of its keys and options."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

import pytest

from alembic_zanith.cli.plan_command import zanith_plan
from tests.support.project import Project

PAGE = (Path(__file__).resolve().parent.parent / "docs" / "plan.md").read_text(encoding="utf-8")


@pytest.fixture
def mailboxes(project: Project) -> Project:
    """The project of the page's examples."""
    table = "op.create_table('users', sa.Column('id', sa.Integer), sa.Column('email', sa.Text))"
    project.revision(table, message="users", rev_id="3f1c")
    project.revision(
        "op.add_column('users', sa.Column('mailbox', sa.Text))\n"
        'op.execute("UPDATE users SET mailbox = email")\n'
        "op.drop_column('users', 'email')",
        message="one mailbox",
        rev_id="8a07",
    )
    return project


def printed(project: Project, name: str) -> str:
    return project.alembic("zanith-plan", "3f1c:head", "--offline", "--format", name).stdout


def test_the_examples_are_what_is_printed(mailboxes: Project) -> None:
    for name, start in (
        ("terminal", "```\n$ alembic zanith-plan 3f1c:head --offline\n"),
        ("markdown", "````markdown\n"),
        ("github", "```\n"),
    ):
        assert start + printed(mailboxes, name) + "```" in PAGE


def test_every_key_of_the_json_is_in_a_table(mailboxes: Project) -> None:
    document = json.loads(printed(mailboxes, "json"))
    (plan,) = document["plans"]
    (revision,) = plan["revisions"]
    for owner, value in (
        ("### json", document),
        ("Each of the `plans`", plan),
        ("Each of the `revisions`", revision),
        ("Each of the `operations`", revision["operations"][0]),
        ("Each of the `refusals`", plan["refusals"][0]),
    ):
        assert documented(owner) == set(value), owner


def documented(owner: str) -> set[str]:
    """The keys in the first table behind a text of the page."""
    table = PAGE.partition(owner)[2].partition("| key | |\n|---|---|\n")[2].partition("\n\n")[0]
    cells = (line.split("|")[1] for line in table.splitlines())
    return {key for cell in cells for key in re.findall(r"`(\w+)`", cell)}


def commands() -> list[str]:
    return re.findall(r"alembic zanith-plan (\S.*--(?:offline|format).*)$", PAGE, re.MULTILINE)


@pytest.mark.parametrize("command", commands())
def test_the_commands_of_the_page_are_right(command: str) -> None:
    arguments = shlex.split(command.removesuffix("|| true"))
    parsed: dict[str, Any] = zanith_plan.make_context("zanith-plan", arguments).params
    assert ":" in parsed["revision"]
    assert parsed["offline"]


def test_every_option_is_on_the_page() -> None:
    for option in zanith_plan.params:
        for name in option.opts:
            if name.startswith("-"):
                assert f"`{name}" in PAGE, name
