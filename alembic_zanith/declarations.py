"""Extensions and row security as models declare them, for autogenerate to compare.

They are put into `MetaData.info`, which SQLAlchemy keeps for such things, under the key `zanith`: a
dictionary with a list `extensions`, a list `row_security`, or both. (That of a table is no place:
Alembic writes it into `op.create_table`.)
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy.exc import CompileError
from sqlalchemy.sql.elements import BindParameter, ClauseElement, quoted_name
from sqlalchemy.sql.visitors import iterate

from .errors import ConfigurationError, did_you_mean
from .identifiers import literal, quote

if TYPE_CHECKING:
    import sqlalchemy as sa

KEY = "zanith"
"""The key in `MetaData.info`."""

COMMANDS = ("ALL", "SELECT", "INSERT", "UPDATE", "DELETE")

KEYWORDS = ("PUBLIC", "CURRENT_USER", "CURRENT_ROLE", "SESSION_USER")
"""What stands for roles without being the name of one:
https://www.postgresql.org/docs/current/sql-createpolicy.html"""

Expression = str | ClauseElement

_PARTS = ("extensions", "row_security")
D = TypeVar("D")


@dataclass(frozen=True)
class Policy:
    """A policy of row security, as `op.create_policy` makes it.

    `roles` are names, in any case PUBLIC, CURRENT_USER, CURRENT_ROLE or SESSION_USER; a role that
    is really called so is a `sqlalchemy.quoted_name`. `using` and `with_check` are SQL, or an
    expression of SQLAlchemy, which is kept as SQL.

    Raises `ConfigurationError` for what no policy can be.

    >>> Policy("own_rows", using="owner = current_user").arguments
    ' USING (owner = current_user)'
    """

    name: str
    command: str = "ALL"
    roles: str | Sequence[str] = ("PUBLIC",)
    using: Expression | None = None
    with_check: Expression | None = None
    permissive: bool = True

    def __post_init__(self) -> None:
        where = f"Policy {self.name!r}"
        _require_name("A policy", self.name)
        values = {
            "command": _command(where, self.command),
            "roles": _roles(where, self.roles),
            "using": _sql(where, "using", self.using),
            "with_check": _sql(where, "with_check", self.with_check),
        }
        for name, value in values.items():
            object.__setattr__(self, name, value)
        # https://www.postgresql.org/docs/current/sql-createpolicy.html#SQL-CREATEPOLICY-SUMMARY
        if self.command == "INSERT" and self.using is not None:
            raise ConfigurationError(
                f"{where}: using= is for rows that are there, and command='INSERT' has none. "
                "Write with_check=."
            )
        if self.command in ("SELECT", "DELETE") and self.with_check is not None:
            raise ConfigurationError(
                f"{where}: with_check= is for rows that are written, and "
                f"command={self.command!r} writes none. Write using=."
            )

    @property
    def arguments(self) -> str:
        """What comes behind the name of the table in CREATE POLICY; nothing for all defaults."""
        parts = []
        if not self.permissive:
            parts.append("AS RESTRICTIVE")
        if self.command != "ALL":
            parts.append(f"FOR {self.command}")
        if tuple(self.roles) != ("PUBLIC",):
            parts.append(f"TO {', '.join(_role_sql(role) for role in self.roles)}")
        if self.using is not None:
            parts.append(f"USING ({self.using})")
        if self.with_check is not None:
            parts.append(f"WITH CHECK ({self.with_check})")
        return "".join(f" {part}" for part in parts)

    @property
    def expressions(self) -> tuple[str, ...]:
        """The SQL of `using` and `with_check`, as far as they are given."""
        return tuple(str(each) for each in (self.using, self.with_check) if each is not None)

    @property
    def role_names(self) -> tuple[str, ...]:
        """The roles that are named, without the keywords."""
        return tuple(str(role) for role in self.roles if not is_keyword(role))


@dataclass(frozen=True, init=False)
class RowSecurity:
    """All that a table has of row security: on, with these policies and no others.

    With `force` it holds for the owner of the table as well. `RowSecurity("t", enabled=False)` says
    that a table has none. A table that nothing is declared of is not looked at.

    Example::

        RowSecurity("accounts", Policy("own_rows", using="owner = current_user"), force=True)
    """

    table_name: str
    policies: tuple[Policy, ...]
    schema: str | None
    force: bool
    enabled: bool

    def __init__(
        self,
        table_name: str,
        *policies: Policy,
        schema: str | None = None,
        force: bool = False,
        enabled: bool = True,
    ) -> None:
        _require_name("Row security is of a table and", table_name)
        for each in policies:
            if not isinstance(each, Policy):
                raise ConfigurationError(
                    f"RowSecurity({table_name!r}, …) takes Policy objects, not {each!r}."
                )
        names = [each.name for each in policies]
        for name in names:
            if names.count(name) > 1:
                raise ConfigurationError(
                    f"RowSecurity({table_name!r}, …) has two policies of the name {name!r}."
                )
        values = {"table_name": table_name, "policies": policies, "schema": schema}
        for name, value in {**values, "force": force, "enabled": enabled}.items():
            object.__setattr__(self, name, value)


@dataclass(frozen=True)
class Extension:
    """An extension, as `op.create_extension` makes it.

    >>> Extension("hstore", version="1.8").arguments
    " VERSION '1.8'"
    """

    name: str
    schema: str | None = None
    version: str | None = None
    cascade: bool = False

    def __post_init__(self) -> None:
        _require_name("An extension", self.name)

    @property
    def arguments(self) -> str:
        """What comes behind the name in CREATE EXTENSION; nothing for all defaults."""
        parts = []
        if self.schema is not None:
            parts.append(f"SCHEMA {quote(self.schema)}")
        if self.version is not None:
            parts.append(f"VERSION {literal(self.version)}")
        if self.cascade:
            parts.append("CASCADE")
        return "".join(f" {part}" for part in parts)


def row_security_of(metadata: Iterable[sa.MetaData]) -> list[tuple[sa.Table, RowSecurity]]:
    """Return what is declared of tables, with each table.

    Raises `ConfigurationError` for something else under the key, a table that the models do not
    have, and one that is declared twice.
    """
    found: list[tuple[sa.Table, RowSecurity]] = []
    for each in metadata:
        for declared in _listed(each, "row_security", RowSecurity) or ():
            table = _table(each, declared)
            if any(table is other for other, _ in found):
                raise ConfigurationError(f"Row security of {table.fullname} is declared twice.")
            found.append((table, declared))
    return found


def extensions_of(metadata: Iterable[sa.MetaData]) -> tuple[Extension, ...] | None:
    """Return the extensions that are declared, or None where no list of them is.

    Raises `ConfigurationError` for something else under the key.
    """
    lists = [_listed(each, "extensions", Extension) for each in metadata]
    if all(each is None for each in lists):
        return None
    # Several databases of one project may declare the same.
    return tuple({each.name: each for found in lists for each in found or ()}.values())


def _listed(metadata: sa.MetaData, part: str, of: type[D]) -> Sequence[D] | None:
    declared = metadata.info.get(KEY, {})
    if not isinstance(declared, dict):
        raise ConfigurationError(
            f"MetaData.info[{KEY!r}] has to be a dictionary, not {declared!r}: "
            f"{{'extensions': [Extension('hstore')]}}."
        )
    for name in declared:
        if name not in _PARTS:
            hint = did_you_mean(str(name), _PARTS)
            raise ConfigurationError(
                f"MetaData.info[{KEY!r}] has {name!r}, which is none of {', '.join(_PARTS)}.{hint}"
            )
    found = declared.get(part)
    if found is None:
        return None
    if not isinstance(found, list | tuple) or not all(isinstance(each, of) for each in found):
        raise ConfigurationError(
            f"MetaData.info[{KEY!r}][{part!r}] has to be a list of {of.__name__}, not {found!r}."
        )
    return found


def _table(metadata: sa.MetaData, declared: RowSecurity) -> sa.Table:
    schema = metadata.schema if declared.schema is None else declared.schema
    key = declared.table_name if schema is None else f"{schema}.{declared.table_name}"
    table = metadata.tables.get(key)
    if table is None:
        raise ConfigurationError(
            f"Row security is declared of {key}, and the models have no such table."
            f"{did_you_mean(key, metadata.tables)}"
        )
    return table


def is_keyword(role: str) -> bool:
    """Whether a role is one of the words that are no names."""
    is_name = isinstance(role, quoted_name) and bool(role.quote)
    return not is_name and role.upper() in KEYWORDS


def _role_sql(role: str) -> str:
    return role.upper() if is_keyword(role) else quote(role)


def _require_name(what: str, name: Any) -> None:
    if not isinstance(name, str) or not name:
        raise ConfigurationError(f"{what} needs a name, and {name!r} is none.")


def _command(where: str, command: Any) -> str:
    word = command.upper() if isinstance(command, str) else ""
    if word not in COMMANDS:
        raise ConfigurationError(f"{where}: command={command!r} is none of {', '.join(COMMANDS)}.")
    return word


def _roles(where: str, roles: Any) -> tuple[str, ...]:
    found = (roles,) if isinstance(roles, str) else tuple(roles)
    if not found or not all(isinstance(role, str) and role for role in found):
        raise ConfigurationError(
            f"{where}: roles={roles!r} names no role. Leave it out for all roles, PUBLIC."
        )
    return tuple(role.upper() if is_keyword(role) else role for role in found)


def _sql(where: str, argument: str, expression: Any) -> str | None:
    if expression is None:
        return None
    text = expression if isinstance(expression, str) else _compiled(where, argument, expression)
    if not text.strip():
        raise ConfigurationError(f"{where}: {argument}={text!r} is no expression.")
    return text


def _compiled(where: str, argument: str, expression: Any) -> str:
    from sqlalchemy.dialects import postgresql

    if not isinstance(expression, ClauseElement):
        raise ConfigurationError(f"{where}: {argument}={expression!r} is no SQL.")
    # With named parameters nothing doubles a %, which no driver is going to halve again.
    dialect = postgresql.dialect(paramstyle="named")  # type: ignore[no-untyped-call]
    written = {"literal_binds": True, "include_table": False}
    try:
        compiled = expression.compile(dialect=dialect, compile_kwargs=written)
    except CompileError as error:
        raise ConfigurationError(
            f"{where}: {argument}= cannot be written as SQL: {error}"
        ) from None
    # SQLAlchemy would write NULL for them.
    for each in iterate(expression):
        if isinstance(each, BindParameter) and each.required:
            raise ConfigurationError(
                f"{where}: {argument}= has a parameter :{each.key} without a value. Give it one "
                f"with bindparams(), or write \\:{each.key} if it is none."
            )
    return str(compiled)
