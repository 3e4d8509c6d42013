"""A plan with what the gates say of it, and the formats that it can be shown in."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from alembic_zanith.gates.model import GateReport
    from alembic_zanith.plan.model import Plan


@dataclass(frozen=True)
class PlanReport:
    """One plan. `database` is its label in a project that has several."""

    plan: Plan
    gates: GateReport
    database: str | None = None


@dataclass(frozen=True)
class Layout:
    """How a report is laid out.

    Paths are from `root` on, by default the current folder. `width` is that of a terminal, None
    where nothing is to be wrapped. `verbose` shows SQL in full where it would be shortened.
    """

    root: str = ""
    width: int | None = None
    verbose: bool = False


Format = Callable[[Sequence[PlanReport], Layout], str]

FORMATS: dict[str, Format] = {}
"""Every format by the name that `--format` takes."""


def plan_format(name: str) -> Callable[[Format], Format]:
    """Offer a function as a format of plans."""

    def register(function: Format) -> Format:
        FORMATS[name] = function
        return function

    return register
