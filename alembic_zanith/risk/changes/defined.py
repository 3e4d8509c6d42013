"""What a statement defines that runs later: the bodies of functions, triggers and rules."""

from __future__ import annotations

from dataclasses import dataclass

from alembic_zanith.risk.change import Change, TableRef


@dataclass(frozen=True)
class Routine:
    """A function or a procedure, and what its body changes whenever it is called."""

    name: TableRef
    arguments: str
    """Their types as written: one name can have several bodies."""
    does: tuple[Change, ...]


@dataclass(frozen=True)
class Trigger:
    """A trigger or a rule: what runs whenever one of the events happens to the table."""

    name: str
    table: TableRef
    events: frozenset[str]
    """Of `insert`, `update`, `delete` and `truncate`."""
    calls: TableRef | None = None
    """The function of a trigger."""
    does: tuple[Change, ...] = ()
    """The actions of a rule."""
