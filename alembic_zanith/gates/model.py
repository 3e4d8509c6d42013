"""Refusals, as values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from alembic_zanith.plan.model import PlannedOperation, PlannedRevision


class Gate(Enum):
    """The seven gates, each with the flag or setting that it is known by."""

    MAX_RISK = "max-risk"
    DESTRUCTIVE = "allow-destructive"
    PREFLIGHT = "preflight"
    LOCK = "advisory-lock"
    TRANSACTION = "transaction"
    SHADOW = "shadow-verified"
    DRY_RUN = "dry-run"


@dataclass(frozen=True)
class Refusal:
    """One thing that a gate does not let pass.

    `why` and `instead` are sentences; `revision` and `operation` are None where the whole run is
    refused.
    """

    gate: Gate
    why: str
    instead: str = ""
    revision: PlannedRevision | None = None
    operation: PlannedOperation | None = None


@dataclass(frozen=True)
class GateReport:
    """What the gates said of a plan: pass where nothing is refused."""

    mode: str
    refusals: tuple[Refusal, ...] = ()
    warnings: tuple[str, ...] = ()
    """What is worth knowing and refuses nothing: unfinished probes, suppressions that match
    nothing, scripts that could not be recorded to their end."""
    probes: tuple[str, ...] = ()
    """One line for each preflight probe: what it looked for and what it found."""

    @property
    def passed(self) -> bool:
        """Whether nothing is refused."""
        return not self.refusals
