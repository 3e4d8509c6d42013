"""`alembic zanith-expand`: a column gets another name or type while old and new versions run."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

import click
from alembic.script import Script, ScriptDirectory
from sqlalchemy import Connection

from alembic_zanith.errors import AmbiguousTargetError, UnknownObjectError, ZanithError
from alembic_zanith.expansion.asking import renaming, retyping
from alembic_zanith.expansion.column import OldColumn, read_column
from alembic_zanith.expansion.files import Place, write_pair
from alembic_zanith.expansion.request import Replacement
from alembic_zanith.expansion.scripts import contract, expand
from alembic_zanith.hooks import begins_own_transaction
from alembic_zanith.identifiers import display_name, target_parts
from alembic_zanith.integrity import pinned_settings
from alembic_zanith.sql import reading

from .errors import FailingGroup
from .options import database_option
from .project import Database, Project

EXPAND = "zanith-expand"

Ask = Callable[[Connection, OldColumn], Replacement]
F = TypeVar("F", bound=Callable[..., Any])


@click.group(EXPAND, cls=FailingGroup, context_settings={"help_option_names": ["-h", "--help"]})
def zanith_expand() -> None:
    """Write two revisions that put another column in the place of one.

    The first, "expand", adds the new column, keeps the two the same whichever is written, and fills
    it. Then old and new versions of the application run side by side. The second, "contract", ends
    that and parks the old column. The database is only read.
    """


def _revision_options(command: F) -> F:
    for option in (
        database_option,
        click.option("--version-path", metavar="PATH", help="As for `alembic revision`."),
        click.option(
            "--head", metavar="REVISION", help="Write on top of it, where there are several."
        ),
        click.option("--contract-rev-id", metavar="ID", help="The id of the second revision."),
        click.option("--rev-id", metavar="ID", help="The id of the first revision."),
        click.option("-m", "--message", metavar="TEXT", help="What both revisions are about."),
        click.option("--schema", metavar="NAME", help="The schema of the table."),
    ):
        command = option(command)
    return command


@zanith_expand.command("rename", short_help="Another name for a column.")
@click.argument("column", metavar="TABLE.COLUMN")
@click.argument("name", metavar="NEWNAME")
@_revision_options
@click.pass_obj
def rename_command(project: Project, /, column: str, name: str, **options: str | None) -> None:
    """Give a column another name in two steps.

    TABLE.COLUMN is quoted as in SQL where needed: '"Order Lines".note'. NEWNAME is taken as it is.
    """

    def ask(connection: Connection, old: OldColumn) -> Replacement:
        return renaming(old, name)

    _write(project, column, ask, f"rename {column} to {name}", options)


@zanith_expand.command("type", short_help="Another type for a column.")
@click.argument("column", metavar="TABLE.COLUMN")
@click.argument("type_", metavar="TYPE")
@click.option("--as", "as_name", metavar="NAME", help="The new column until the contract.")
@click.option("--forward", metavar="SQL", help="The new column, made of the old one.")
@click.option("--backward", metavar="SQL", help="The old column, made of the new one.")
@click.option("--default", metavar="SQL", help="The default of the new column.")
@_revision_options
@click.pass_obj
def type_command(
    project: Project,
    /,
    column: str,
    type_: str,
    as_name: str | None,
    forward: str | None,
    backward: str | None,
    default: str | None,
    **options: str | None,
) -> None:
    """Give a column another type in two steps.

    The new column is called COLUMN_new, or as --as says, until the contract gives it the name of
    the old one. Values are cast, unless --forward and --backward say what becomes of them; names in
    these, but PostgreSQL's own, are written with their schema.
    """

    def ask(connection: Connection, old: OldColumn) -> Replacement:
        return retyping(
            connection,
            old,
            type_,
            name=as_name,
            forward=forward,
            backward=backward,
            default=default,
        )

    _write(project, column, ask, f"{column} becomes {type_}", options)


@dataclass(frozen=True)
class _Asked:
    """What is to be written, and for which functions of the scripts."""

    replacement: Replacement
    tokens: tuple[str, str]


def _write(
    project: Project, column: str, ask: Ask, what: str, options: dict[str, str | None]
) -> None:
    schema, table, name = _target(column, options["schema"])
    directory = ScriptDirectory.from_config(project.config)

    def work(visited: Database) -> _Asked | UnknownObjectError:
        _require_newest(directory, visited, options["head"])
        connection = visited.connection
        default_schema = str(connection.dialect.default_schema_name)
        try:
            with reading(connection), pinned_settings(connection):
                old = read_column(connection, table, name, schema, default_schema)
                asked = ask(connection, old)
        except UnknownObjectError as error:
            return error
        tokens = (visited.context.opts.get(f"{each}_token") for each in ("upgrade", "downgrade"))
        upgrades, downgrades = tokens
        asked = replace(asked, at_once=begins_own_transaction(visited.context))
        return _Asked(asked, (str(upgrades or "upgrades"), str(downgrades or "downgrades")))

    asked = _only(column, project.visit(work, options["database"]))
    message = options["message"] or what
    place = Place(
        options["head"],
        options["version_path"],
        (options["rev_id"], options["contract_rev_id"]),
        asked.tokens,
    )
    bodies = {
        f"expand {message}": expand(asked.replacement),
        f"contract {message}": contract(asked.replacement),
    }
    scripts = write_pair(project.config, directory, place, bodies)
    if not project.quiet:
        click.echo("\n".join(_told(asked.replacement, scripts)))


def _target(column: str, schema: str | None) -> tuple[str | None, str, str]:
    parts = target_parts(column)
    # As PostgreSQL folds what is not quoted.
    names = [part.name if part.is_quoted else part.name.lower() for part in parts]
    if len(names) == 1:
        raise ZanithError(f"{column!r} names no column. Write TABLE.COLUMN, as in users.full_name.")
    if len(names) == 3:
        if schema is not None and schema != names[0]:
            raise ZanithError(f"{column!r} and --schema {schema} name two schemas.")
        schema = names[0]
    return schema, names[-2], names[-1]


def _require_newest(directory: ScriptDirectory, visited: Database, head: str | None) -> None:
    """Raise where the database is not what the new revisions will be run on."""
    wanted = {each.revision for each in directory.get_revisions(head or "heads")}
    if not wanted <= set(visited.heads):
        at = ", ".join(visited.heads) or "no revision"
        raise ZanithError(
            f"{visited.label} is at {at}, and the project's newest is {', '.join(sorted(wanted))}. "
            "Nothing was written, for what is read from the database would not be what the new "
            "revisions meet. Run `alembic upgrade heads` first."
        )


def _only(column: str, found: dict[str, _Asked | UnknownObjectError]) -> _Asked:
    hits = {label: each for label, each in found.items() if isinstance(each, _Asked)}
    if len(hits) > 1:
        raise AmbiguousTargetError(
            f"{column!r} is in several databases: {', '.join(hits)}. Choose one with --database."
        )
    for each in (*hits.values(), *found.values()):
        if isinstance(each, _Asked):
            return each
        raise each
    raise AssertionError("a project that was visited has a database")


def _told(asked: Replacement, scripts: Sequence[Script]) -> list[str]:
    """Return what was written, and what to do between the two."""
    first, second = scripts
    old, new = display_name(asked.column), display_name(asked.name)
    table = asked.old.relation.name.display
    lines = [
        f"Written: {first.path}",
        f"Written: {second.path}",
        "",
        f"1. Run `alembic upgrade {first.revision}`. From then on {table}.{old} and {table}.{new} "
        "are kept the same, whichever is written.",
    ]
    if asked.swaps:
        lines += [
            f"2. Deploy the version that works with {old} of either type. One that cannot may read "
            f"and write {new} until the contract.",
            f"3. When no other version runs any more, run `alembic upgrade {second.revision}`: "
            f"{new} takes the name {old}, and the old column is parked.",
        ]
    else:
        lines += [
            f"2. Deploy the version that reads and writes {new}.",
            f"3. When no version that knows {old} runs any more, run "
            f"`alembic upgrade {second.revision}`: {old} is parked.",
        ]
    if asked.at_once:
        lines += [
            "",
            "env.py begins the transaction itself, so that the first revision is one transaction: "
            "everybody else waits for the table until its rows are filled. Where env.py leaves "
            "that to context.begin_transaction(), the pair is written for running beside others.",
        ]
    if asked.old.statistics:
        names = ", ".join(display_name(each) for each in asked.old.statistics)
        lines += ["", f"Not carried over: the extended statistics {names}."]
    return lines
