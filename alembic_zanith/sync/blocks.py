"""The SQL that makes and drops the triggers of a pair: one DO block each, whole on any database.

A block looks things up itself, so that the same text serves a connection and `--sql` mode. What it
refuses it raises with one of the codes below, before it has changed anything; a block is atomic,
also where each statement is committed by itself.
"""

from __future__ import annotations

from alembic_zanith.identifiers import literal, quote

from .checks import DIFFERS, EVENTS, TABLE, UNKNOWN, checks, enclosed, in_format, refuse
from .in_step import DECLARATIONS as OF_IN_STEP
from .in_step import in_step
from .pair import Pair, function_name, is_column, trigger_name

# Nothing may be looked up by the path of the caller, on which namesakes of PostgreSQL's own
# functions and operators can lie:
# https://www.postgresql.org/docs/current/ddl-schemas.html#DDL-SCHEMAS-PATTERNS
_BEGIN = """\
DECLARE
  callers_path pg_catalog.text := pg_catalog.current_setting('search_path');
  schemas pg_catalog.name[] := pg_catalog.current_schemas(false);
  relation pg_catalog.oid := pg_catalog.to_regclass({relation});
  old_name pg_catalog.text := {old};
  new_name pg_catalog.text := {new};
{declarations}\
BEGIN
  PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
"""

_END = """\
  PERFORM set_config('search_path', callers_path, true);
END"""


def sync_block(pair: Pair) -> str:
    """Return the statement that keeps two columns the same from now on.

    Run again, it puts the triggers in place of those that are there.
    """
    return _block(pair, _DECLARATIONS, checks(pair) + _makes(pair))


def unsync_block(pair: Pair, check: bool = True, unfilled_too: bool = True) -> str:
    """Return the statement that drops what `sync_block` has made.

    With `check` it refuses where the two are not the same in each row; see `in_step`.
    """
    declarations = "  function_oid pg_catalog.oid;\n"
    if not check:
        return _block(pair, declarations, _finds(pair) + _drops(pair))
    compared = in_step(pair, unfilled_too)
    return _block(pair, declarations + OF_IN_STEP, _finds(pair) + compared + _drops(pair))


def _block(pair: Pair, declarations: str, body: str) -> str:
    begin = _BEGIN.format(
        relation=literal(pair.relation),
        old=literal(pair.old),
        new=literal(pair.new),
        declarations=declarations,
    )
    return f"DO {literal(begin + body + _END)}"


_DECLARATIONS = """\
  fixed_path pg_catalog.text;
  kind pg_catalog."char";
  column_name pg_catalog.text;
  generated pg_catalog."char";
  identity pg_catalog."char";
  hit pg_catalog.text;
  standard pg_catalog.text;
  standard_of_old pg_catalog.text;
  volatile pg_catalog.text;
  differ pg_catalog.bool;
  old_type pg_catalog.text;
  new_type pg_catalog.text;
  function_name pg_catalog.text;
  function_schema pg_catalog.text;
  table_name pg_catalog.text;
"""


def _makes(pair: Pair) -> str:
    first = literal(function_name(pair.table, pair.old, pair.new))
    numbered = function_name(pair.table, pair.old, pair.new, 2).removesuffix("2")
    path = "'pg_catalog, pg_temp'" if pair.is_plain else "fixed_path"
    triggers = {event: trigger_name(event, pair.old, pair.new) for event in EVENTS}
    # Another function may have the name: of a table that was renamed and has its columns still.
    find = f"""\
  SELECT p.proname INTO function_name FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
   WHERE t.tgrelid = relation AND t.tgname = {literal(triggers["insert"])};
  IF NOT FOUND THEN
    SELECT name INTO function_name
      FROM (SELECT 1 AS n, {first} AS name UNION ALL
            SELECT n, {literal(numbered)} || n FROM generate_series(2, 99) AS n) AS names
     WHERE NOT EXISTS (SELECT FROM pg_proc p JOIN pg_namespace s ON s.oid = p.pronamespace
                        WHERE p.proname = names.name AND s.nspname = function_schema)
     ORDER BY n LIMIT 1;
  END IF;
"""
    make = f"""\
  EXECUTE format({literal(_FUNCTION)}, function_schema, function_name, {path},
    {_body(pair)});
  EXECUTE format({literal(_trigger(pair, "insert", triggers["insert"]))},
    {TABLE}, function_schema, function_name);
  EXECUTE format({literal(_trigger(pair, "update", triggers["update"]))},
    {TABLE}, function_schema, function_name);
"""
    return find + make


_FUNCTION = (
    "CREATE OR REPLACE FUNCTION %I.%I() RETURNS pg_catalog.trigger LANGUAGE plpgsql"
    " SET search_path TO %s AS %L"
)


def _body(pair: Pair) -> str:
    """Return the SQL that makes the body of the function: the default is known when it runs."""
    old, new = (in_format(quote(name)) for name in (pair.old, pair.new))
    forward = _assigned(pair.forward, pair.old)
    backward = _assigned(pair.backward, pair.new)
    text = f"""
#variable_conflict use_column
DECLARE
  given pg_catalog.record;
  standard pg_catalog.record;
  new_counts pg_catalog.bool;
BEGIN
  given := NEW;
  IF TG_OP OPERATOR(pg_catalog.=) 'INSERT' THEN
    standard := NEW;
    standard.{new} := %2$s;
    new_counts := {DIFFERS}(ROW(NEW.{new}), ROW(standard.{new}));
  ELSE
    new_counts := {DIFFERS}(ROW(NEW.{new}), ROW(OLD.{new}));
  END IF;
  NEW.{new} := {forward};
  IF new_counts AND {DIFFERS}(ROW(given.{new}), ROW(NEW.{new})) THEN
    NEW.{new} := given.{new};
    NEW.{old} := {backward};
  END IF;
  RETURN NEW;
END
"""
    return f"format({literal(text)}, table_name, coalesce(standard, 'NULL'))"


def _assigned(expression: str, source: str) -> str:
    """Return what a column gets in the function, where the row is NEW."""
    column = in_format(quote(source))
    if is_column(expression, source):
        return f"NEW.{column}"
    return f"(SELECT {enclosed(in_format(expression))} FROM (SELECT NEW.{column}) AS %1$I)"


def _trigger(pair: Pair, event: str, name: str) -> str:
    """Return the format of a CREATE TRIGGER.

    An UPDATE that leaves both columns as they are costs one comparison. The condition makes the
    trigger depend on them as well: PostgreSQL refuses to drop either, or to change its type.
    """
    old, new = (in_format(quote(each)) for each in (pair.old, pair.new))
    when = ""
    if event == "update":
        when = f" WHEN ({DIFFERS}(ROW(OLD.{old}, OLD.{new}), ROW(NEW.{old}, NEW.{new})))"
    return (
        f"CREATE OR REPLACE TRIGGER {in_format(quote(name))} BEFORE {event.upper()} ON %s"
        f" FOR EACH ROW{when} EXECUTE FUNCTION %I.%I()"
    )


def _finds(pair: Pair) -> str:
    insert, _ = (trigger_name(event, pair.old, pair.new) for event in EVENTS)
    unknown = refuse("relation IS NULL", f"There is no table {pair.shown}.", code=UNKNOWN)
    find = f"""\
  SELECT t.tgfoid INTO function_oid FROM pg_trigger t
   WHERE t.tgrelid = relation AND t.tgname = {literal(insert)};
"""
    none = refuse(
        "NOT FOUND",
        "Columns %I and %I of %s are not kept the same: there is no trigger of op.sync_columns.",
        "old_name",
        "new_name",
        TABLE,
        code=UNKNOWN,
    )
    return unknown + find + none


def _drops(pair: Pair) -> str:
    names = (trigger_name(event, pair.old, pair.new) for event in EVENTS)
    drop = "".join(
        f"  EXECUTE format({literal(f'DROP TRIGGER {in_format(quote(name))} ON %s')}, {TABLE});\n"
        for name in names
    )
    return drop + "  EXECUTE format('DROP FUNCTION %s', function_oid::regprocedure);\n"
