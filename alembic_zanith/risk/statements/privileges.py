"""Who may do what: GRANT, REVOKE, owners, roles."""

from __future__ import annotations

from collections.abc import Iterator

from alembic_zanith.risk.change import Change
from alembic_zanith.risk.changes.objects import ChangePrivileges

from .parser import Statement, enum_name, unwrap
from .registry import statement
from .values import dotted, object_word, table


@statement("grant_stmt")
def grant(each: Statement) -> Iterator[Change]:
    what = object_word(enum_name(each.node, "objtype"))
    if enum_name(each.node, "targtype") != "ACL_TARGET_OBJECT":
        what = f"every {what} of schema"
    for node in each.node.objects:
        kind, content = unwrap(node)
        on = table(content) if kind == "range_var" and what == "table" else None
        yield ChangePrivileges(what, dotted(node), table=on)


@statement("grant_role_stmt", "alter_default_privileges_stmt", "reassign_owned_stmt")
@statement("create_role_stmt", "alter_role_stmt")
def roles(each: Statement) -> Iterator[Change]:
    yield ChangePrivileges("", " ".join(each.text.split()[:4]))


@statement("alter_owner_stmt")
def owner(each: Statement) -> Iterator[Change]:
    node = each.node
    name = str(table(node.relation)) if node.HasField("relation") else dotted(node.object)
    yield ChangePrivileges(object_word(enum_name(node, "object_type")), name)
