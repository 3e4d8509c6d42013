"""Passwords and other secrets, taken out of what is stored, printed or logged."""

from __future__ import annotations

import re
from typing import Any

_HIDDEN = "***"

# What a column, an option of a foreign server or a word of ALTER ROLE is called that holds one.
_PART = r"(?:passw|passphrase|pwd|secret|token|credential|api_?key|access_?key|private_?key)"
_NAME = rf"\w*{_PART}\w*"
_IS_SECRET = re.compile(_NAME, re.IGNORECASE)

# https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING
_OF_URL = re.compile(r"(//[^\s:/@]*:)\S*@")
_OF_CONNECTION_STRING = re.compile(r"(password\s*=\s*)('[^']*'|\S+)", re.IGNORECASE)
_IN_LITERAL = re.compile(
    rf"""({_NAME}\s*=\s*|\bpassword\s+)(''(?:[^']|'''')*''|\\'(?:\\\\|\\'\\'|[^\\'])*\\'|[^\s'"&;,)]+)""",
    re.IGNORECASE,
)

# https://www.postgresql.org/docs/current/sql-syntax-lexical.html
_TOKEN = re.compile(
    r"""
      (?P<space> (?:\s | --[^\n]* | /\*.*?\*/ | := | => | =)+ )
    | (?P<literal> [eE]'(?:[^'\\]|''|\\.)*(?:'|\Z) | (?:[nNbBxX]|[uU]&)?'(?:[^']|'')*(?:'|\Z)
        | (?P<tag>\$(?:[^\W\d]\w*)?\$)(?:.*?)(?:(?P=tag)|\Z) )
    | (?P<word> (?:[uU]&)?"(?:[^"]|"")*(?:"|\Z) | [^\W\d][\w$]* )
    | (?P<other> [\d.]+ | . )
    """,
    re.VERBOSE | re.DOTALL,
)
_MAY_HOLD_ONE = re.compile(rf"{_PART}|//", re.IGNORECASE)


def without_secrets(sql: str) -> str:
    """Hide in SQL what its own words call a secret, and the passwords of connection strings.

    That is a literal after the word PASSWORD, or after a name such as `api_token`; a value of
    another kind is not known as a secret: a script passes it as a parameter, and no parameter is
    stored.

    >>> without_secrets("ALTER ROLE app PASSWORD 's3cret' VALID UNTIL 'infinity'")
    "ALTER ROLE app PASSWORD '***' VALID UNTIL 'infinity'"
    >>> without_secrets("SELECT dblink_connect('host=db password=s3cret')")
    "SELECT dblink_connect('host=db password=***')"
    """
    if _MAY_HOLD_ONE.search(sql) is None:
        return sql
    written, names_secret = list[str](), False
    for token in _TOKEN.finditer(sql):
        text = token[0]
        if token.lastgroup == "space":
            written.append(_in_comments(text))
        elif token["literal"]:
            written.append(f"'{_HIDDEN}'" if names_secret else _in_literal(text, token["tag"]))
            names_secret = False
        else:
            names_secret = (
                token["word"] is not None and _IS_SECRET.fullmatch(text.strip('"')) is not None
            )
            written.append(text)
    return "".join(written)


def without_secrets_within(schema: Any) -> Any:
    """Return what is made of dicts, lists and SQL with the secrets hidden in each text of it.

    What is called `comment` is no SQL, but words.

    >>> without_secrets_within({"f": ["SELECT dblink('password=s3cret')"], "comment": "pwd=s3cret"})
    {'f': ["SELECT dblink('password=***')"], 'comment': 'pwd=***'}
    """
    match schema:
        case str():
            return without_secrets(schema)
        case dict():
            return {
                key: _in_comments(each)
                if key == "comment" and isinstance(each, str)
                else without_secrets_within(each)
                for key, each in schema.items()
            }
        case list() | tuple():
            return [without_secrets_within(each) for each in schema]
    return schema


def _in_literal(text: str, tag: str | None) -> str:
    if tag is not None:
        body = text[len(tag) :].removesuffix(tag)
        return text.replace(body, without_secrets(body)) if body else text
    return _in_comments(text)


def _in_comments(text: str) -> str:
    return _IN_LITERAL.sub(rf"\1{_HIDDEN}", _OF_URL.sub(rf"\1{_HIDDEN}@", text))


def one_line(sql: str, width: int = 160) -> str:
    r"""Write SQL for a message: in one line of at most `width` characters, without secrets.

    >>> one_line("SELECT 1\n  FROM users"), one_line("SELECT a, b", 8)
    ('SELECT 1 FROM users', 'SELECT …')
    """
    line = " ".join(without_secrets(sql).split())
    return line if len(line) <= width else f"{line[: width - 1]}…"


def without_passwords(text: str) -> str:
    """Hide the passwords of URLs and connection strings in a message.

    >>> without_passwords("postgresql://app:s3cret@db/shop and password=s3cret")
    'postgresql://app:***@db/shop and password=***'
    """
    text = _OF_URL.sub(rf"\1{_HIDDEN}@", text)
    return _OF_CONNECTION_STRING.sub(rf"\1{_HIDDEN}", text)
