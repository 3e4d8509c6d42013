"""Names that an operation is given: what is none is refused before anything is done with it."""

from __future__ import annotations

from alembic_zanith.errors import ConfigurationError


def check_names(kind: str, **names: object) -> None:
    """Refuse what is no name, by the argument that it was given as.

    Raises `ConfigurationError`.
    """
    for argument, given in names.items():
        if not isinstance(given, str) or not given.strip():
            what = argument.removesuffix("_name") if "_" in argument else f"{argument} column"
            raise ConfigurationError(
                f"{kind}: {argument}={given!r} is not a name. Write that of the {what} as a text."
            )
