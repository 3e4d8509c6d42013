"""The `alembic zanith-*` commands: thin shells over the rest of the package."""

from .main import drift, history, plan, recover, report, verify

__all__ = ["drift", "history", "plan", "recover", "report", "verify"]
