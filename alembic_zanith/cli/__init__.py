"""The `alembic zanith-*` commands: thin shells over the rest of the package."""

from .main import drift, plan, recover, verify

__all__ = ["drift", "plan", "recover", "verify"]
