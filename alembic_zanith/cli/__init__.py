"""The `alembic zanith-*` commands: thin shells over the rest of the package."""

from .main import plan, recover

__all__ = ["plan", "recover"]
