"""`op.create_extension`: an extension is installed in the database."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Self

from alembic.autogenerate import renderers

from alembic_zanith.catalog import known_names
from alembic_zanith.declarations import Extension
from alembic_zanith.errors import (
    MissingPrivilegeError,
    NameTakenError,
    UnknownObjectError,
    ZanithError,
    did_you_mean,
)
from alembic_zanith.identifiers import quote
from alembic_zanith.risk.change import Change
from alembic_zanith.risk.changes.extensions import CreateExtension
from alembic_zanith.risk.reading import reads
from alembic_zanith.sql import translated_schema

from .plain_sql import PlainSqlOperation
from .registry import operation
from .rendering import call, given_options, name_literal

if TYPE_CHECKING:
    from alembic.autogenerate.api import AutogenContext
    from alembic.operations import MigrateOperation, Operations
    from sqlalchemy import Connection


@operation("create_extension")
class CreateExtensionOp(PlainSqlOperation):
    """Represent a new extension. `extension` is its definition."""

    kind = "create_extension"

    def __init__(
        self,
        extension_name: str,
        *,
        schema: str | None = None,
        version: str | None = None,
        cascade: bool = False,
        if_not_exists: bool = False,
    ) -> None:
        self.extension = Extension(extension_name, schema, version, cascade)
        self.schema = schema
        self.if_not_exists = if_not_exists

    @classmethod
    def from_extension(cls, extension: Extension) -> Self:
        """Return the operation that makes an extension."""
        return cls(
            extension.name,
            schema=extension.schema,
            version=extension.version,
            cascade=extension.cascade,
        )

    @property
    def extension_name(self) -> str:
        """Name of the extension."""
        return self.extension.name

    def __str__(self) -> str:
        return f"{self.kind}({str(self.extension_name)!r})"

    def statement(self, schema: str | None) -> str:
        """Return CREATE EXTENSION. One without a schema is put where PostgreSQL puts it."""
        extension = self.extension
        if self.schema is not None:
            extension = Extension(extension.name, schema, extension.version, extension.cascade)
        exists = "IF NOT EXISTS " if self.if_not_exists else ""
        return f"CREATE EXTENSION {exists}{quote(extension.name)}{extension.arguments}"

    def explain(self, connection: Connection, state: str, reason: str) -> ZanithError | None:
        """Say what the server has, and what else it needs."""
        name, nothing = str(self.extension_name), f"{self} changed nothing"
        if state == "42710":
            return NameTakenError(
                f"{nothing}: the database has {name!r} already. Where that is as it should be, "
                "write if_not_exists=True."
            )
        if state == "3F000" and self.schema is not None:
            schema = translated_schema(connection, self.schema)
            hint = did_you_mean(str(schema), known_names.schemas(connection))
            return UnknownObjectError(f"{nothing}: there is no schema {schema!r}.{hint}")
        if state == "42501":
            return MissingPrivilegeError(
                f"{nothing}: {reason}. Run it as a superuser; for a trusted extension CREATE on "
                "the database is enough. Or have an administrator make it, and write "
                "if_not_exists=True."
            )
        if state == "42704" and not self.extension.cascade:
            return UnknownObjectError(
                f"{nothing}: {reason}. Make that one first, or write cascade=True."
            )
        available = known_names.available_extensions(connection)
        if name not in available:
            hint = did_you_mean(name, available)
            return UnknownObjectError(
                f"{nothing}: the server has no extension {name!r}.{hint} Its files have to be "
                "installed on the machine of the server first."
            )
        versions = known_names.versions(connection, name)
        if self.extension.version is not None and self.extension.version not in versions:
            return UnknownObjectError(
                f"{nothing}: {name} has no version {self.extension.version!r} on this server, "
                f"which has {', '.join(versions)}."
            )
        return None

    def reverse(self) -> MigrateOperation:
        """Return the operation that drops it."""
        # That module imports this one.
        from .drop_extension import DropExtensionOp

        return DropExtensionOp(self.extension_name, extension=self.extension)

    def to_diff_tuple(self) -> tuple[object, ...]:
        """Return kind and extension, for `alembic check` and `compare_metadata`."""
        return (self.kind, self.extension)

    @classmethod
    def create_extension(
        cls,
        operations: Operations,
        extension_name: str,
        *,
        schema: str | None = None,
        version: str | None = None,
        cascade: bool = False,
        if_not_exists: bool = False,
    ) -> None:
        """Install an extension in the database: its types, functions and operators.

        e.g.::

            def upgrade():
                op.create_extension("pg_trgm")

            def downgrade():
                op.drop_extension("pg_trgm")

        https://www.postgresql.org/docs/current/sql-createextension.html

        :param extension_name: name of the extension.
        :param schema: schema for its objects, which has to exist; by default the extension's own,
         or the first one of the search path.
        :param version: which version; by default the one that the server prefers.
        :param cascade: install the extensions that it needs, too. `op.drop_extension` leaves those.
        :param if_not_exists: True accepts one that is there, in whatever schema and version.
        :return: None.

        Raises `UnknownObjectError` for an extension, version or schema that the server does not
        have, `NameTakenError` where the database has it, `MissingPrivilegeError`, and
        `UnsupportedDatabaseError` on a database that is not PostgreSQL.
        """
        operations.invoke(
            cls(
                extension_name,
                schema=schema,
                version=version,
                cascade=cascade,
                if_not_exists=if_not_exists,
            )
        )


@renderers.dispatch_for(CreateExtensionOp)
def render(context: AutogenContext, operation: CreateExtensionOp) -> str:
    options = given_options(operation.extension, "schema", "version", "cascade")
    options |= given_options(operation, "if_not_exists")
    return call(context, operation.kind, [name_literal(operation.extension_name)], options)


@reads(CreateExtensionOp)
def changes(operation: CreateExtensionOp) -> Iterator[Change]:
    yield CreateExtension(str(operation.extension_name))
