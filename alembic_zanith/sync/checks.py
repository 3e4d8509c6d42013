"""What is looked at before two columns are kept the same: PL/pgSQL that raises what it finds."""

from __future__ import annotations

from alembic_zanith.identifiers import literal, quote

from .pair import SYNC_PREFIX, Pair, trigger_name

REFUSED = "ZN101"
UNKNOWN = "ZN102"
"""SQLSTATEs of what the blocks raise; none of PostgreSQL's own begins so."""

TABLE = "relation::regclass"
_OWN_TRIGGERS = f"t.tgrelid = relation AND starts_with(t.tgname::text, '{SYNC_PREFIX}')"
EVENTS = ("insert", "update")

# It compares what is stored, in any type, whatever lies on the path. As an operator, `*<>`, it
# would not come back from a dump between two ROWs:
# https://www.postgresql.org/docs/current/functions-comparisons.html#COMPOSITE-TYPE-COMPARISON
DIFFERS = "pg_catalog.record_image_ne"


def refuse(condition: str, text: str, *values: str, code: str = REFUSED) -> str:
    """Return the statement that raises where a condition holds; `%s` stands for each value."""
    message = f"format({', '.join([literal(text), *values])})" if values else literal(text)
    return (
        f"  IF {condition} THEN\n"
        f"    RAISE EXCEPTION USING ERRCODE = '{code}', MESSAGE = {message};\n"
        "  END IF;\n"
    )


def enclosed(expression: str) -> str:
    """Put an expression into parentheses that a comment at its end does not swallow."""
    return f"({expression}\n)" if "--" in expression else f"({expression})"


def in_format(text: str) -> str:
    """Return a text as it stands in the first argument of PostgreSQL's `format()`."""
    return text.replace("%", "%%")


def checks(pair: Pair) -> str:
    """Return the statements that raise what is in the way, and lock the table."""
    return "".join(
        (
            _relation_check(pair),
            _column_checks(),
            _place_checks(),
            _other_syncs(pair),
            _later_triggers(),
            _defaults(),
            _PATH,
            _expression_check("forward", pair.forward, pair.old, pair.new),
            _expression_check("backward", pair.backward, pair.new, pair.old),
            _agreement(pair),
        )
    )


def _relation_check(pair: Pair) -> str:
    lookup = """\
  SELECT c.relkind, n.nspname, c.relname INTO kind, function_schema, table_name
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation;
"""
    unknown = refuse("kind IS NULL", f"There is no table {pair.shown}.", code=UNKNOWN)
    no_table = refuse(
        "kind NOT IN ('r', 'p')",
        "%s is not a table: only the columns of a table can be kept the same.",
        TABLE,
    )
    # So that what is found out below stays so until the triggers are there:
    # https://www.postgresql.org/docs/current/sql-createtrigger.html
    lock = f"  EXECUTE format('LOCK TABLE %s IN SHARE ROW EXCLUSIVE MODE', {TABLE});\n"
    return lookup + unknown + no_table + lock


def _column_checks() -> str:
    unknown = refuse("NOT FOUND", "Table %s has no column %I.", TABLE, "column_name", code=UNKNOWN)
    generated = refuse(
        "generated <> ''",
        "Column %I of %s is generated: PostgreSQL works it out, and nothing can write it.",
        "column_name",
        TABLE,
    )
    identity = refuse(
        "identity <> ''",
        "Column %I of %s is an identity column: each INSERT gives it a value, so that one that "
        "means the other column looks as if it had given both. Use a plain column.",
        "column_name",
        TABLE,
    )
    return f"""\
  FOREACH column_name IN ARRAY ARRAY[old_name, new_name] LOOP
    SELECT a.attgenerated, a.attidentity INTO generated, identity FROM pg_attribute a
     WHERE a.attrelid = relation AND a.attname = column_name AND a.attnum > 0
       AND NOT a.attisdropped;
{unknown}{generated}{identity}\
  END LOOP;
"""


def _place_checks() -> str:
    # Row triggers of a partitioned table are cloned to its partitions, those of a plain parent are
    # not: https://www.postgresql.org/docs/current/ddl-inherit.html#DDL-INHERIT-CAVEATS
    partition = refuse(
        "EXISTS (SELECT FROM pg_inherits i WHERE i.inhrelid = relation)",
        "%s is a partition or a child of another table, whose columns these are. Name that table.",
        TABLE,
    )
    parent = refuse(
        "kind = 'r' AND EXISTS (SELECT FROM pg_inherits i WHERE i.inhparent = relation)",
        "Other tables inherit from %s, and its triggers would not fire for their rows.",
        TABLE,
    )
    return partition + parent


def _other_syncs(pair: Pair) -> str:
    """Refuse a column that another pair has: the one would not see what the other has done."""
    own = ", ".join(literal(trigger_name(event, pair.old, pair.new)) for event in EVENTS)
    return f"""\
  SELECT string_agg(DISTINCT a.attname, ' and ') INTO hit
    FROM pg_trigger t
    JOIN pg_depend d ON d.classid = 'pg_trigger'::regclass AND d.objid = t.oid
     AND d.refclassid = 'pg_class'::regclass AND d.refobjid = relation
    JOIN pg_attribute a ON a.attrelid = relation AND a.attnum = d.refobjsubid
   WHERE {_OWN_TRIGGERS} AND t.tgname NOT IN ({own})
     AND a.attname IN (old_name, new_name);
""" + refuse(
        "hit IS NOT NULL",
        "Column %s of %s is kept the same as another one already. End that first, with "
        "op.unsync_columns.",
        "hit",
        TABLE,
    )


# Of a trigger's function, `@` being the column: `NEW.@ :=`, `INTO NEW.@`, or `NEW.@ =` where a
# statement begins.
_WRITES = (
    r'(\mnew\s*\.\s*"?@"?\s*:=)|(\minto\s+(strict\s+)?new\s*\.\s*"?@\M)'
    r'|((^|;|\mbegin|\mthen|\melse|\mloop)\s*new\s*\.\s*"?@"?\s*=)'
)
_NO_WORD, _ESCAPED = r"(\W)", r"\\\1"


def _later_triggers() -> str:
    name = f"regexp_replace(c.name, {literal(_NO_WORD)}, {literal(_ESCAPED)}, 'g')"
    # Of BEFORE (2) and ROW (1), INSERT (4) or UPDATE (16). They fire in the order of their names:
    # https://www.postgresql.org/docs/current/trigger-definition.html
    return f"""\
  SELECT min(t.tgname::text) INTO hit
    FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
   CROSS JOIN (VALUES (old_name), (new_name)) AS c (name)
   WHERE t.tgrelid = relation AND NOT t.tgisinternal AND t.tgenabled <> 'D'
     AND t.tgtype & 3 = 3 AND t.tgtype & 20 <> 0
     AND t.tgname > '{SYNC_PREFIX}' AND NOT starts_with(t.tgname::text, '_zanith_')
     AND p.prosrc ~* replace({literal(_WRITES)}, '@', {name});
""" + refuse(
        "hit IS NOT NULL",
        "Trigger %1$I of %2$s writes one of the columns, and fires after the one that keeps them "
        "the same, for they fire in the order of their names: what it writes would be in one "
        "column only. Give it a name that comes before _zanith_, for example: ALTER TRIGGER %1$I "
        "ON %2$s RENAME TO %3$I",
        "hit",
        TABLE,
        "'A_' || hit",
    )


_CALLS = r":(?:op)?funcid (\d+)"


def _defaults() -> str:
    """Find both defaults. By that of the new column a value is known that was not given."""
    # The functions that an expression calls, by their numbers in its tree.
    calls = f"regexp_matches(d.adbin::text, {literal(_CALLS)}, 'g') AS m (ids)"
    return f"""\
  SELECT min(d.expression) FILTER (WHERE a.attname = old_name),
         min(d.expression) FILTER (WHERE a.attname = new_name),
         min(d.volatile), min(d.volatile) FILTER (WHERE a.attname = new_name),
         min(format_type(a.atttypid, a.atttypmod)) FILTER (WHERE a.attname = old_name),
         min(format_type(a.atttypid, a.atttypmod)) FILTER (WHERE a.attname = new_name)
    INTO standard_of_old, standard, volatile, hit, old_type, new_type
    FROM pg_attribute a LEFT JOIN LATERAL (
         SELECT pg_get_expr(d.adbin, d.adrelid) AS expression,
                (SELECT min(p.proname::text) FROM {calls}
                   JOIN pg_proc p ON p.oid = m.ids[1]::oid WHERE p.provolatile = 'v') AS volatile
           FROM pg_attrdef d WHERE d.adrelid = a.attrelid AND d.adnum = a.attnum) AS d ON true
   WHERE a.attrelid = relation AND a.attname IN (old_name, new_name);
""" + refuse(
        "hit IS NOT NULL",
        "The default of %I in %s gives another value each time (%s), so that an INSERT that means "
        f"%I looks as if it had given both. {_TAKE_OFF}",
        "new_name",
        TABLE,
        "standard",
        "old_name",
    )


_TAKE_OFF = (
    "Take it off with op.alter_column(…, server_default=None), and set it where "
    "op.unsync_columns is."
)


def _agreement(pair: Pair) -> str:
    """Refuse a default of the new column that is not what the default of the old one comes to."""
    differ = refuse(
        "volatile IS NOT NULL OR differ",
        "The default of %I in %s, %s, is not what forward makes of that of %I, %s. An INSERT that "
        f"gives neither would have one of them only. {_TAKE_OFF}",
        "new_name",
        TABLE,
        "standard",
        "old_name",
        "coalesce(standard_of_old, 'none')",
    )
    if not pair.is_plain:
        # It would be worked out on the path of the migration, where a namesake of its type may be.
        return refuse(
            "standard IS NOT NULL",
            "The default of %I in %s, %s, cannot be told from what an INSERT gives where forward "
            f"is an expression. {_TAKE_OFF}",
            "new_name",
            TABLE,
            "standard",
        )
    statement = f"SELECT {DIFFERS}(ROW(CAST(%1$s AS %2$s)), ROW(CAST(CAST(%3$s AS %4$s) AS %2$s)))"
    return f"""\
  IF standard IS NOT NULL AND volatile IS NULL THEN
    EXECUTE format({literal(statement)}, standard, new_type,
      coalesce(standard_of_old, 'NULL'), old_type) INTO differ;
  END IF;
  IF standard IS NOT NULL THEN
{differ}\
  END IF;
"""


# The schemas as they are found now: "$user" is another one for every role.
_PATH = """\
  fixed_path := array_to_string(
    ARRAY(SELECT quote_ident(s) FROM unnest(schemas || 'pg_temp'::name) AS s), ', ');
"""


def _expression_check(which: str, expression: str, source: str, target: str) -> str:
    """Have PostgreSQL plan an INSERT with an expression: functions, types, and casts."""
    shown = expression.replace("%", "%%")
    statement = (
        f"EXPLAIN INSERT INTO %s ({in_format(quote(target))}) "
        f"SELECT {enclosed(in_format(expression))} "
        f"FROM (SELECT {in_format(quote(source))} FROM %1$s) AS %2$I"
    )
    return f"""\
  PERFORM set_config('search_path', fixed_path, true);
  BEGIN
    EXECUTE pg_catalog.format({literal(statement)}, relation::pg_catalog.regclass, table_name);
  EXCEPTION WHEN syntax_error_or_access_rule_violation OR data_exception
              OR feature_not_supported THEN
    RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = pg_catalog.format(
      {literal(f"{which}={shown!r} does not work for %I: %s. Only %I can be in it.")},
      {literal(target)}, SQLERRM, {literal(source)});
  END;
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
"""
