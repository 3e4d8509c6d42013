"""The `alembic zanith-*` commands: thin shells over `alembic_zanith.recovery`."""

from .main import recover

__all__ = ["recover"]
