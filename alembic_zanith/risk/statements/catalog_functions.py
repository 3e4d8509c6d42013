"""The functions of pg_catalog by name, as PostgreSQL 18 has them."""

from __future__ import annotations

from functools import cache
from importlib import resources

# Of extensions that come with PostgreSQL, and of PostGIS: usual in migrations, and writing nothing.
_OF_EXTENSIONS = frozenset(
    {
        "crypt",
        "digest",
        "gen_random_bytes",
        "gen_salt",
        "hmac",
        "hstore",
        "similarity",
        "unaccent",
        "uuid_generate_v1",
        "uuid_generate_v1mc",
        "uuid_generate_v3",
        "uuid_generate_v4",
        "uuid_generate_v5",
        "uuid_nil",
        "word_similarity",
    }
)
_POSTGIS = "st_"


@cache
def _volatile_by_name() -> dict[str, bool]:
    # In the file an exclamation mark says that one of that name is volatile.
    file = resources.files(__package__).joinpath("pg_catalog_functions.txt")
    return {name.rstrip("!"): name.endswith("!") for name in file.read_text("ascii").split()}


def is_catalog_function(name: str) -> bool:
    """Whether PostgreSQL has a function of this name.

    >>> is_catalog_function("lower"), is_catalog_function("clean_up")
    (True, False)
    """
    return name in _volatile_by_name()


def only_reads(name: str) -> bool:
    """Whether a function that is called without a schema is known to write nothing.

    What PostgreSQL's own do beyond that has entries in `known_functions`.
    """
    return is_catalog_function(name) or name in _OF_EXTENSIONS or name.startswith(_POSTGIS)


def is_stable(name: str) -> bool:
    """Whether a function is worked out once a statement, not once a row.

    Any that PostgreSQL does not have itself is taken for volatile.
    https://www.postgresql.org/docs/current/xfunc-volatility.html

    >>> is_stable("now"), is_stable("gen_random_uuid"), is_stable("clean_up")
    (True, False, False)
    """
    return _volatile_by_name().get(name, True) is False
