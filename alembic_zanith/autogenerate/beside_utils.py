"""Policies and extensions that alembic-utils looks after in the same project.

It is never imported here: https://github.com/olirice/alembic_utils
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from alembic.operations.ops import MigrateOperation

from .catalog import Table

PolicyName = tuple[Table, str]
"""The table of a policy, and its name."""

_REGISTRY = "alembic_utils.replaceable_entity"
_OPERATIONS = "alembic_utils.reversible_op"


class AlembicUtils:
    """What it has registered, and what it is going to drop by these operations."""

    def __init__(self, operations: Iterable[Any]) -> None:
        module = sys.modules.get(_REGISTRY)
        registered = [] if module is None else module.registry.entities()
        dropped = [each.target for each in operations if _drops(each)]
        self._registered = _Names(registered)
        self._known = _Names([*registered, *dropped])

    def looks_after_policy(self, table: Table, name: str) -> bool:
        """Whether it does all that there is to do about a policy."""
        return (table, name) in self._known.policies

    def looks_after_extension(self, name: str) -> bool:
        """Whether it does all that there is to do about an extension."""
        return name in self._known.extensions

    def without_drops(
        self,
        operations: Iterable[Any],
        policies: Iterable[PolicyName],
        extensions: Iterable[str],
    ) -> list[MigrateOperation]:
        """Return the operations without its drops of these, which others have declared.

        It drops every policy and extension that is not registered with it.
        """
        own = _Names(())
        own.policies = set(policies) - self._registered.policies
        own.extensions = set(extensions) - self._registered.extensions
        kept = []
        for each in operations:
            if _drops(each) and own.has(_Names([each.target])):
                self._known.policies -= _Names([each.target]).policies
                self._known.extensions -= _Names([each.target]).extensions
                continue
            kept.append(each)
        return kept


class _Names:
    """The names of those entities that are policies or extensions."""

    def __init__(self, entities: Iterable[Any]) -> None:
        found = list(entities)
        self.policies = {_policy(each) for each in _of_type(found, "policy")}
        self.extensions = {str(each.signature) for each in _of_type(found, "extension")}

    def has(self, other: _Names) -> bool:
        """Whether it has one of another's names."""
        return bool(self.policies & other.policies or self.extensions & other.extensions)


def _drops(operation: Any) -> bool:
    cls = type(operation)
    return (cls.__module__, cls.__name__) == (_OPERATIONS, "DropOp")


def _of_type(entities: list[Any], type_: str) -> Iterator[Any]:
    return (each for each in entities if getattr(each, "type_", None) == type_)


def _policy(entity: Any) -> PolicyName:
    schema, _, table = str(entity.on_entity).partition(".")
    return (schema, table), str(entity.signature)
