"""Options that several verbs share, and the types of their values."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])

_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_LONGEST = dt.timedelta(days=365 * 1000)


def parse_age(ctx: click.Context, param: click.Parameter, value: str | None) -> dt.timedelta | None:
    """Read a span of time such as `30d`, `12h` or `2w`: the callback of an option."""
    if value is None:
        return None
    match = re.fullmatch(r"([0-9]{1,9})\s*([mhdw])", value.strip(), re.ASCII)
    if match is None:
        raise click.BadParameter(
            f"{value!r} is no age. Write a number and a unit: 90m, 12h, 30d or 2w.", ctx, param
        )
    age = dt.timedelta(**{_UNITS[match[2]]: int(match[1])})
    if age > _LONGEST:
        raise click.BadParameter(f"{value!r} is longer than a thousand years.", ctx, param)
    return age


def database_option(command: F) -> F:
    """Add `--database`, for projects with several."""
    return click.option(
        "--database",
        metavar="NAME",
        help="The one to work on, in a project with several databases.",
    )(command)


def json_option(command: F) -> F:
    """Add `--json`."""
    return click.option("--json", is_flag=True, help="Print JSON.")(command)


def restore_options(command: F) -> F:
    """Add what both restores have."""
    for option in (
        json_option,
        database_option,
        click.option("--dry-run", is_flag=True, help="Print the SQL and change nothing."),
        click.option("--force", is_flag=True, help="Restore even if the checksum does not match."),
        click.option(
            "--relax",
            is_flag=True,
            help="Come back without the constraints that rows written since make impossible.",
        ),
        click.option("--as", "as_name", metavar="NAME", help="Come back under another name."),
        click.option("--artifact", metavar="ID", help="This one, not the latest."),
    ):
        command = option(command)
    return command


def online_options(command: F) -> F:
    """Add what a restore has that others read and write beside."""
    for option in (
        click.option(
            "--pause",
            type=click.FloatRange(0, 86_400),
            metavar="SECONDS",
            help="With --online: between two batches, 0 by default.",
        ),
        click.option(
            "--batch-size",
            type=click.IntRange(1, 2**31 - 1),
            metavar="N",
            help="With --online: rows that a batch reads, 10000 by default.",
        ),
        click.option(
            "--online",
            is_flag=True,
            help="In batches that commit one by one, while others read and write the table.",
        ),
    ):
        command = option(command)
    return command


def gate_options(command: F) -> F:
    """Add the gates' flags that `alembic upgrade` has too; settings read and check the values."""
    for option in (
        click.option("--skip-shadow-check", is_flag=True, help="As upgrade with this flag."),
        click.option("--shadow-verified", is_flag=True, help="As upgrade with this flag."),
        click.option("--mode", metavar="MODE", help="dev, staging or production."),
        click.option("--allow-destructive", is_flag=True, help="Let pass what loses data."),
        click.option("--max-risk", metavar="N", help="Refuse what scores above N (0 to 100)."),
    ):
        command = option(command)
    return command
