"""Every error that alembic-zanith raises on purpose.

All of them are Alembic's own `CommandError`, so that the `alembic` command prints
`FAILED: …` without a traceback and exits with a non-zero status. Each carries the object it
is about; the message says the consequence first and the way on after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches

from alembic.util import CommandError


class ZanithError(CommandError):
    """Base of all errors of this package."""


class ConfigurationError(ZanithError):
    """A setting is unknown or has a value that is not allowed."""


class RefusedError(ZanithError):
    """A gate does not let it pass. Nothing of it has run."""


class UnsupportedDatabaseError(ZanithError):
    """The operation was called on a database that is not PostgreSQL."""


class OfflineModeError(ZanithError):
    """The operation was called in `--sql` mode, which it cannot serve."""


class TransactionRequiredError(ZanithError):
    """The operation was called where PostgreSQL commits each statement by itself."""


class AutocommitRequiredError(ZanithError):
    """Raised in a transaction for what works in steps that are committed by themselves."""


class NotOnlineError(ZanithError):
    """It cannot be done while others read and write."""


class IsolationLevelError(ZanithError):
    """The transaction sees the database as it was before the table was locked."""


class UnknownObjectError(ZanithError):
    """No table, column or artifact has the given name."""


class NothingParkedError(UnknownObjectError):
    """Nothing that could be restored is parked under the given name."""


class AmbiguousTargetError(ZanithError):
    """A target names more than one artifact."""


class NameTakenError(ZanithError):
    """A name is in use, to restore under or for something new; nothing is ever overwritten."""


class NotReversibleError(ZanithError):
    """The reverse of an operation needs a definition that it was not given."""


class KeyChangedError(ZanithError):
    """The key of a table is of another type than when values were archived by it."""


class LabelChangedError(ZanithError):
    """A label of an enum type has another name than when values were archived by it."""


class UnusableKeyError(ZanithError):
    """A table cannot be walked by the key that was named for it."""


class OtherDefinitionError(ZanithError):
    """What was begun in batches is not what the script says now."""


class BatchFailedError(ZanithError):
    """A batch, or the one statement in place of batches, has failed.

    `row` is the key of a row that it fails on, as text; empty where that is not known.
    """

    def __init__(self, message: str, row: str = "") -> None:
        super().__init__(message)
        self.row = row


class NotSyncableError(ZanithError):
    """Two columns could not be kept the same, whatever is written."""


class NotInStepError(ZanithError):
    """Two columns that are kept the same are not so in each row: triggers were switched off."""


class FillError(ZanithError):
    """The expression for rows without a value does not work."""


class ExpressionError(ZanithError):
    """The expression that a column gets its values from does not work.

    `row` shows a row that it fails on; empty where that is not known.
    """

    def __init__(self, message: str, row: str = "") -> None:
        super().__init__(message)
        self.row = row


class OneWayError(ZanithError):
    """There is no way back for what was written since: nobody has said what it comes from."""


class DependentObjectsError(ZanithError):
    """Other objects need the column or table, so that a real DROP would be refused as well.

    `dependents` holds one line for each of them, as PostgreSQL words it.
    """

    def __init__(self, message: str, dependents: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.dependents = tuple(dependents)


class NotCommittedError(ZanithError):
    """The project's env.py did not commit what was done on its connection."""


class FailedAfterCommitError(ZanithError):
    """The project's env.py failed after what was done on its connection was, or may be, committed.

    What env.py raised is the `__cause__`.
    """


class HoldsParkedColumnsError(ZanithError):
    """A purge of a table would lose columns of it that are parked by themselves."""


class RestoredElsewhereError(ZanithError):
    """What a migration is to bring back was restored by hand, under another name."""


class NotDroppableError(ZanithError):
    """It cannot be dropped, or could not come back, for a reason other than dependents."""


class NoKeyError(ZanithError):
    """A column can be archived only from a table that has a key."""


class IntegrityError(ZanithError):
    """What is parked is no longer what was parked."""

    def __init__(self, message: str, expected: str, actual: str) -> None:
        super().__init__(message)
        self.expected = expected
        self.actual = actual


class DataMissingError(ZanithError):
    """The parked column, table or archive no longer exists."""


class BusyError(ZanithError):
    """Another session is at work on the same thing."""


class ConstraintConflictError(ZanithError):
    """Rows written while the object was parked make a captured constraint impossible."""

    def __init__(self, message: str, constraint: str, count: int | None = None) -> None:
        super().__init__(message)
        self.constraint = constraint
        self.count = count


class NotRestorableError(ZanithError):
    """It is kept for inspection only, or has nowhere to come back to as things are."""


class RebuildError(ZanithError):
    """A table cannot have its new shape: a column, an expression, a row or a part does not fit.

    `row` is the old row that it fails on, as JSON; empty where it is no single row.
    """

    def __init__(self, message: str, row: str = "") -> None:
        super().__init__(message)
        self.row = row


class ShadowUnreachableError(ZanithError):
    """There is no place to rehearse migrations in, or none that may be wiped."""


class MissingPrivilegeError(ZanithError):
    """The database role may not do what the operation needs."""


def did_you_mean(name: str, known: Iterable[str], limit: int = 3) -> str:
    """Return ` Did you mean 'a' or 'b'?` for the known names close to `name`, else nothing.

    >>> did_you_mean("emial", ["email", "id"])
    " Did you mean 'email'?"
    """
    lowered = {candidate.lower(): candidate for candidate in sorted(known)}
    close = [lowered[match] for match in get_close_matches(name.lower(), lowered, limit, 0.5)]
    if not close:
        return ""
    return " Did you mean " + " or ".join(repr(candidate) for candidate in close) + "?"
