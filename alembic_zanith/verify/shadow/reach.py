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


class Reach:
    """Reads statements that are to stay in `schema`; None for one that has no name yet.

    `functions` are those of pg_catalog that this server has beyond the usual ones.
    """

    def __init__(self, schema: str | None, functions: Collection[str] = ()) -> None:
        self.schema = schema
        self.functions = frozenset(functions)

    def reasons(self, sql: str) -> Iterator[str]:
        """Yield what a string of SQL would reach outside, each as a verb and what follows it.

        >>> list(Reach(None).reasons("DELETE FROM public.users"))
        ['names the schema public']
        """
        try:
            statements = parse(sql)
        except UnreadableSqlError as error:
            yield f"cannot be read ({str(error).rstrip('.')})"
            return
        for each in statements:
            yield from self._of(each)

    def _of(self, statement: Statement) -> Iterator[str]:
        waiting: list[tuple[str, Any]] = [("", statement.node)]
        if statement.name not in STATEMENTS:
            yield _acts(statement.name)
        if statement.name in ("create_function_stmt", "do_stmt"):
            yield from self._code(statement)
        # Level by level, for what is nested deeply is deeper than Python goes.
        for place, message in waiting:
            kind = message.DESCRIPTOR.name
            if kind in CHECKS:
                yield from CHECKS[kind](self, message, place)
            for field, value in message.ListFields():
                if field.message_type is None:
                    continue
                parts = value if _is_repeated(value) else (value,)
                below = f"{kind}.{field.name}"
                if field.message_type.name != "Node":
                    waiting += ((below, part) for part in parts)
                    continue
                yield from self._names(below, parts)
                for part in parts:
                    name, content = unwrap(part)
                    if name.endswith("_stmt") and name not in STATEMENTS:
                        yield _acts(name)
                    if name:
                        waiting.append((below, content))

    def _names(self, place: str, nodes: Any) -> Iterator[str]:
        if place in COLUMN_LISTS or len(nodes) < 2:
            return
        if not all(unwrap(node)[0] == "string" for node in nodes):
            return
        parts = strings(nodes)
        if place in NAMES:
            yield from self.named(parts[:-1], may_be_system=NAMES[place])
        elif place != "List.items":  # whose meaning is known where the list is
            yield f"has a name in parts, {'.'.join(parts)}, that is not understood"

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
        found = _FIRST_PART.match(text)
        if found is not None:
            quoted, plain = found["quoted"], found["plain"]
            schema = quoted.replace('""', '"') if quoted is not None else plain.lower()
            yield from self.named([schema], may_be_system=True)

    def _code(self, statement: Statement) -> Iterator[str]:
        """Yield what code reaches that is written in a string."""
        is_block = statement.name == "do_stmt"
        options = statement.node.args if is_block else statement.node.options
        given, body = option(options, "language"), option(options, "as")
        language = strings([given])[0].lower() if given is not None else "plpgsql"
        if not is_block and given is None:
            language = "sql"
        texts = [] if body is None else strings(getattr(unwrap(body)[1], "items", [body]))
        try:
            if language == "sql":
                yield from (reason for text in texts for reason in self.reasons(text))
            elif language == "plpgsql" and is_block:
                yield from self._embedded(embedded_in_block(statement.text))
            elif language == "plpgsql" and texts:
                result = _result(statement.node)
                yield from self._embedded(embedded_in_body(statement.text, texts[0], result))
            else:
                yield f"has code in {language}, which is not read"
        except UnreadableSqlError as error:
            yield f"has code that cannot be read ({str(error).rstrip('.')})"

    def _embedded(self, pieces: list[Embedded]) -> Iterator[str]:
        for piece in pieces:
            if piece.is_computed:
                yield f"runs SQL that is computed, EXECUTE {' '.join(piece.sql.split())[:60]}"
            else:
                yield from self.reasons(piece.sql)


def _result(node: Node) -> str:
    return strings(node.return_type.names)[-1] if node.HasField("return_type") else "void"


def _is_repeated(value: Any) -> bool:
    return not hasattr(value, "DESCRIPTOR")


def _acts(name: str) -> str:
    words = name.removesuffix("_stmt").replace("_", " ").upper()
    return f"acts on what is in no schema, or may do so ({words})"
