"""Names as they are pasted: into SQL, and into calls of operations."""

from __future__ import annotations

from sqlalchemy.dialects.postgresql.base import RESERVED_WORDS

from alembic_zanith.identifiers import display_name, quote

from .change import TableRef


def sql_name(name: str) -> str:
    """Return a name as SQL takes it, quoted only where it must be.

    >>> sql_name("users"), sql_name("user"), sql_name("Order Lines")
    ('users', '"user"', '"Order Lines"')
    """
    return quote(name) if name in RESERVED_WORDS else display_name(name)


def sql_table(table: TableRef) -> str:
    """Return a table as SQL takes it.

    >>> sql_table(TableRef("order", "app"))
    'app."order"'
    """
    parts = [table.name] if table.schema is None else [table.schema, table.name]
    return ".".join(sql_name(part) for part in parts)


def call(operation: str, table: TableRef, *arguments: str, **options: object) -> str:
    """Return the call of an operation on a table. Arguments are names, or `…` for the rest.

    >>> call("soft_drop_column", TableRef("users", "app"), "note")
    "op.soft_drop_column('users', 'note', schema='app')"
    """
    return named_call(operation, table.name, *arguments, schema=table.schema, **options)


def named_call(operation: str, *arguments: str | list[str], **options: object) -> str:
    """Return the call of an operation; options that are None are left out.

    >>> named_call("drop_index", "i", schema=None, postgresql_concurrently=True)
    "op.drop_index('i', postgresql_concurrently=True)"
    """
    said = [str(each) if each == "…" else repr(each) for each in arguments]
    said += [f"{key}={value!r}" for key, value in options.items() if value is not None]
    return f"op.{operation}({', '.join(said)})"


def create_index_concurrently(
    name: str, table: TableRef | None, columns: tuple[str, ...], unique: bool
) -> str:
    """Return the call that builds an index while others write; `…` is for what is not known.

    >>> print(create_index_concurrently("i", TableRef("t"), ("a", "b"), unique=False))
    with op.get_context().autocommit_block():
        op.create_index('i', 't', ['a', 'b'], postgresql_concurrently=True)
    """
    return outside_transaction(
        named_call(
            "create_index",
            name or "…",
            "…" if table is None else table.name,
            list(columns) or "…",
            unique=unique or None,
            schema=None if table is None else table.schema,
            postgresql_concurrently=True,
        )
    )


def outside_transaction(statement: str) -> str:
    """Return a call in the block that CONCURRENTLY needs."""
    return f"with op.get_context().autocommit_block():\n    {statement}"


def execute(statement: str) -> str:
    """Return the call that runs SQL.

    >>> execute('DROP VIEW "Odd"')
    'op.execute(\\'DROP VIEW "Odd"\\')'
    """
    return f"op.execute({statement!r})"
