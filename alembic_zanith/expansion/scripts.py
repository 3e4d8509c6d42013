"""The text of the two revisions."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from alembic_zanith.identifiers import literal
from alembic_zanith.risk.change import TableRef
from alembic_zanith.risk.pasting import sql_name, sql_table
from alembic_zanith.risk.statements.renaming import constraint_renamed, index_renamed

from .column import Carried
from .request import PartNames, Replacement


@dataclass(frozen=True)
class Body:
    """What upgrade() and downgrade() of a revision do."""

    upgrade: str
    downgrade: str


def expand(asked: Replacement) -> Body:
    """Return the first revision: the new column beside the old one, kept the same."""
    upgrade = [*map(_execute, _adds(asked)), _sync("sync_columns", asked)]
    if asked.at_once:
        upgrade += _filled(asked)
    else:
        upgrade.append("with op.get_context().autocommit_block():")
        upgrade.append(textwrap.indent("\n".join(_filled(asked)), "    "))
    upgrade += _finishes(asked)
    downgrade = [_sync("unsync_columns", asked), _call("soft_drop_column", asked, asked.name)]
    return Body("\n".join(upgrade), "\n".join(downgrade))


def contract(asked: Replacement) -> Body:
    """Return the second revision: the old column parked, the new one alone."""
    upgrade = [_sync("unsync_columns", asked), _call("soft_drop_column", asked, asked.column)]
    back: list[str] = []
    if asked.swaps:
        upgrade.append(_rename(asked, asked.name, asked.column))
        back.insert(0, _rename(asked, asked.column, asked.name))
    final = asked.column if asked.swaps else asked.name
    if asked.late_default is not None:
        table, column = asked.table, sql_name(final)
        alter = f"ALTER TABLE {table} ALTER COLUMN {column}"
        upgrade.append(_execute(f"{alter} SET DEFAULT {asked.late_default}"))
        back.insert(0, _execute(f"{alter} DROP DEFAULT"))
    for part, names in _renamed(asked):
        upgrade.append(_execute(_rename_part(asked, part, names.meanwhile, names.finally_)))
        back.insert(0, _execute(_rename_part(asked, part, names.finally_, names.meanwhile)))
    meanwhile = {"column": asked.name, "forward": asked.forward, "backward": asked.backward}
    downgrade = [
        *back,
        _call("restore_column", asked, asked.column, meanwhile=meanwhile),
        _sync("sync_columns", asked),
    ]
    return Body("\n".join(upgrade), "\n".join(downgrade))


def _adds(asked: Replacement) -> Iterator[str]:
    """Yield what makes the new column, which may be there already when this is run again."""
    column, name = asked.old.column, sql_name(asked.name)
    collation = f" COLLATE {column.collation}" if column.collation and not asked.swaps else ""
    yield f"ALTER TABLE {asked.table} ADD COLUMN IF NOT EXISTS {name} {asked.type}{collation}"
    if asked.early_default is not None:
        # By itself, so that it is for new rows only.
        yield f"ALTER TABLE {asked.table} ALTER COLUMN {name} SET DEFAULT {asked.early_default}"
    if column.comment is not None:
        yield f"COMMENT ON COLUMN {asked.table}.{name} IS {literal(column.comment)}"
    for role, privilege, grantable in asked.old.grants:
        option = " WITH GRANT OPTION" if grantable else ""
        yield f"GRANT {privilege} ({name}) ON {asked.table} TO {role}{option}"


def _filled(asked: Replacement) -> Iterator[str]:
    """Yield what is done beside writers, each statement committed by itself.

    Run again after a failure, each takes away what it has left half done.
    """
    where = f"{sql_name(asked.name)} IS NULL"
    values = {asked.name: asked.forward}
    yield _call("backfill", asked, set=values, where=where)
    names = asked.names()
    for part in asked.old.carried:
        name = names[part].meanwhile
        if part.kind in ("i", "u"):
            index = sql_table(TableRef(name, asked.old.schema))
            if not asked.at_once:
                yield _execute(f"DROP INDEX CONCURRENTLY IF EXISTS {index}")
            yield _execute(_index(asked, part, name))
        else:
            yield from _checked_later(asked, name, _constraint(asked, part, name))
    if asked.old.column.not_null:
        check = _not_null_check(asked)
        condition = f"CHECK ({sql_name(asked.name)} IS NOT NULL) NOT VALID"
        add = f"ALTER TABLE {asked.table} ADD CONSTRAINT {sql_name(check)} {condition}"
        yield from _checked_later(asked, check, add)


def _checked_later(asked: Replacement, name: str, add: str) -> Iterator[str]:
    """Yield what adds a constraint, and has the rows read under a lock that lets others write."""
    if not asked.at_once:
        yield _execute(_drop_constraint(asked, name, if_exists=True))
    yield _execute(add)
    yield _execute(_validate(asked, name))


def _finishes(asked: Replacement) -> Iterator[str]:
    """Yield what takes a moment, in the transaction in which the revision is noted."""
    names = asked.names()
    for part in asked.old.carried:
        if part.kind == "u":
            name = sql_name(names[part].meanwhile)
            add = f"ADD CONSTRAINT {name} UNIQUE USING INDEX {name}{part.traits}"
            yield _execute(f"ALTER TABLE {asked.table} {add}")
    if asked.old.column.not_null:
        column = sql_name(asked.name)
        yield _execute(f"ALTER TABLE {asked.table} ALTER COLUMN {column} SET NOT NULL")
        yield _execute(_drop_constraint(asked, _not_null_check(asked)))


def _not_null_check(asked: Replacement) -> str:
    return asked.free_name(f"{asked.name}_not_null")


def _index(asked: Replacement, part: Carried, name: str) -> str:
    definition = part.index or part.definition
    made = index_renamed(definition, asked.column, asked.name, name, asked.old.default_schema)
    return made.replace(" CONCURRENTLY", "", 1) if asked.at_once else made


def _constraint(asked: Replacement, part: Carried, name: str) -> str:
    definition = part.definition.removesuffix(" NOT VALID") + " NOT VALID"
    return constraint_renamed(
        asked.table, definition, asked.column, asked.name, name, asked.old.default_schema
    )


def _validate(asked: Replacement, name: str) -> str:
    return f"ALTER TABLE {asked.table} VALIDATE CONSTRAINT {sql_name(name)}"


def _drop_constraint(asked: Replacement, name: str, *, if_exists: bool = False) -> str:
    which = f"{'IF EXISTS ' if if_exists else ''}{sql_name(name)}"
    return f"ALTER TABLE {asked.table} DROP CONSTRAINT {which}"


def _renamed(asked: Replacement) -> Iterable[tuple[Carried, PartNames]]:
    names = asked.names()
    pairs = ((part, names[part]) for part in asked.old.carried)
    return [(part, each) for part, each in pairs if each.meanwhile != each.finally_]


def _rename_part(asked: Replacement, part: Carried, old: str, new: str) -> str:
    if part.kind == "i":
        index = sql_table(TableRef(old, asked.old.schema))
        return f"ALTER INDEX {index} RENAME TO {sql_name(new)}"
    return f"ALTER TABLE {asked.table} RENAME CONSTRAINT {sql_name(old)} TO {sql_name(new)}"


def _rename(asked: Replacement, old: str, new: str) -> str:
    return _call("alter_column", asked, old, new_column_name=new)


def _sync(kind: str, asked: Replacement) -> str:
    expressions = {"forward": asked.forward, "backward": asked.backward}
    return _call(kind, asked, asked.column, asked.name, **expressions)


_ROOM = 92
"""Columns of a line, without its indent of at most two steps."""


def _call(operation: str, asked: Replacement, *names: str, **options: object) -> str:
    """Return the call of an operation on the table, on several lines where one is too long."""
    if asked.old.schema is not None:
        options["schema"] = asked.old.schema
    arguments = [repr(name) for name in (asked.table_name, *names)]
    arguments += [f"{key}={value!r}" for key, value in options.items()]
    return _laid_out(f"op.{operation}", arguments)


# What SQLAlchemy takes for a parameter: https://docs.sqlalchemy.org/en/20/core/sqlelement.html
_PARAMETER = re.compile(r"(?<![:\w\\]):(?=\w)")


def _execute(statement: str) -> str:
    return _laid_out("op.execute", [repr(_PARAMETER.sub(r"\\:", statement))])


def _laid_out(function: str, arguments: list[str]) -> str:
    line = f"{function}({', '.join(arguments)})"
    if len(line) <= _ROOM:
        return line
    inside = "".join(f"    {argument},\n" for argument in arguments)
    return f"{function}(\n{inside})"
