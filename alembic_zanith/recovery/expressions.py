"""The expressions of a generated column, in a table and in its partitions and children."""

from __future__ import annotations

from collections.abc import Sequence

from alembic_zanith.catalog import capture
from alembic_zanith.catalog.capture import Scope
from alembic_zanith.catalog.parts import GeneratedExpression, OwnExpression


def expression_parts(
    scopes: Sequence[Scope], *, with_root: bool
) -> list[tuple[GeneratedExpression, ...]]:
    """Return what brings the expressions back, by table, the topmost first.

    A partition or child has a part where its expression is not the one from above, the topmost
    table only `with_root`. Nothing where PostgreSQL does not let an expression change.
    """
    found = [_expression(scope) for scope in scopes]
    root = found[0]
    if root is None or not all(map(capture.lets_expression_change, scopes)):
        return [() for _ in scopes]
    below = [
        (OwnExpression(each.column, each.type, each.expression),)
        if each is not None and each.expression != root.expression
        else ()
        for each in found[1:]
    ]
    return [(root,) if with_root else (), *below]


def _expression(scope: Scope) -> GeneratedExpression | None:
    parts = [found.part for found in capture.defaults(scope)]
    return next((part for part in parts if isinstance(part, GeneratedExpression)), None)
