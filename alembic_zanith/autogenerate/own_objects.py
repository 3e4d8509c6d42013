"""What the package keeps in a database, which autogenerate must not see."""

from __future__ import annotations

from typing import Any

from alembic_zanith.identifiers import is_zanith_name


class OwnObjects:
    """A name filter that hides the archive schema, the bookkeeping tables and all that is parked.

    It has the signature of Alembic's `include_name`:
    https://alembic.sqlalchemy.org/en/latest/api/runtime.html#alembic.runtime.environment.EnvironmentContext.configure.params.include_name
    """

    def __init__(self, archive_schema: str) -> None:
        self.archive_schema = archive_schema

    def __call__(self, name: str | None, type_: str, parents: dict[str, Any]) -> bool:
        if type_ == "schema":
            return name != self.archive_schema
        in_archive = parents.get("schema_name") == self.archive_schema
        return not in_archive and not (name is not None and is_zanith_name(name))
