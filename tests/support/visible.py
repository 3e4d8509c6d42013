"""What is there for those who do not look at what is parked: names, shapes, rows."""

from __future__ import annotations

from tests.support.database import Database

_LIVE_SCHEMA = (
    "n.nspname !~ '^(pg_|information_schema$|_zanith_archive$)' AND n.nspname LIKE '$schema'"
)
_LIVE_NAME = "!~ '^_?_zanith_'"

_OBJECTS = f"""
SELECT 'relation ' || c.relkind::text, n.nspname, c.relname, ''
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE {_LIVE_SCHEMA} AND c.relname {_LIVE_NAME}
   AND NOT EXISTS (SELECT FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid
                    WHERE i.indexrelid = c.oid AND t.relname ~ '^_zanith_')
UNION ALL
SELECT 'column', n.nspname, c.relname,
       concat_ws(' ', a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
                 a.attgenerated, pg_get_expr(d.adbin, d.adrelid), a.attislocal, a.attinhcount)
  FROM pg_attribute a
  JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
  JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attnum > 0 AND NOT a.attisdropped
   AND {_LIVE_SCHEMA} AND c.relname {_LIVE_NAME} AND a.attname {_LIVE_NAME}
UNION ALL
SELECT 'index', n.nspname, c.relname, pg_get_indexdef(c.oid)
  FROM pg_index i
  JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_class t ON t.oid = i.indrelid
 WHERE {_LIVE_SCHEMA} AND t.relname {_LIVE_NAME}
UNION ALL
SELECT 'constraint', t.relname, k.conname, pg_get_constraintdef(k.oid)
  FROM pg_constraint k
  JOIN pg_class t ON t.oid = k.conrelid JOIN pg_namespace n ON n.oid = t.relnamespace
 WHERE {_LIVE_SCHEMA} AND t.relname {_LIVE_NAME} AND k.conname {_LIVE_NAME}
UNION ALL
SELECT 'trigger', t.relname, g.tgname, g.tgenabled::text
  FROM pg_trigger g
  JOIN pg_class t ON t.oid = g.tgrelid JOIN pg_namespace n ON n.oid = t.relnamespace
 WHERE NOT g.tgisinternal AND {_LIVE_SCHEMA} AND t.relname {_LIVE_NAME}
UNION ALL
SELECT 'policy', t.relname, p.polname, p.polcmd::text
  FROM pg_policy p
  JOIN pg_class t ON t.oid = p.polrelid JOIN pg_namespace n ON n.oid = t.relnamespace
 WHERE {_LIVE_SCHEMA} AND t.relname {_LIVE_NAME}
UNION ALL
SELECT 'type ' || y.typtype::text, n.nspname, y.typname, ''
  FROM pg_type y JOIN pg_namespace n ON n.oid = y.typnamespace
 WHERE {_LIVE_SCHEMA} AND y.typname {_LIVE_NAME}
UNION ALL
SELECT 'function', n.nspname, p.proname, pg_get_function_identity_arguments(p.oid)
  FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
 WHERE n.nspname !~ '^(pg_|information_schema$)'
UNION ALL
SELECT 'statistics', n.nspname, s.stxname, ''
  FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
 WHERE {_LIVE_SCHEMA} AND s.stxname {_LIVE_NAME}
UNION ALL
SELECT 'published', p.pubname, p.tablename, ''
  FROM pg_publication_tables p JOIN pg_publication q ON q.pubname = p.pubname
 WHERE NOT q.puballtables
 ORDER BY 1, 2, 3, 4
"""

_TABLES = f"""
SELECT n.nspname, c.relname,
       coalesce(string_agg(quote_ident(a.attname), ', ' ORDER BY a.attname), 'NULL')
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
  LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
                          AND a.attname {_LIVE_NAME}
 WHERE c.relkind IN ('r', 'p') AND {_LIVE_SCHEMA} AND c.relname {_LIVE_NAME}
 GROUP BY c.oid, n.nspname, c.relname ORDER BY 1, 2
"""


def visible_objects(database: Database, schema: str | None = None) -> list[str]:
    """Return every live object, of one schema or all, with its definition where it has one."""
    found = database.rows(_OBJECTS.replace("$schema", schema or "%"))
    return [" | ".join(map(str, row)) for row in found]


def visible_content(database: Database, schema: str | None = None) -> dict[str, list[str]]:
    """Return the rows of every live table, inherited ones included, in a fixed order."""
    content = {}
    for where, table, columns in database.rows(_TABLES.replace("$schema", schema or "%")):
        query = f'SELECT {columns} FROM "{where}"."{table}"'
        content[f"{where}.{table}"] = sorted(map(repr, database.rows(query)))
    return content
