"""Read operations of Alembic and of other packages into changes, one file a family.

The entries of this package's operations are beside them, in `alembic_zanith.operations`.
"""

from . import columns, constraints, indexes, other_packages, raw_sql, tables

__all__ = ["columns", "constraints", "indexes", "other_packages", "raw_sql", "tables"]
