"""Gates in force: a plan before anything runs, and each statement again when it runs."""

from .run import around_run

__all__ = ["around_run"]
