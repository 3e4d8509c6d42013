"""What the author of a script allows in it, with the reason why it is right here.

    # zanith: allow drops_index — the new one covers it
    op.drop_index("users_email")

or for the whole script::

    zanith_allow = ["drops_index — all of them are built anew"]

A code is a reason or a kind of risk. Comments count on every line of a statement, and
those with a line for themselves for the statement below. Scripts are read for this, not run.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from alembic_zanith.errors import did_you_mean
from alembic_zanith.risk import changes as _changes  # noqa: F401 -- publishes the kinds
from alembic_zanith.risk.assessment import Assessment
from alembic_zanith.risk.change import KINDS
from alembic_zanith.risk.reasons import Reason

from .model import Suppression

MODULE_LIST = "zanith_allow"

_COMMENT = re.compile(r"#\s*zanith:\s*(?P<rest>.*)", re.IGNORECASE)
_ALLOW = re.compile(r"allow\s+(?P<rest>.*)", re.IGNORECASE | re.DOTALL)
# A dash of any kind or a colon, between codes and why.
_SEPARATED = re.compile(
    r"^(?P<codes>[\w\s,]*?)\s*(?:\u2014|\u2013|--?|:)\s*(?P<why>.*)$", re.DOTALL
)


@dataclass(frozen=True)
class Suppressions:
    """All suppressions of one script."""

    on_lines: tuple[Suppression, ...] = ()
    """Those in comments."""
    everywhere: tuple[Suppression, ...] = ()
    """Those of the list at module level."""
    statements: tuple[tuple[int, int], ...] = ()
    """First and last line of each statement, inner ones last."""
    malformed: tuple[tuple[int, str], ...] = ()
    """Line and text of comments and entries that are meant for us and say nothing."""

    @property
    def all(self) -> tuple[Suppression, ...]:
        """Every one, wherever it stands."""
        return (*self.on_lines, *self.everywhere)

    def allowing(self, line: int | None, assessment: Assessment) -> tuple[Suppression, ...]:
        """Return those that together allow an operation of the script."""
        if not self.on_lines and not self.everywhere:
            return ()
        return self.covering(line, assessment.reasons_of_changes, assessment.only_kind)

    def covering(
        self, line: int | None, reasons: Iterable[Reason], kind: str
    ) -> tuple[Suppression, ...]:
        """Return those that together allow an operation: its kind, or every reason of it.

        None where something is left that nobody allowed.
        """
        here = [*self._at(line), *self.everywhere]
        by_code = {each.code: each for each in reversed(here) if each.why}
        if kind in by_code:
            return (by_code[kind],)
        wanted = [str(reason) for reason in reasons]
        if not wanted or any(code not in by_code for code in wanted):
            return ()
        return tuple(by_code[code] for code in wanted)

    def complaints(self, used: Iterable[Suppression]) -> tuple[str, ...]:
        """Return a sentence for each that has no effect: malformed, unknown, unused."""
        return tuple(self._complaints(set(used)))

    def _complaints(self, used: set[Suppression]) -> Iterator[str]:
        for line, text in self.malformed:
            yield (
                f"line {line}: {text!r} allows nothing. Write # zanith: allow CODE — reason, or "
                f'{MODULE_LIST} = ["CODE — reason"].'
            )
        for each in self.all:
            known = {str(reason) for reason in Reason} | KINDS.keys()
            if each.code not in known:
                hint = did_you_mean(each.code, known)
                yield f"line {each.line}: there is no reason or kind {each.code!r}.{hint}"
            elif not each.why:
                yield (
                    f"line {each.line}: {each.code} is allowed without a reason, so it is not "
                    "allowed. Add the reason: — why it is right here."
                )
            elif each not in used:
                yield f"line {each.line}: nothing needs to be allowed {each.code}; take it out."

    def _at(self, line: int | None) -> Iterator[Suppression]:
        if line is None:
            return
        first, last = self._statement(line)
        for each in self.on_lines:
            if first <= each.line <= last or (each.stands_alone and each.line == first - 1):
                yield each

    def _statement(self, line: int) -> tuple[int, int]:
        found = [span for span in self.statements if span[0] <= line <= span[1]]
        return min(found, key=lambda span: span[1] - span[0], default=(line, line))


def read_suppressions(source: str) -> Suppressions:
    """Read the suppressions of a script; one that is no valid Python has none.

    >>> found = read_suppressions("x = 1  # zanith: allow drops_index, raw_sql — rebuilt")
    >>> [(each.code, each.why, each.line) for each in found.on_lines]
    [('drops_index', 'rebuilt', 1), ('raw_sql', 'rebuilt', 1)]
    """
    if "zanith" not in source:
        return Suppressions()
    try:
        tree = ast.parse(source)
        comments = list(_comments(source))
    except (SyntaxError, ValueError, RecursionError, MemoryError, tokenize.TokenError):
        return Suppressions()
    malformed: list[tuple[int, str]] = []
    on_lines: list[Suppression] = []
    for line, text, stands_alone in comments:
        match = _ALLOW.match(text)
        found = list(_parsed(match["rest"], line, stands_alone)) if match else []
        on_lines += found
        if not found:
            malformed.append((line, f"# zanith: {text}".strip()))
    everywhere: list[Suppression] = []
    for line, entry in _entries(tree):
        found = list(_parsed(entry, line))
        everywhere += found
        if not found:
            malformed.append((line, entry))
    spans = tuple(
        (node.lineno, node.end_lineno or node.lineno)
        for node in ast.walk(tree)
        if isinstance(node, ast.stmt) and not hasattr(node, "body")
    )
    return Suppressions(tuple(on_lines), tuple(everywhere), spans, tuple(malformed))


def _comments(source: str) -> Iterator[tuple[int, str, bool]]:
    """Yield line and text of each comment that is meant for us, and if it has a line for itself."""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        match = _COMMENT.match(token.string) if token.type == tokenize.COMMENT else None
        if match is not None:
            stands_alone = not token.line[: token.start[1]].strip()
            yield token.start[0], match["rest"].strip(), stands_alone


def _entries(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in tree.body:
        if isinstance(node, ast.Assign):
            targets: list[ast.expr] = node.targets
        elif isinstance(node, ast.AnnAssign):
            targets = [node.target]
        else:
            continue
        value = node.value
        names = [target.id for target in targets if isinstance(target, ast.Name)]
        if MODULE_LIST not in names or value is None:
            continue
        if not isinstance(value, ast.List | ast.Tuple):
            yield value.lineno, ast.unparse(value)
            continue
        for item in value.elts:
            is_text = isinstance(item, ast.Constant) and isinstance(item.value, str)
            yield item.lineno, ast.literal_eval(item) if is_text else ast.unparse(item)


def _parsed(text: str, line: int, stands_alone: bool = False) -> Iterator[Suppression]:
    match = _SEPARATED.match(text.strip())
    codes, why = (match["codes"], match["why"].strip()) if match else (text, "")
    for code in codes.split(","):
        if re.fullmatch(r"\w+", code.strip()):
            yield Suppression(code.strip(), why, line, stands_alone)
