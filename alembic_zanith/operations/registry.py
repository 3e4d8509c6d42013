"""The operations of this package, by kind, and the decorator that puts them on `op`."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from alembic.operations import BatchOperations, MigrateOperation, Operations

OPERATIONS: dict[str, type[MigrateOperation]] = {}
"""Every operation class by its kind, which is also its name on `op` and of its docs page."""

O = TypeVar("O", bound=type[MigrateOperation])  # noqa: E741 -- it is a type


def operation(kind: str, *, batch: bool = False) -> Callable[[O], O]:
    """Register an operation class as `op.<kind>`, and with `batch` as `batch_op.<kind>` too.

    The class has a classmethod named like the kind, and for a batch one named `batch_<kind>`.
    """

    def register(cls: O) -> O:
        OPERATIONS[kind] = cls
        Operations.register_operation(kind)(cls)
        if batch:
            BatchOperations.register_operation(kind, f"batch_{kind}")(cls)
        return cls

    return register
