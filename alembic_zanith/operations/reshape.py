"""What splitting a column and merging columns have in common: arguments, and what is read of them.

Either takes the values of some columns, the sources, to others, the targets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import sqlalchemy as sa
from alembic.operations import Operations
from alembic.operations.ops import MigrateOperation

from alembic_zanith.config import DEFAULT_RETENTION_DAYS
from alembic_zanith.errors import ConfigurationError, did_you_mean

from .drops import checked_retention
from .naming import check_names
from .rendering import call, name_literal, rendered_elements

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext

    from alembic_zanith.recovery import ReshapeReport
    from alembic_zanith.risk.change import Change

Then = Literal["soft_drop", "archive", "keep"]
Target = str | sa.Column[Any]

_WAYS: tuple[Then, ...] = ("soft_drop", "archive", "keep")


class ReshapeOperation(MigrateOperation):
    """Takes the values of `sources` to `targets`, by expressions; `back` has those of the sources.

    Targets are definitions, or names where the columns are parked or there already.
    """

    kind: ClassVar[str]

    def __init__(
        self,
        table_name: str,
        sources: Sequence[str],
        targets: Sequence[Target],
        values: Mapping[str, str] | None,
        back: Mapping[str, str] | None,
        *,
        then: Then,
        into_exists: bool,
        schema: str | None,
        retention_days: int | None,
        _reverse: MigrateOperation | None,
    ) -> None:
        check_names(self.kind, table_name=table_name)
        for name in sources:
            check_names(self.kind, column_name=name)
        self.table_name = table_name
        self.schema = schema
        self.sources = tuple(str(name) for name in sources)
        self.definitions = {str(t.name): t for t in targets if isinstance(t, sa.Column)}
        self.targets = tuple(map(target_name, targets))
        self.retention_days = checked_retention(self.kind, retention_days)
        if then not in _WAYS:
            raise self._wrong(f"then={then!r} is none of {', '.join(map(repr, _WAYS))}")
        self.then = then
        self.into_exists = bool(into_exists)
        self._reverse = _reverse
        self._check_names()
        self.values = self._checked("using", values, self.targets)
        self.back = self._checked("reverse", back, self.sources)

    def __str__(self) -> str:
        names = self.sources[0] if self.is_from_one else list(self.sources)
        return f"{self.kind}({str(self.table_name)!r}, {names!r})"

    is_from_one: ClassVar[bool]
    """Whether the one source is written as it is, and the targets as a list."""

    def _wrong(self, what: str, hint: str = "") -> ConfigurationError:
        return ConfigurationError(f"{self}: {what}.{hint}")

    def _check_names(self) -> None:
        for what, names in (("columns", self.sources), ("into", self.targets)):
            if not names or not all(map(str.strip, names)):
                raise self._wrong(f"{what} needs the name of a column")
            twice = sorted({name for name in names if names.count(name) > 1})
            if twice:
                raise self._wrong(f"{what} names {', '.join(map(repr, twice))} twice")
        both = sorted({*self.sources} & {*self.targets})
        if both:
            raise self._wrong(f"into= names {both[0]!r}, which is what the values are taken from")
        for name, column in self.definitions.items():
            if column.computed is not None or column.identity is not None:
                raise self._wrong(f"into= has {name!r}, which gets its values by itself")
            if column.primary_key:
                raise self._wrong(
                    f"into= has {name!r} as primary key; add the key in a step of its own"
                )

    def _checked(
        self, argument: str, given: Mapping[str, str] | None, names: Sequence[str]
    ) -> dict[str, str] | None:
        """Return the expressions in the order of the columns; each column has one, no other has."""
        if given is None:
            return None
        found = {str(name): text for name, text in given.items()}
        unknown = [name for name in found if name not in names]
        if unknown:
            hint = did_you_mean(unknown[0], names)
            raise self._wrong(f"{argument}= has {unknown[0]!r}, which is no column of it", hint)
        missing = [name for name in names if name not in found]
        if missing:
            raise self._wrong(f"{argument}= has no expression for {', '.join(map(repr, missing))}")
        for name in names:
            if not isinstance(found[name], str) or not found[name].strip():
                raise self._wrong(f"{argument}= for {name!r} is no SQL expression, but a text")
        return {name: found[name] for name in names}

    def target(self, name: str) -> Target:
        """Return a target as it was given."""
        return self.definitions.get(name, name)

    def reversed_options(self) -> dict[str, Any]:
        """Return the options of the operation that takes the values back.

        What this one keeps is there already then; what was there is to be kept.
        """
        return {
            "then": "keep" if self.into_exists else "soft_drop",
            "into_exists": self.then == "keep",
            "schema": self.schema,
            "retention_days": self.retention_days,
            "_reverse": self,
        }

    def to_diff_tuple(self) -> tuple[str, str | None, str, list[str], list[str]]:
        """Return a description in the form that Alembic's own operations have."""
        return (self.kind, self.schema, self.table_name, [*self.sources], [*self.targets])


def as_mapping(
    kind: str, argument: str, given: object, name: str | None = None
) -> dict[str, str] | None:
    """Return expressions by column; with a name, those of the one column."""
    if given is None:
        return None
    if name is not None and isinstance(given, str):
        return {name: given}
    if name is None and isinstance(given, Mapping):
        return {str(key): value for key, value in given.items()}
    wanted = "an SQL expression" if name is not None else "a dict of columns, an expression each"
    raise ConfigurationError(f"{kind}: {argument}={given!r} is not {wanted}.")


def as_list(kind: str, argument: str, given: object) -> list[Any]:
    """Return what has to be several columns."""
    if isinstance(given, Sequence) and not isinstance(given, str | bytes):
        return [*given]
    raise ConfigurationError(f"{kind}: {argument}={given!r} is not a list of columns.")


def target_name(target: Target) -> str:
    """Return the name of a target."""
    return str((target.name or "") if isinstance(target, sa.Column) else target)


@Operations.implementation_for(ReshapeOperation)
def reshape(operations: Operations, operation: ReshapeOperation) -> ReshapeReport:
    # Here, because most runs reshape nothing, and it takes as long to import as all the rest.
    from .reshaping import run_reshape

    return run_reshape(operations, operation)


def reshape_call(
    context: AutogenContext,
    operation: ReshapeOperation,
    subject: str,
    into: str,
    using: object,
    reverse: object,
) -> str:
    """Render the call, one argument a line; `subject` and `into` are Python text already."""
    table = "" if context._has_batch else f"{name_literal(operation.table_name)}, "
    keywords: dict[str, object] = {"using": using}
    if reverse is not None:
        keywords["reverse"] = reverse
    if operation.then != "soft_drop":
        keywords["then"] = operation.then
    if operation.into_exists:
        keywords["into_exists"] = True
    if operation.schema and not context._has_batch:
        keywords["schema"] = str(operation.schema)
    if operation.retention_days != DEFAULT_RETENTION_DAYS:
        keywords["retention_days"] = operation.retention_days
    arguments = [f"{table}{subject}", f"into={into}"]
    return call(context, operation.kind, arguments, keywords, one_per_line=True)


def rendered_target(context: AutogenContext, operation: ReshapeOperation, name: str) -> str:
    """Render a target as it was given: its definition or its name."""
    target = operation.target(name)
    if isinstance(target, sa.Column):
        return rendered_elements(context, [target])[0]
    return name_literal(name)


def calls_of_expressions(operation: ReshapeOperation) -> Iterator[Change]:
    """Yield what the functions do that the expressions call."""
    # Here, because it takes PostgreSQL's grammar along.
    from alembic_zanith.risk.statements.functions import calls_in_expression

    for text in (operation.values or {}).values():
        yield from calls_in_expression(text)
