"""Names that PostgreSQL allows and that naive code gets wrong."""

from __future__ import annotations

from hypothesis import strategies as st

from alembic_zanith.identifiers import MAX_BYTES, truncate

ODD_NAMES = {
    "quote": 'say "hi"',
    "apostrophe": "it's",
    "space": " two  spaces ",
    "dot": "public.users",
    "unicode": "žluťoučký kůň",
    "emoji": "🦄" * 15 + "abc",
    "upper": "UserTable",
    "reserved": "select",
    "percent": "100%",
    "psycopg placeholder": "%(name)s and %s",
    "colon": "a:b",
    "bind parameter": ":oid",
    "backslash": r"C:\new\table",
    "dollar": "$1 $$ $body$",
    "newline": "two\nlines",
    "semicolon": "x; DROP TABLE y; --",
    "comment": "/* c */",
    "from": "a FROM b ON c",
    "braces": "{name!r} {0}",
    "translated schema": "__[SCHEMA__none]",
    "digits": "12345678",
    "63 bytes": "n" * 63,
    "63 bytes, multibyte cut": "x" + "ž" * 31,
    "63 bytes, three bytes each": "語" * 21,
    "ours in part": "zanith_dropped_x_deadbeef",
}


def related(name: str, mark: str) -> str:
    """Return another name that is as odd: `mark` before it, cut to what PostgreSQL takes."""
    return mark + truncate(name, MAX_BYTES - len(mark.encode()))


def any_names() -> st.SearchStrategy[str]:
    """Names of 1 to 63 bytes from all that a UTF-8 database can hold."""
    characters = st.characters(codec="utf-8", exclude_characters="\x00")
    names = st.text(characters, min_size=1, max_size=63).map(lambda name: truncate(name, MAX_BYTES))
    # The server keeps names of system objects and ours to themselves.
    return names.filter(lambda name: not name.startswith(("_zanith_", "pg_")))
