"""What a statement reaches beyond one schema, read from its parse tree.

Whatever is not known to stay inside is taken to reach outside: a kind of statement, a name in
parts, a function of PostgreSQL's own that does something.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any

from alembic_zanith.identifiers import display_name
from alembic_zanith.risk.statements.parser import (
    Node,
    Statement,
    UnreadableSqlError,
    parse,
    strings,
    unwrap,
)
from alembic_zanith.risk.statements.plpgsql import (
    Embedded,
    embedded_in_block,
    embedded_in_body,
)
from alembic_zanith.risk.statements.values import option

from .leaving import CHECKS
from .staying import (
    COLUMN_LISTS,
    NAMES,
    STATEMENTS,
)

_SYSTEM = frozenset({"pg_catalog", "information_schema"})
_TEMPORARY = "pg_temp"

# The first part of a name in parts that is written in a string.
_FIRST_PART = re.compile(r'\s*(?:"(?P<quoted>(?:[^"]|"")+)"|(?P<plain>[^\s".(]+))\s*\.')


# https://www.postgresql.org/docs/current/datatype-oid.html: the types of names take numbers too
_NUMBER = re.compile(r"\s*\d+\s*")


class Walk:
    """Goes through all that a statement says, the code of functions and blocks included."""

    def statement(self, name: str) -> Iterator[str]:
        """Yield what is wrong with a kind of statement."""
        yield from ()

    def message(self, kind: str, message: Node, place: str) -> Iterator[str]:
        """Yield what is wrong with a node, which stands in a place of its parent."""
        yield from ()

    def names(self, place: str, parts: list[str]) -> Iterator[str]:
        """Yield what is wrong with a list of strings, which may be a name in parts."""
        yield from ()

    def unread(self, why: str) -> Iterator[str]:
        """Yield what is to be said of what cannot be read."""
        yield from ()

    def reasons(self, sql: str) -> Iterator[str]:
        """Yield what is wrong with a string of SQL, each as a verb and what follows it."""
        try:
            statements = parse(sql)
        except UnreadableSqlError as error:
            yield from self.unread(f"cannot be read ({str(error).rstrip('.')})")
            return
        for each in statements:
            yield from self._of(each)

    def _of(self, statement: Statement) -> Iterator[str]:
        waiting: list[tuple[str, Any]] = [("", statement.node)]
        yield from self.statement(statement.name)
        if statement.name in ("create_function_stmt", "do_stmt"):
            yield from self._code(statement)
        # Level by level, for what is nested deeply is deeper than Python goes.
        for place, message in waiting:
            kind = message.DESCRIPTOR.name
            yield from self.message(kind, message, place)
            for field, value in message.ListFields():
                if field.message_type is None:
                    continue
                parts = value if _is_repeated(value) else (value,)
                below = f"{kind}.{field.name}"
                if field.message_type.name != "Node":
                    waiting += ((below, part) for part in parts)
                    continue
                if len(parts) > 1 and all(unwrap(part)[0] == "string" for part in parts):
                    yield from self.names(below, strings(parts))
                for part in parts:
                    name, content = unwrap(part)
                    if name.endswith("_stmt"):
                        yield from self.statement(name)
                    if name:
                        waiting.append((below, content))

    def _code(self, statement: Statement) -> Iterator[str]:
        """Yield what code reaches that is written in a string."""
        is_block = statement.name == "do_stmt"
        language, texts = language_of(statement), _texts(statement)
        try:
            if language == "sql":
                yield from (reason for text in texts for reason in self.reasons(text))
            elif language == "plpgsql" and is_block:
                yield from self._embedded(embedded_in_block(statement.text))
            elif language == "plpgsql" and texts:
                result = _result(statement.node)
                yield from self._embedded(embedded_in_body(statement.text, texts[0], result))
            else:
                yield from self.unread(f"has code in {language}, which is not read")
        except UnreadableSqlError as error:
            yield from self.unread(f"has code that cannot be read ({str(error).rstrip('.')})")

    def _embedded(self, pieces: list[Embedded]) -> Iterator[str]:
        for piece in pieces:
            if piece.is_computed:
                sql = " ".join(piece.sql.split())[:60]
                yield from self.unread(f"runs SQL that is computed, EXECUTE {sql}")
            else:
                yield from self.reasons(piece.sql)


class Reach(Walk):
    """Reads statements that are to stay in `schema`; None for one that has no name yet.

    `functions` are those of pg_catalog that this server has beyond the usual ones.

    >>> list(Reach(None).reasons("DELETE FROM public.users"))
    ['names the schema public']
    """

    def __init__(self, schema: str | None, functions: Collection[str] = ()) -> None:
        self.schema = schema
        self.functions = frozenset(functions)

    def statement(self, name: str) -> Iterator[str]:
        """Yield what a kind of statement acts on that is in no schema."""
        if name not in STATEMENTS:
            words = name.removesuffix("_stmt").replace("_", " ").upper()
            yield f"acts on what is in no schema, or may do so ({words})"

    def message(self, kind: str, message: Node, place: str) -> Iterator[str]:
        """Yield what a node reaches."""
        if kind in CHECKS:
            yield from CHECKS[kind](self, message, place)

    def names(self, place: str, parts: list[str]) -> Iterator[str]:
        """Yield where a name in parts leads."""
        if place in COLUMN_LISTS:
            return
        if place in NAMES:
            yield from self.named(parts[:-1], may_be_system=NAMES[place])
        elif place != "List.items":  # whose meaning is known where the list is
            yield f"has a name in parts, {'.'.join(parts)}, that is not understood"

    def unread(self, why: str) -> Iterator[str]:
        """Yield it: what cannot be read may reach anything."""
        yield why

    def named(self, before: list[str], *, may_be_system: bool = False) -> Iterator[str]:
        """Yield why what stands before a name, its schema or more, leads outside."""
        if not before:
            return
        *database, schema = before
        if not database and schema in (self.schema, _TEMPORARY):
            return
        if not database and may_be_system and schema in _SYSTEM:
            return
        yield f"names the schema {'.'.join(map(display_name, before))}"

    def named_in_text(self, text: str) -> Iterator[str]:
        """Yield the same of a name that is written in a string, for PostgreSQL to look up."""
        if _NUMBER.fullmatch(text):
            yield f"names something by its number, {text.strip()}"
        found = _FIRST_PART.match(text)
        if found is not None:
            quoted, plain = found["quoted"], found["plain"]
            schema = quoted.replace('""', '"') if quoted is not None else plain.lower()
            yield from self.named([schema], may_be_system=True)


def language_of(statement: Statement) -> str:
    """Return what the code of a function or of a block is written in."""
    is_block = statement.name == "do_stmt"
    options = statement.node.args if is_block else statement.node.options
    given = option(options, "language")
    if given is not None:
        return strings([given])[0].lower()
    return "plpgsql" if is_block else "sql"


def body_of(statement: Statement) -> str | None:
    """Return the code of a function that is written in a string, None where none is."""
    return next(iter(_texts(statement)), None)


def _texts(statement: Statement) -> list[str]:
    is_block = statement.name == "do_stmt"
    body = option(statement.node.args if is_block else statement.node.options, "as")
    return [] if body is None else strings(getattr(unwrap(body)[1], "items", [body]))


def _result(node: Node) -> str:
    return strings(node.return_type.names)[-1] if node.HasField("return_type") else "void"


def _is_repeated(value: Any) -> bool:
    return not hasattr(value, "DESCRIPTOR")
