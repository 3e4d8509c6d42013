"""The `alembic zanith-*` commands: thin shells over the rest of the package."""

from .main import drift, expand, history, plan, recover, report, verify

__all__ = ["drift", "expand", "history", "plan", "recover", "report", "verify"]
