"""Look at the rows that are there, before a constraint is added that they may break."""

from .probe import Probe
from .reading import probes_in
from .running import Found, Outcome, run_probe
from .staleness import is_stale

__all__ = ["Found", "Outcome", "Probe", "is_stale", "probes_in", "run_probe"]
