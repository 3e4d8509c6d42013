"""SQL with other names in it: of a column, of an index or a constraint."""

from __future__ import annotations

from .parser import Node, deparse, descendants, parse_tree, string, unwrap

# Where columns stand as plain names: in UNIQUE, and in FOREIGN KEY on the side of the child.
_NAMES_OF_COLUMNS = ("keys", "including", "fk_attrs", "fk_del_set_cols")


def expression_renamed(expression: str, old: str, new: str, table: str = "") -> str:
    """Return an expression in which a column has another name.

    >>> expression_renamed("lower(users.full_name)", "full_name", "name", "users")
    'lower(users.name)'

    Raises `UnreadableSqlError`.
    """
    tree = parse_tree(f"SELECT {expression}")
    _rename(tree, old, new, table)
    return deparse(tree).removeprefix("SELECT ")


def index_renamed(definition: str, old: str, new: str, name: str, without: str = "") -> str:
    """Return the CREATE INDEX CONCURRENTLY of an index on another column, with another name.

    Tables of the schema `without` are named without it.

    >>> index_renamed("CREATE INDEX i ON public.t USING btree (lower(a), b)", "a", "c", "j")
    'CREATE INDEX CONCURRENTLY j ON public.t USING btree (lower(c), b)'
    """
    tree = parse_tree(definition)
    statement = tree.stmts[0].stmt.index_stmt
    statement.idxname = name
    statement.concurrent = True
    _leave_out(tree, without)
    _rename(tree, old, new, str(statement.relation.relname))
    return deparse(tree)


def constraint_renamed(
    table: str, definition: str, old: str, new: str, name: str, without: str = ""
) -> str:
    """Return the ALTER TABLE that adds a constraint on another column, with another name.

    `table` is SQL. What the constraint refers to in another table keeps its names; tables of the
    schema `without` are named without it.

    >>> constraint_renamed("t", "FOREIGN KEY (a) REFERENCES p(a)", "a", "b", "f")
    'ALTER TABLE t ADD CONSTRAINT f FOREIGN KEY (b) REFERENCES p (a)'
    """
    tree = parse_tree(f"ALTER TABLE {table} ADD CONSTRAINT c {definition}")
    statement = tree.stmts[0].stmt.alter_table_stmt
    _, constraint = unwrap(getattr(unwrap(statement.cmds[0])[1], "def"))
    constraint.conname = name
    _leave_out(tree, without)
    _rename(tree, old, new, str(statement.relation.relname))
    return deparse(tree)


def _leave_out(tree: Node, schema: str) -> None:
    for kind, node in descendants(tree):
        if kind == "range_var" and node.schemaname == schema:
            node.schemaname = ""


def _rename(tree: Node, old: str, new: str, table: str) -> None:
    for kind, node in descendants(tree):
        if kind == "column_ref":
            qualifiers = [string(part) for part in node.fields[:-1]]
            if string(node.fields[-1]) == old and qualifiers[-1:] in ([], [table]):
                node.fields[-1].string.sval = new
        elif kind in ("index_elem", "stats_elem") and node.name == old:
            node.name = new
        elif kind == "constraint":
            for field in _NAMES_OF_COLUMNS:
                for name in getattr(node, field):
                    if string(name) == old:
                        name.string.sval = new
