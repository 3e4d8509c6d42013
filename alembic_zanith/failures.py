"""Errors of the database, turned into messages that say the consequence and the fix."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError

from .errors import MissingPrivilegeError, ZanithError
from .redaction import without_passwords

# By SQLSTATE, or its class of two characters where all of the class mean the same:
# https://www.postgresql.org/docs/current/errcodes-appendix.html
_ADVICE = {
    "42501": "Run it as the owner of the table, or grant the role what it lacks.",
    "55P03": "Another session holds the lock. Run it again when that one is done, or with a "
    "higher lock_timeout.",
    "57014": "The statement was cancelled. Run it again with a higher statement_timeout.",
    "40P01": "Two sessions waited for each other. Run it again.",
    "40001": "Another transaction got in between. Run it again.",
    "25006": "This database takes no writes. Connect to the primary server.",
    "25P02": "A statement before this one failed and was not rolled back. Mend that first.",
    "53100": "The server's disk is full. Make room and run it again.",
    "53": "The server is out of resources. Run it again when it has room.",
    "57P": "Run it again when the server is up.",
    "08": "Check that the server is up and can be reached, then run it again.",
}
_LOST = ("08", "57P")
# Their detail is a whole row, with whatever it holds.
_SHOWS_ROW = ("23502", "23514")


@contextmanager
def database_errors_explained(action: str) -> Iterator[None]:
    """Turn a DBAPI error into a `ZanithError` that begins with `action` and says what to do.

    The error that it came from stays its cause. The text never holds parameters or a URL, hence
    no password.

    Raises `MissingPrivilegeError` where the role may not do it, else `ZanithError`.

    Example::

        with database_errors_explained("restore_column('users', 'legacy_uuid')"):
            ...
    """
    try:
        yield
    except DBAPIError as error:
        raise explained(action, error) from error


def explained(action: str, error: DBAPIError) -> ZanithError:
    """Return the error that a user should see in place of this one of the database's."""
    state = sqlstate(error)
    reason = server_message(error)
    if error.connection_invalidated or state.startswith(_LOST):
        return ZanithError(
            f"{action} changed nothing: the connection to the database was lost, and PostgreSQL "
            f"rolls the transaction back ({reason}). {_advice(state) or _ADVICE['08']}"
        )
    kind = MissingPrivilegeError if state == "42501" else ZanithError
    return kind(f"{action} changed nothing: {reason}. {_advice(state)}".rstrip())


def _advice(state: str) -> str:
    return next((_ADVICE[key] for key in (state, state[:3], state[:2]) if key in _ADVICE), "")


def sqlstate(error: DBAPIError) -> str:
    """Return the SQLSTATE that the server gave, or an empty text.

    psycopg and asyncpg call it `sqlstate`, psycopg2 `pgcode`.
    """
    original = error.orig
    return str(getattr(original, "sqlstate", None) or getattr(original, "pgcode", None) or "")


def server_message(error: DBAPIError) -> str:
    """Return what the server said, with its detail, in one line."""
    diagnostics = getattr(error.orig, "diag", None)
    primary = getattr(diagnostics, "message_primary", None)
    if primary:
        detail = getattr(diagnostics, "message_detail", None)
        if sqlstate(error) in _SHOWS_ROW:
            detail = None
        text = f"{primary} ({detail})" if detail else str(primary)
    else:
        # SQLAlchemy's asyncpg errors begin with the class: "<class '…'>: the message"
        text = str(error.orig).rpartition(">: ")[2]
        text = ". ".join(line.strip() for line in text.splitlines() if line.strip())
    return " ".join(text.split()).rstrip(".?")


def reason_of(error: BaseException) -> str:
    """Return what an error of any kind says, in one line without its full stop."""
    if isinstance(error, DBAPIError):
        return server_message(error)
    return " ".join(_text(error).split()).rstrip(".") or type(error).__name__


def raised(error: BaseException) -> str:
    """Return what a script has raised, as a reason: without the passwords in it.

    >>> raised(ValueError("password=s3cret"))
    'it raises ValueError: password=***'
    """
    return f"it raises {type(error).__name__}: {without_passwords(_text(error))}"


def _text(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # which is not to be told in its place
        return ""
