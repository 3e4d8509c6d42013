"""What the author of a script allows: comments on its calls, and a list for the whole of it.

A script is read as text; nothing of it is run.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import alembic_zanith.risk.operations
import alembic_zanith.risk.statements  # noqa: F401 -- both register kinds
from alembic_zanith.errors import did_you_mean
from alembic_zanith.risk.change import KINDS
from alembic_zanith.risk.reasons import Reason

from .model import Suppression
from .names import BYTE_ORDER_MARK

LIST_NAME = "zanith_allow"
_BODIES = {"body", "orelse", "finalbody", "handlers", "cases"}
_OURS = re.compile(r"#+\s*zanith\b(?P<text>.*)", re.DOTALL)
_ALLOW = re.compile(r"\s*:\s*allow\b\s*(?P<entry>.*)", re.DOTALL)
_ENTRY = re.compile(
    # An em dash, an en dash, hyphens or a colon.
    r"(?P<codes>\w+(?:\s*,\s*\w+)*)\s*,?\s*(?:(?:\u2014|\u2013|-+|:)\s*(?P<why>.*))?",
    re.DOTALL,
)


@dataclass(frozen=True)
class _Scope:
    """A suppression and the lines that it is for; without any it is for the whole script."""

    suppression: Suppression
    lines: range | None

    def reaches(self, line: int | None) -> bool:
        return self.lines is None or (line is not None and line in self.lines)


@dataclass(frozen=True)
class Suppressions:
    """All suppressions of one script."""

    scopes: tuple[_Scope, ...] = ()
    mistakes: tuple[str, ...] = ()
    """A sentence for each comment or list that is meant as one, but cannot be read."""

    def covering(
        self, operation_line: int | None, reasons: Iterable[Reason], kind: str
    ) -> tuple[Suppression, ...]:
        """Return the suppressions that together allow all reasons of an operation, or its kind.

        `operation_line` is where the operation is called; None has only what is for the whole
        script. Without one that covers everything, nothing is returned: half an allowance is none.

        >>> script = "op.drop_index('i')  # zanith: allow drops_index — nobody uses it"
        >>> found = read_suppressions(script).covering(1, [Reason.DROPS_INDEX], "drop_index")
        >>> [each.why for each in found]
        ['nobody uses it']
        """
        here = [each for each in self.scopes if each.reaches(operation_line)]
        # The nearest first, so that one of the whole script is used where there is no other.
        here.sort(key=lambda each: each.lines is None)
        valid: dict[str, Suppression] = {}
        for each in here:
            if each.suppression.why:
                valid.setdefault(each.suppression.code, each.suppression)
        if kind in valid:
            return (valid[kind],)
        codes = list(dict.fromkeys(str(reason) for reason in reasons))
        if not all(code in valid for code in codes):
            return ()
        return tuple(valid[code] for code in codes)

    def complaints(self, used: Iterable[Suppression]) -> tuple[str, ...]:
        """Return what is wrong with them, a sentence each, given those that covered something."""
        helped = set(used)
        found = (_complaint(each.suppression, helped) for each in self.scopes)
        return (*self.mistakes, *(sentence for sentence in found if sentence))


def read_suppressions(source: str) -> Suppressions:
    """Return the suppressions in the text of a script; one that does not parse has none."""
    if "zanith" not in source:  # most scripts, and reading their tokens is slow
        return Suppressions()
    source = source.removeprefix(BYTE_ORDER_MARK)
    try:
        tree = ast.parse(source)
        comments = list(_comments(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return Suppressions()
    scopes: list[_Scope] = []
    mistakes: list[str] = []
    spans = list(_spans(tree))
    alone = {line for line, _, is_alone in comments if is_alone}
    for line, text, is_alone in comments:
        ours = _OURS.fullmatch(text.strip())
        if ours is None:
            continue
        allow = _ALLOW.fullmatch(ours["text"])
        entries = _entries(allow["entry"], line) if allow else ()
        if not entries:
            mistakes.append(_unreadable(line, text.strip()))
        lines = _lines_of(line, spans, alone if is_alone else set())
        scopes += [_Scope(each, lines) for each in entries]
    for line, entry in _listed(tree):
        entries = _entries(entry, line) if entry is not None else ()
        if not entries:
            mistakes.append(_unreadable_list(line))
        scopes += [_Scope(each, None) for each in entries]
    return Suppressions(tuple(scopes), tuple(mistakes))


def _comments(source: str) -> Iterator[tuple[int, str, bool]]:
    """Yield the line and text of each comment, and whether it has the line to itself."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type == tokenize.COMMENT:
            yield token.start[0], token.string, not token.line[: token.start[1]].strip()


def _entries(text: str, line: int) -> tuple[Suppression, ...]:
    found = _ENTRY.fullmatch(text.strip())
    if found is None:
        # `drops_index because …`: the code is clear, the reason is not marked as one.
        found = re.match(r"(?P<codes>\w+)(?P<why>(?!.))?", text.strip(), re.DOTALL)
    if found is None:
        return ()
    why = (found["why"] or "").strip()
    codes = [code.strip() for code in found["codes"].split(",")]
    return tuple(Suppression(code, why, line) for code in codes)


def _spans(tree: ast.Module) -> Iterator[range]:
    """Yield the lines of each statement; of one with a body, those of what opens it."""
    for node in ast.walk(tree):
        if isinstance(node, ast.stmt):
            lines = [node.lineno, *_own_lines(node)]
            yield range(min(lines), max(lines) + 1)


def _own_lines(statement: ast.stmt) -> Iterator[int]:
    for name, value in ast.iter_fields(statement):
        if name in _BODIES:
            continue
        for part in value if isinstance(value, list) else [value]:
            for node in ast.walk(part) if isinstance(part, ast.AST) else ():
                if isinstance(node, ast.expr | ast.arg):
                    yield from (node.lineno, node.end_lineno or node.lineno)
    if _BODIES.isdisjoint(statement._fields):
        # The closing bracket of a call belongs to an expression; that of an import does not.
        yield statement.end_lineno or statement.lineno


def _lines_of(line: int, spans: list[range], alone: set[int]) -> range:
    """Return the lines that a comment is for; `alone` are the comments with a line of their own."""
    around = [span for span in spans if line in span]
    if around:
        return min(around, key=len)
    if line not in alone:
        return range(line, line + 1)
    # Further comments may stand between it and the statement, an empty line may not.
    below = line
    while below in alone:
        below += 1
    following = [span for span in spans if span.start == below]
    if not following:
        return range(line, line + 1)
    return range(line, max(span.stop for span in following))


def _listed(tree: ast.Module) -> Iterator[tuple[int, str | None]]:
    """Yield line and text of each entry of the script's list; None where it cannot be read."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pass
            case _:
                continue
        if name != LIST_NAME:
            continue
        if not isinstance(value, ast.List | ast.Tuple):
            yield node.lineno, None
            continue
        for each in value.elts:
            is_text = isinstance(each, ast.Constant) and isinstance(each.value, str)
            yield each.lineno, each.value if is_text else None  # type: ignore[attr-defined]  # a Constant


def _complaint(suppression: Suppression, used: set[Suppression]) -> str:
    code, line = suppression.code, suppression.line
    known = {str(reason) for reason in Reason} | set(KINDS)
    if code not in known:
        return (
            f"Line {line} allows {code!r}, which is no reason and no kind of operation."
            f"{did_you_mean(code, known)}"
        )
    if not suppression.why:
        return (
            f"Line {line} allows {code} without a reason, so it allows nothing. "
            f"Say why it is right here: # zanith: allow {code} — the reason"
        )
    if suppression not in used:
        return f"Line {line} allows {code}, but nothing that it is for has that risk. Remove it."
    return ""


def _unreadable(line: int, text: str) -> str:
    return (
        f"Line {line} cannot be read as a suppression: {text}. "
        "Write: # zanith: allow drops_index — the reason"
    )


def _unreadable_list(line: int) -> str:
    return (
        f"Line {line}: {LIST_NAME} is not a list of plain strings with a code and a reason each, "
        f'and nothing runs to find out. Write: {LIST_NAME} = ["drops_index — the reason"]'
    )
