"""What is refused has changed nothing, for a caller who goes on after the error too."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.database import Database


def refusal(
    database: Database,
    kind: type[Exception],
    function: Callable[..., object],
    *arguments: object,
    **options: object,
) -> str:
    """Call a function that takes a connection, and commit; return the message of the error."""
    before = database.fingerprint()
    with database.begin() as connection:
        with pytest.raises(kind) as refused:
            function(connection, *arguments, **options)
        # The transaction is still good, and its settings are the caller's.
        assert connection.exec_driver_sql("SHOW search_path").scalar() == '"$user", public'
    assert database.fingerprint() == before
    return str(refused.value)
