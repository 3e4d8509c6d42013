"""A migration as it runs: one step for each operation, and for each statement of its own."""

from .events import Hears, listening
from .model import Step
from .watching import Steps, StepsListener

__all__ = ["Hears", "Step", "Steps", "StepsListener", "listening"]
