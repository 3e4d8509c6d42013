"""`alembic zanith-verify`: pending revisions, rehearsed on a shadow database."""

from __future__ import annotations

import contextlib
import datetime as dt
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import click
from alembic.script import ScriptDirectory

from alembic_zanith.config import Settings, load_settings, settings_of
from alembic_zanith.errors import ZanithError
from alembic_zanith.gates.receipt import (
    Receipt,
    Rehearsal,
    Rehearsed,
    database_of,
    rehearsed,
    write_receipt,
)
from alembic_zanith.reports.verify_json import verifications_json
from alembic_zanith.reports.verify_terminal import verification_lines
from alembic_zanith.verification import Verdict, Verification
from alembic_zanith.verify.production import Production
from alembic_zanith.verify.run import VerifyRequest, verify
from alembic_zanith.verify.shadow import ShadowRequest

from .errors import RehearsingCommand
from .flags import flags_set
from .options import database_option
from .pending import Asked, pending
from .project import Database, Project
from .shadow import production_of, shadow_flags, shadow_options

VERIFY = "zanith-verify"


@click.command(
    VERIFY, cls=RehearsingCommand, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.argument("revision", required=False)
@shadow_options
@click.option(
    "--sample",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Copy up to N rows of each affected table, and what they refer to.",
)
@click.option(
    "--schema-from-production",
    is_flag=True,
    help="Start from production's schema, not from the first revision.",
)
@click.option("--strict", is_flag=True, help="Let findings count as drift.")
@click.option("--no-rehearsals", is_flag=True, help="Neither restore anything nor go back.")
@click.option("--receipt", metavar="FILE", help="Write the receipt there.")
@click.option(
    "--format", "format_name", type=click.Choice(["terminal", "json"]), default="terminal"
)
@click.option("-o", "--output", metavar="FILE", help="Write the report there.")
@click.option("-v", "--verbose", is_flag=True, help="Show all operations.")
@database_option
@click.pass_context
def zanith_verify(
    ctx: click.Context,
    /,
    revision: str | None,
    shadow_url: str | None,
    topology: str | None,
    keep: bool,
    sample: int,
    schema_from_production: bool,
    strict: bool,
    no_rehearsals: bool,
    receipt: str | None,
    format_name: str,
    output: str | None,
    verbose: bool,
    database: str | None,
) -> None:
    """Run pending revisions on a shadow, and see if they lead to what the models say.

    REVISION is what `alembic upgrade` takes (default: all heads). Production is only read. The exit
    status is 0 for the verdict ok, 3 for drift, 4 for apply-failed, 5 for shadow-unreachable, and 2
    where nothing could be begun. With the verdict ok the receipt is written that
    `alembic upgrade --shadow-verified` asks for.
    """
    project: Project = ctx.obj
    given = {**shadow_flags(shadow_url, topology), "receipt": receipt}
    taken: dict[str, _Taken] = {}
    scripts = ScriptDirectory.from_config(project.config)
    asked = Asked(revision)
    if asked.is_downgrade or asked.is_range:
        raise click.BadParameter(
            f"{revision} is nothing to upgrade to. Give a revision, or none for all heads; the way "
            "back is rehearsed with it.",
            param_hint="REVISION",
        )

    def work(visited: Database) -> Verification:
        settings = settings_of(visited.context)
        with production_of(visited, settings, scripts) as production:
            return rehearse(production, settings)

    def rehearse(production: Production, settings: Settings) -> Verification:
        steps = pending(production.scripts, asked, production.heads).steps
        taken[production.label or ""] = _Taken(
            database_of(production.context, production.arguments),
            # As they are now: what is edited while this goes on is not what was rehearsed.
            rehearsed(step.revision for step in steps),
        )
        request = VerifyRequest(
            ShadowRequest(settings.shadow_topology, settings.shadow_url, keep),
            sample,
            schema_from_production,
            strict,
            not no_rehearsals,
        )
        return verify(production, steps, request)

    with flags_set(project.config, given), contextlib.redirect_stdout(sys.stderr):
        settings = load_settings(project.config)
        found = project.visit(work, database, every_run=True)
        results = [
            replace(each, database=label if len(found) > 1 else None)
            for label, each in found.items()
        ]
        not_written: ZanithError | None = None
        try:
            results = _with_receipt(results, [*taken.values()], scripts, Path(settings.receipt))
        except ZanithError as error:
            # What was found out is not to be lost for that.
            not_written = error
    _show(results, format_name, output, verbose=verbose)
    if not_written is not None:
        raise not_written
    ctx.exit(max(each.verdict.exit_status for each in results))


@dataclass(frozen=True)
class _Taken:
    """What is rehearsed in one database: its name in env.py, and the scripts."""

    database: str | None
    scripts: tuple[Rehearsed, ...]


def _with_receipt(
    results: Sequence[Verification],
    taken: Sequence[_Taken],
    directory: ScriptDirectory,
    path: Path,
) -> list[Verification]:
    """Write the receipt where all went well, and take an older one away where it did not."""
    if not any(each.scripts for each in taken):
        return [*results]
    if not all(each.verdict is Verdict.OK for each in results):
        _take_away(path)
        return [*results]
    rehearsals = tuple(
        Rehearsal(
            what.database,
            each.heads,
            what.scripts,
            each.server_version,
            each.production_version,
            each.verdict.word,
            tuple(finding.text for finding in each.findings),
        )
        for each, what in zip(results, taken, strict=True)
    )
    heads = tuple(directory.get_heads())
    now = dt.datetime.now(dt.UTC)
    write_receipt(path, Receipt(rehearsals, heads, now, version("alembic-zanith")))
    return [replace(each, receipt=str(path)) for each in results]


def _take_away(path: Path) -> None:
    try:
        if path.is_file():
            path.unlink()
    except OSError as error:
        raise ZanithError(
            f"The receipt of an earlier rehearsal is still there: {path}: {error.strerror}. "
            "Delete it."
        ) from error


def _show(
    results: Sequence[Verification], format_name: str, output: str | None, *, verbose: bool
) -> None:
    text = verifications_json(results) if format_name == "json" else _text(results, verbose)
    if output in (None, "-"):
        click.echo(text, nl=False)
        return
    try:
        Path(str(output)).write_text(text, encoding="utf-8", errors="backslashreplace")
    except OSError as error:
        click.echo(text, nl=False)
        raise ZanithError(f"The report was not written: {output}: {error.strerror}.") from error
    for each in results:
        label = f"{each.database}: " if each.database else ""
        click.echo(f"{label}{each.verdict.word}")


def _text(results: Sequence[Verification], verbose: bool) -> str:
    pages = ("\n".join(verification_lines(each, verbose=verbose)) for each in results)
    return "\n\n".join(pages) + "\n"
