"""Whether two columns that are kept the same are so in each row, asked before that ends.

Triggers can be switched off (`ALTER TABLE … DISABLE TRIGGER`, `session_replication_role`), and what
is written meanwhile is in one column alone.
"""

from __future__ import annotations

from alembic_zanith.identifiers import literal, quote

from .checks import DIFFERS, TABLE
from .pair import Pair

OUT_OF_STEP = "ZN103"
"""The SQLSTATE of what is raised here."""

NEWLINE = "\x01"
"""It stands for the end of a line in what is to be pasted, which may end a comment."""

# Types that the grammar knows: they take no schema, and no path leads to another one.
# https://www.postgresql.org/docs/current/datatype.html
_KEYWORDS = (
    r"^(bit|boolean|character|real|double precision|smallint|integer|bigint|interval|numeric|time"
    r"|timestamp)\M"
)

DECLARATIONS = """\
  fixed_path pg_catalog.text;
  body pg_catalog.text;
  forward pg_catalog.text;
  backward pg_catalog.text;
  old_type pg_catalog.text;
  new_type pg_catalog.text;
  condition pg_catalog.text;
  key_names pg_catalog.text;
  key_values pg_catalog.text;
  counting pg_catalog.text;
  showing pg_catalog.text;
  number_of_rows pg_catalog.int8;
  shown pg_catalog.text;
"""

_CONDITION = (
    f"{DIFFERS}(ROW(NEW.%1$I), ROW(CAST(%2$s AS %3$s)))"
    f" AND {DIFFERS}(ROW(NEW.%4$I), ROW(CAST(%5$s AS %6$s)))"
)
_COUNTING = 'SELECT pg_catalog.count(*) FROM %s AS "new" WHERE %s'
_SHOWING = (
    "SELECT pg_catalog.string_agg(pg_catalog.format('%%s = %%s: %%s and %%s', %1$L, key,"
    " pg_catalog.left(pg_catalog.quote_nullable(old), 60),"
    " pg_catalog.left(pg_catalog.quote_nullable(new), 60)), '; ')"
    " FROM (SELECT CAST(%2$s AS pg_catalog.text) AS key, CAST(NEW.%3$I AS pg_catalog.text) AS old,"
    ' CAST(NEW.%4$I AS pg_catalog.text) AS new FROM %5$s AS "new" WHERE %6$s LIMIT 3) AS rows'
)
_MESSAGE = (
    "%s rows of %s have values in %I and %I that are not made of each other: they were written "
    "with the triggers switched off, or were never filled. What is in one column only would be "
    "lost with that one. Such as %s. To have what is in %2$s.%3$I count: %6$s; to have what is in "
    "%2$s.%4$I count: %7$s; then run it again. Where neither matters: force=True"
)
_UPDATE = 'UPDATE %s AS "new" SET %I = CAST(%s AS %s) WHERE %s'


def in_step(pair: Pair, unfilled_too: bool = True) -> str:
    """Return the statements that raise where a row has not the same in both columns.

    It reads what each is made of from the function of the triggers, `function_oid`, under the path
    of that, and takes no lock but that of a SELECT. A row is in step where the new column is what
    the old one gives, or the other way round: one of them may have lost digits on its way.
    Without `unfilled_too` rows are passed over that have no value in the new column.
    """
    forward = _between(f"\n  NEW.{quote(pair.new)} := ", ";\n  IF new_counts AND ")
    backward = _between(f"\n    NEW.{quote(pair.old)} := ", ";\n  END IF;\n  RETURN NEW;")
    condition = _CONDITION if unfilled_too else f"NEW.%1$I IS NOT NULL AND {_CONDITION}"
    # Operators and functions are PostgreSQL's own in all that runs under the fixed path.
    return f"""\
  SELECT p.prosrc, substr(c.setting, length('search_path=') + 1) INTO body, fixed_path
    FROM pg_proc p CROSS JOIN unnest(p.proconfig) AS c (setting)
   WHERE p.oid = function_oid AND starts_with(c.setting, 'search_path=');
  forward := {forward};
  backward := {backward};
  SELECT min(s.type) FILTER (WHERE s.attname = old_name),
         min(s.type) FILTER (WHERE s.attname = new_name)
    INTO old_type, new_type
    FROM (SELECT a.attname, concat(CASE WHEN n.nspname = 'pg_catalog'
                                         AND format_type(a.atttypid, NULL) !~ {literal(_KEYWORDS)}
                                        THEN 'pg_catalog.' END,
                                   format_type(a.atttypid, a.atttypmod)) AS type
            FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
            JOIN pg_namespace n ON n.oid = t.typnamespace
           WHERE a.attrelid = relation AND NOT a.attisdropped) AS s;
  SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY k.position),
         format('ROW(%s)', string_agg(format('NEW.%I', a.attname), ', ' ORDER BY k.position))
    INTO key_names, key_values
    FROM pg_constraint c CROSS JOIN unnest(c.conkey) WITH ORDINALITY AS k (number, position)
    JOIN pg_attribute a ON a.attrelid = relation AND a.attnum = k.number
   WHERE c.conrelid = relation AND c.contype = 'p';
  IF key_names IS NULL THEN
    key_names := 'ctid';
    key_values := 'NEW.ctid';
  END IF;
  IF forward <> '' AND backward <> '' AND old_type IS NOT NULL AND new_type IS NOT NULL THEN
    condition := format({literal(condition)},
      new_name, forward, new_type, old_name, backward, old_type);
    counting := format({literal(_COUNTING)}, {TABLE}, condition);
    showing := format({literal(_SHOWING)},
      format('(%s)', key_names), key_values, old_name, new_name, {TABLE}, condition);
    PERFORM set_config('search_path', fixed_path, true);
    BEGIN
      EXECUTE counting INTO number_of_rows;
      EXECUTE showing INTO shown;
    EXCEPTION WHEN data_exception THEN
      RAISE EXCEPTION USING ERRCODE = '{OUT_OF_STEP}', MESSAGE = pg_catalog.format(
        'Columns %I and %I of %s cannot be compared, because a value of one gives none for the '
        'other: %s. It was written with the triggers switched off. Mend it, or write force=True',
        old_name, new_name, relation::pg_catalog.regclass, SQLERRM);
    END;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF number_of_rows > 0 THEN
      RAISE EXCEPTION USING ERRCODE = '{OUT_OF_STEP}', MESSAGE = format({literal(_MESSAGE)},
        number_of_rows, {TABLE}, old_name, new_name, shown,
        replace(format({literal(_UPDATE)}, {TABLE}, new_name, forward, new_type, condition),
          chr(10), chr({ord(NEWLINE)})),
        replace(format({literal(_UPDATE)}, {TABLE}, old_name, backward, old_type, condition),
          chr(10), chr({ord(NEWLINE)})));
    END IF;
  END IF;
"""


def _between(before: str, behind: str) -> str:
    """Return the SQL of the part of `body` between two texts; empty where they are not there."""
    return f"split_part(split_part(body, {literal(before)}, 2), {literal(behind)}, 1)"
