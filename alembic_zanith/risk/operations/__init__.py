"""Read Alembic's own operations into changes, one file a family.

The entries of this package's operations are beside them, in `alembic_zanith.operations`.
"""

from . import columns, constraints, indexes, raw_sql, tables

__all__ = ["columns", "constraints", "indexes", "raw_sql", "tables"]
