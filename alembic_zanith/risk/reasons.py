"""The published reasons: stable codes that suppressions, reports and dashboards refer to.

A reason may be added; none changes its meaning.
"""

from __future__ import annotations

from enum import Enum


class Reason(Enum):
    """Why an operation has its level.

    >>> Reason("drops_index").meaning
    'queries that used the index read the whole table'
    """

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Reason:
        """Make a member whose value is the code alone."""
        member = object.__new__(cls)
        member._value_ = code
        member.meaning = meaning
        return member

    def __str__(self) -> str:
        return str(self.value)

    # Additions.
    ADDS_NULLABLE_COLUMN = ("adds_nullable_column", "a new column that no row has to fill")
    ADDS_REQUIRED_COLUMN_WITHOUT_DEFAULT = (
        "adds_required_column_without_default",
        "fails on every row that is there, and in every INSERT that does not name the column",
    )
    ADDS_INDEX = ("adds_index", "writes to the table wait while the index is built")
    ADDS_UNIQUE_CONSTRAINT = (
        "adds_unique_constraint",
        "fails on duplicates, and writes to the table wait while its index is built",
    )
    ADDS_FOREIGN_KEY = (
        "adds_foreign_key",
        "fails on rows without a parent, and writes to both tables wait while they are read",
    )
    ADDS_EXTENSION = ("adds_extension", "new types and functions, often with a superuser's rights")
    ADDS_COLUMN_WITH_DEFAULT = (
        "adds_column_with_default",
        "a new column that every row has filled",
    )
    ADDS_CHECK_CONSTRAINT = (
        "adds_check_constraint",
        "fails on rows that break the rule, and the table is locked while they are read",
    )
    ADDS_PRIMARY_KEY = (
        "adds_primary_key",
        "fails on duplicates and NULLs, and the table is locked while its index is built",
    )
    ADDS_EXCLUSION_CONSTRAINT = (
        "adds_exclusion_constraint",
        "fails on rows that exclude each other, and the table is locked while its index is built",
    )

    ADDS_TRIGGER = (
        "adds_trigger",
        "its code runs in the statements of everybody from now on",
    )
    ADDS_ENUM_VALUE = ("adds_enum_value", "what runs may meet a value that it does not know")

    # Drops.
    DROPS_COLUMN_WITH_DATA = ("drops_column_with_data", "the values of the column are lost")
    DROPS_TABLE_WITH_DATA = ("drops_table_with_data", "the rows of the table are lost")
    DROPS_INDEX = ("drops_index", "queries that used the index read the whole table")
    DROPS_UNIQUE_CONSTRAINT = ("drops_unique_constraint", "duplicates are taken from now on")
    DROPS_FOREIGN_KEY = ("drops_foreign_key", "rows without a parent are taken from now on")
    DROPS_EXTENSION = ("drops_extension", "its types, functions and indexes go with it")
    DROPS_CONSTRAINT = ("drops_constraint", "rows that break the rule are taken from now on")
    DROPS_OBJECT = ("drops_object", "what calls or reads the object fails from now on")
    DELETES_ROWS = ("deletes_rows", "rows are lost")
    OVERWRITES_ROWS = ("overwrites_rows", "the values from before are lost")
    PARKS_DATA = ("parks_data", "readers find it gone, and one command brings it back")

    # Changes.
    NARROWS_COLUMN_TYPE = (
        "narrows_column_type",
        "fails on values that do not fit any more, or cuts them",
    )
    CHANGES_COLUMN_TYPE = ("changes_column_type", "the meaning or the form of the values changes")
    CHANGES_COLUMN_NULLABLE_TO_NOT_NULL = (
        "changes_column_nullable_to_not_null",
        "fails on NULLs, and the table is locked while it is read",
    )
    REBUILDS_TABLE = ("rebuilds_table", "nobody reads or writes the table while it is rewritten")
    REBUILDS_INDEX = (
        "rebuilds_index",
        "writes to the table wait while it is built anew, and so do reads that use the index",
    )
    REQUIRES_BACKFILL = ("requires_backfill", "rows that are there need values first")
    REPLACES_OBJECT = (
        "replaces_object",
        "what calls or reads the object meets another definition from now on",
    )
    CHANGES_SETTINGS = ("changes_settings", "how the object is stored or run changes")
    CHANGES_CATALOG = (
        "changes_catalog",
        "PostgreSQL's own tables are changed by hand, and nothing checks that they still agree",
    )
    CHANGES_PRIVILEGES = ("changes_privileges", "who may read and write changes")
    LOCKS_TABLE = ("locks_table", "others wait for the lock until the transaction ends")
    CHANGES_SERVER = (
        "changes_server",
        "it reaches beyond the database, where no transaction takes it back",
    )
    DISABLES_PROTECTION = (
        "disables_protection",
        "triggers, rules or checks that guarded the rows do not run from now on",
    )

    # Structure and raw SQL.
    RLS_CHANGE = ("rls_change", "every role sees other rows, in reads and in writes")
    RENAME_TABLE = ("rename_table", "everything that runs and knows the old name fails")
    RENAME_COLUMN = ("rename_column", "everything that runs and knows the old name fails")
    RENAMES_OBJECT = ("renames_object", "everything that runs and knows the old name fails")
    RAW_SQL = ("raw_sql", "written by hand: nothing but its text says what it does")
