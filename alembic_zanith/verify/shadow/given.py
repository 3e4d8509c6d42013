"""The database of `shadow_url`: wiped if it is empty or marked by a rehearsal, else refused.

A marker counts where it was made: it names the server and the database, so that one which came by a
dump, a template or a copy does not. And it says whether a rehearsal has left something. After one
that came to its end the database is empty, so whatever is in it later is somebody else's: a dump
that was restored into it, or an application that took it for a database of its own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError, DBAPIError

from alembic_zanith.config import ShadowTopology
from alembic_zanith.errors import ShadowUnreachableError
from alembic_zanith.failures import server_message, sqlstate
from alembic_zanith.sql import rows, scalar

from .connecting import (
    close,
    connected,
    engine_to,
    hidden,
    log,
    place_of,
    psql_command,
    server_version,
    session_like,
    shown,
)
from .identity import Identity, asking, identity_of
from .marker import Found, Marker, has_marker_schema, make_marker, read_marker, set_in_use
from .model import Shadow, ShadowRequest
from .turns import require_nobody_else, turn
from .wiping import foreign_contents, prepared, wipe

if TYPE_CHECKING:
    from sqlalchemy import URL, Connection, Engine

_ADVICE = "Check the URL, and that the server is up."
_EMPTY_ONE = (
    "Name an empty database with --shadow-url (setting shadow_url): each rehearsal wipes it."
)


@contextmanager
def given_database(production: Connection, request: ShadowRequest) -> Iterator[Shadow]:
    """Wipe the database of `shadow_url` if it is one that may be wiped, give it, and wipe it again.

    Raises `ShadowUnreachableError`.
    """
    url = _url(request.url)
    with asking(production):
        identity, session = identity_of(production), session_like(production)
    engine = engine_to(production, url)
    with turn(engine, _ADVICE) as lock:
        with _failures_told(url), connected(engine, _ADVICE) as connection:
            marker = _marker(connection, url, identity)
            require_nobody_else(connection, lock)
            set_in_use(connection, True)
            wipe(connection, marker.found)
            version = server_version(connection)
            is_shared = identity_of(connection).is_on_server_of(identity)
            place = place_of(connection)
        shadow_engine = session.hold_on(engine_to(production, url), place)
        with connected(shadow_engine, _ADVICE) as connection:
            how = (
                f"It is left as it is until the next rehearsal in it, which wipes it. To look at "
                f"it: {psql_command(url)}"
            )
            try:
                yield Shadow(
                    ShadowTopology.URL, connection, shown(url), None, version, how, is_shared
                )
            finally:
                # Else it would wait for locks of this one.
                close(connection)
                if not request.keep:
                    _wipe_again(engine, marker, url, place)


def _url(text: str | None) -> URL:
    if not text:
        raise ShadowUnreachableError(
            "No database is named to rehearse in. Give --shadow-url URL, or the setting shadow_url."
        )
    # Heroku and others write it so, and SQLAlchemy does not read it.
    if text.startswith("postgres://"):
        text = text.replace("postgres://", "postgresql://", 1)
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        # What SQLAlchemy says of it may have the password.
        raise ShadowUnreachableError(
            "shadow_url is no URL. Write it as postgresql://user:password@host:port/database."
        ) from None
    if "@" in (url.host or ""):
        # It would be told with the host.
        raise ShadowUnreachableError(
            "shadow_url has more than one @. Write one in a user or a password as %40."
        )
    if url.get_backend_name() != "postgresql":
        raise ShadowUnreachableError(
            f"shadow_url is of {url.get_backend_name()}. Migrations of PostgreSQL are rehearsed on "
            "PostgreSQL."
        )
    if not (url.database or "service" in url.query):
        raise ShadowUnreachableError(
            f"shadow_url names no database. {_EMPTY_ONE} Write it as "
            "postgresql://user:password@host:port/database."
        )
    return url


@contextmanager
def _failures_told(url: URL) -> Iterator[None]:
    try:
        yield
    except DBAPIError as error:
        reason = hidden(url, server_message(error))
        way_on = "Run it again when it is mended."
        if sqlstate(error) == "42501":
            who = url.username or "of shadow_url"
            way_on = f"The role {who} has to own the database and all that is in it."
        elif sqlstate(error) == "25006":
            way_on = "It takes no writes: name a database on a primary server."
        raise ShadowUnreachableError(
            f"The {shown(url)} cannot be made ready: {reason}. {way_on}"
        ) from error


def _marker(connection: Connection, url: URL, production: Identity) -> Marker:
    """Return the marker of a database that may be wiped; an empty one is marked first.

    Nothing is written to any other.
    """
    identity = identity_of(connection)
    if identity.is_same_as(production):
        raise ShadowUnreachableError(
            f"shadow_url is production's own database, {shown(url)}, or a physical copy of it. "
            f"Nothing was done. {_EMPTY_ONE}"
        )
    if scalar(connection, "SELECT pg_catalog.pg_is_in_recovery()"):
        raise ShadowUnreachableError(
            f"The {shown(url)} is on a standby, which takes no writes. Nothing was done. Name a "
            "database on a primary server with --shadow-url (setting shadow_url)."
        )
    if has_marker_schema(connection):
        marker = read_marker(connection)
        _require_own(marker, identity, url)
        assert marker is not None
        if marker.in_use:
            _require_unused(connection, url)
        else:
            _require_empty(
                foreign_contents(connection, marker.found),
                f"The {shown(url)} was left empty by the last rehearsal, and somebody has put "
                "something in it since",
            )
    else:
        found = Found.now(connection)
        _require_empty(
            prepared(connection),
            f"The {shown(url)} has transactions that are prepared and not committed",
        )
        _require_empty(
            foreign_contents(connection, found),
            f"The {shown(url)} is not empty, and was not made by a rehearsal",
        )
        marker = make_marker(connection, identity)
    connection.commit()
    return marker


def _require_own(marker: Marker | None, identity: Identity, url: URL) -> None:
    if marker is None:
        raise ShadowUnreachableError(
            f"The {shown(url)} has a schema _zanith_shadow that is no marker of this version. "
            "Nothing was done. If nobody needs what is in the database, drop it and make an empty "
            "one."
        )
    if marker.identity != identity.text:
        raise ShadowUnreachableError(
            f"The {shown(url)} carries the marker of another database: it came with a dump or a "
            "copy, or the database has another name since, so that what else is in it may be "
            "needed. Nothing was done. If nobody needs it, drop the database and make an empty one."
        )


_RECORDED = """
SELECT pg_catalog.format('%I.%I', n.nspname, c.relname)
  FROM pg_catalog.pg_class AS c JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace
 WHERE c.relname = '_zanith_migrations' AND c.relkind = 'r'
"""


def _require_unused(connection: Connection, url: URL) -> None:
    """Refuse a shadow that was kept, and then used for more: rehearsals record nothing."""
    for (table,) in rows(connection, _RECORDED):
        if scalar(connection, f"SELECT EXISTS (SELECT FROM {table})"):
            raise ShadowUnreachableError(
                f"The {shown(url)} was a shadow that was kept, but `alembic upgrade` has been run "
                f"in it since ({table}), so that it may be needed. Nothing was done. If nobody "
                "needs it, drop the database and make an empty one."
            )


def _require_empty(found: Sequence[object], consequence: str) -> None:
    if not found:
        return
    told = ", ".join(str(each) for each in found[:3])
    more = f" and {len(found) - 3} more" if found[3:] else ""
    raise ShadowUnreachableError(
        f"{consequence}: {told}{more}. Nothing was done. {_EMPTY_ONE} If nobody needs what is in "
        "this one, drop it and make it anew."
    )


def _wipe_again(engine: Engine, marker: Marker, url: URL, place: str) -> None:
    """Leave the database empty. What cannot be done now the next rehearsal does."""
    try:
        with _failures_told(url), connected(engine) as connection:
            if place_of(connection) != place:
                raise ShadowUnreachableError(
                    "A new connection led to another database, where nothing was done."
                )
            wipe(connection, marker.found)
            set_in_use(connection, False)
    except ShadowUnreachableError as error:
        log.warning(
            "The %s is left as it is, and wiped by the next rehearsal: %s", shown(url), error
        )
