"""What the catalogs are asked for a snapshot: one query for each kind of thing.

Each gives a schema and a name first, or the oid of the relation that it belongs to. The functions
that write definitions put a schema in front of every name, because `search_path` is pinned:
https://www.postgresql.org/docs/current/functions-info.html#FUNCTIONS-INFO-CATALOG
"""

from __future__ import annotations

_SCHEMAS = """
  n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
  AND CASE WHEN CAST(:schemas AS text[]) IS NULL THEN n.nspname !~ '^_zanith_'
           ELSE n.nspname = ANY (CAST(:schemas AS text[])) END
  AND n.nspname <> ALL (CAST(:without AS text[]))
"""

_NO_MEMBER = """
  NOT EXISTS (SELECT FROM pg_catalog.pg_depend member
               WHERE member.deptype = 'e' AND member.objid = {oid}
                 AND member.classid = '{catalog}'::regclass)
"""


def _no_member(oid: str, catalog: str) -> str:
    return _NO_MEMBER.format(oid=oid, catalog=f"pg_catalog.{catalog}")


SCHEMAS = f"SELECT n.nspname::text FROM pg_catalog.pg_namespace n WHERE {_SCHEMAS} ORDER BY 1"

RELATIONS = f"""
SELECT c.oid::bigint, n.nspname::text, c.relname::text, c.relkind::text,
       CASE WHEN c.relkind IN ('v', 'm') THEN pg_catalog.pg_get_viewdef(c.oid) END,
       pg_catalog.json_strip_nulls(pg_catalog.json_build_object(
         'unlogged', CASE WHEN c.relpersistence = 'u' THEN true END,
         'options', c.reloptions,
         'row_security', CASE WHEN c.relrowsecurity THEN
                           CASE WHEN c.relforcerowsecurity THEN 'forced' ELSE 'enabled' END END,
         'replica_identity', CASE WHEN c.relkind IN ('r', 'p') THEN
                               CASE c.relreplident WHEN 'n' THEN 'nothing' WHEN 'f' THEN 'full' END
                             END,
         'partition_key', pg_catalog.pg_get_partkeydef(c.oid),
         'bound', pg_catalog.pg_get_expr(c.relpartbound, c.oid),
         'inherits', (SELECT pg_catalog.array_agg(
                        pg_catalog.format('%I.%I', pn.nspname, p.relname) ORDER BY i.inhseqno)
                        FROM pg_catalog.pg_inherits i
                        JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
                        JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
                       WHERE i.inhrelid = c.oid),
         'tablespace', (SELECT t.spcname FROM pg_catalog.pg_tablespace t
                         WHERE t.oid = c.reltablespace),
         'server', (SELECT s.srvname FROM pg_catalog.pg_foreign_table f
                      JOIN pg_catalog.pg_foreign_server s ON s.oid = f.ftserver
                     WHERE f.ftrelid = c.oid),
         'comment', pg_catalog.obj_description(c.oid, 'pg_class')))::text
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p', 'f', 'v', 'm') AND {_SCHEMAS} AND {_no_member("c.oid", "pg_class")}
"""

_OF_RELATIONS = f"""
  JOIN pg_catalog.pg_class c ON c.oid = {{relation}} AND c.relkind IN ('r', 'p', 'f', 'v', 'm')
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND {_SCHEMAS}
"""

COLUMNS = f"""
SELECT c.oid::bigint, a.attname::text, pg_catalog.format_type(a.atttypid, a.atttypmod),
       a.attnotnull, pg_catalog.pg_get_expr(d.adbin, d.adrelid), a.attidentity::text,
       a.attgenerated::text,
       CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END,
       CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text END,
       nullif(a.attcompression::text, ''),
       pg_catalog.col_description(c.oid, a.attnum)
  FROM pg_catalog.pg_attribute a
  {_OF_RELATIONS.format(relation="a.attrelid")}
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
  LEFT JOIN pg_catalog.pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
 WHERE a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum
"""

# Since 18 each NOT NULL is one, mostly of a name that nobody has chosen:
# https://www.postgresql.org/docs/18/release-18.html
CONSTRAINTS = f"""
SELECT c.oid::bigint, k.conname::text, pg_catalog.pg_get_constraintdef(k.oid)
  FROM pg_catalog.pg_constraint k
  {_OF_RELATIONS.format(relation="k.conrelid")}
 WHERE k.contype <> 't' AND k.conparentid = 0
   AND (k.contype <> 'n' OR (k.conislocal AND k.conname !~ '_not_null[0-9]*$'))
"""

INDEXES = f"""
SELECT c.oid::bigint, x.relname::text, pg_catalog.pg_get_indexdef(i.indexrelid),
       i.indisvalid, i.indisclustered, i.indisreplident
  FROM pg_catalog.pg_index i
  {_OF_RELATIONS.format(relation="i.indrelid")}
  JOIN pg_catalog.pg_class x ON x.oid = i.indexrelid
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k
                    WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
   AND NOT x.relispartition
"""

TRIGGERS = f"""
SELECT c.oid::bigint, t.tgname::text, pg_catalog.pg_get_triggerdef(t.oid), t.tgenabled::text
  FROM pg_catalog.pg_trigger t
  {_OF_RELATIONS.format(relation="t.tgrelid")}
 WHERE NOT t.tgisinternal AND t.tgparentid = 0
"""

POLICIES = f"""
SELECT c.oid::bigint, p.polname::text, p.polcmd::text, p.polpermissive,
       (SELECT pg_catalog.string_agg(coalesce(r.rolname, 'public'), ', ' ORDER BY r.rolname)
          FROM pg_catalog.unnest(p.polroles) AS given(oid)
          LEFT JOIN pg_catalog.pg_roles r ON r.oid = given.oid),
       pg_catalog.pg_get_expr(p.polqual, p.polrelid),
       pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid)
  FROM pg_catalog.pg_policy p
  {_OF_RELATIONS.format(relation="p.polrelid")}
"""

RULES = f"""
SELECT c.oid::bigint, r.rulename::text, pg_catalog.pg_get_ruledef(r.oid), r.ev_enabled::text
  FROM pg_catalog.pg_rewrite r
  {_OF_RELATIONS.format(relation="r.ev_class")}
 WHERE r.rulename <> '_RETURN'
"""

STATISTICS = f"""
SELECT c.oid::bigint, s.stxname::text, pg_catalog.pg_get_statisticsobjdef(s.oid)
  FROM pg_catalog.pg_statistic_ext s
  {_OF_RELATIONS.format(relation="s.stxrelid")}
"""

# Those of identity columns go with their columns.
SEQUENCES = f"""
SELECT n.nspname::text, c.relname::text, s.seqtypid::regtype::text, s.seqstart, s.seqincrement,
       s.seqmin, s.seqmax, s.seqcache, s.seqcycle,
       (SELECT ARRAY[tn.nspname::text, t.relname::text, a.attname::text]
          FROM pg_catalog.pg_depend o
          JOIN pg_catalog.pg_class t ON t.oid = o.refobjid
          JOIN pg_catalog.pg_namespace tn ON tn.oid = t.relnamespace
          JOIN pg_catalog.pg_attribute a ON a.attrelid = t.oid AND a.attnum = o.refobjsubid
         WHERE o.classid = 'pg_catalog.pg_class'::regclass AND o.objid = c.oid
           AND o.refclassid = 'pg_catalog.pg_class'::regclass AND o.deptype = 'a')
  FROM pg_catalog.pg_sequence s
  JOIN pg_catalog.pg_class c ON c.oid = s.seqrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND {_SCHEMAS}
 WHERE NOT EXISTS (SELECT FROM pg_catalog.pg_depend i
                    WHERE i.classid = 'pg_catalog.pg_class'::regclass AND i.objid = c.oid
                      AND i.deptype = 'i')
   AND {_no_member("c.oid", "pg_class")}
"""

TYPES = f"""
SELECT n.nspname::text, t.typname::text, t.typtype::text,
       CASE t.typtype
         WHEN 'e' THEN (SELECT pg_catalog.string_agg(
                                 pg_catalog.quote_literal(e.enumlabel), ', '
                                 ORDER BY e.enumsortorder)
                          FROM pg_catalog.pg_enum e WHERE e.enumtypid = t.oid)
         WHEN 'd' THEN pg_catalog.format_type(t.typbasetype, t.typtypmod)
                       || CASE WHEN t.typnotnull THEN ' NOT NULL' ELSE '' END
                       || coalesce(' DEFAULT ' || t.typdefault, '')
                       || coalesce(' ' || (
                            SELECT pg_catalog.string_agg(
                                     pg_catalog.quote_ident(k.conname) || ' '
                                     || pg_catalog.pg_get_constraintdef(k.oid), ' '
                                     ORDER BY k.conname)
                              FROM pg_catalog.pg_constraint k
                             WHERE k.contypid = t.oid AND k.contype = 'c'), '')
         WHEN 'c' THEN (SELECT pg_catalog.string_agg(
                                 pg_catalog.quote_ident(a.attname) || ' '
                                 || pg_catalog.format_type(a.atttypid, a.atttypmod), ', '
                                 ORDER BY a.attnum)
                          FROM pg_catalog.pg_attribute a
                         WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped)
         WHEN 'r' THEN (SELECT pg_catalog.format_type(r.rngsubtype, NULL)
                          FROM pg_catalog.pg_range r WHERE r.rngtypid = t.oid)
       END
  FROM pg_catalog.pg_type t
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace AND {_SCHEMAS}
  LEFT JOIN pg_catalog.pg_class c ON c.oid = t.typrelid
 WHERE (t.typtype IN ('e', 'd', 'r') OR (t.typtype = 'c' AND c.relkind = 'c'))
   AND {_no_member("t.oid", "pg_type")}
"""

FUNCTIONS = f"""
SELECT n.nspname::text,
       p.proname::text || '(' || pg_catalog.pg_get_function_identity_arguments(p.oid) || ')',
       p.prokind::text,
       CASE WHEN p.prokind = 'a'
            THEN (SELECT pg_catalog.format('SFUNC = %s, STYPE = %s%s%s', g.aggtransfn,
                           pg_catalog.format_type(g.aggtranstype, NULL),
                           CASE WHEN g.aggfinalfn <> 0 THEN ', FINALFUNC = ' || g.aggfinalfn END,
                           ', INITCOND = ' || pg_catalog.quote_literal(g.agginitval))
                    FROM pg_catalog.pg_aggregate g WHERE g.aggfnoid = p.oid)
            ELSE pg_catalog.pg_get_functiondef(p.oid) END
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace AND {_SCHEMAS}
 WHERE {_no_member("p.oid", "pg_proc")}
"""

EXTENSIONS = """
SELECT e.extname::text, e.extversion, n.nspname::text
  FROM pg_catalog.pg_extension e JOIN pg_catalog.pg_namespace n ON n.oid = e.extnamespace
"""

EVENT_TRIGGERS = f"""
SELECT e.evtname::text, e.evtevent::text, e.evtfoid::regprocedure::text, e.evtenabled::text,
       pg_catalog.array_to_string(e.evttags, ', ')
  FROM pg_catalog.pg_event_trigger e WHERE {_no_member("e.oid", "pg_event_trigger")}
"""

PUBLICATIONS = """
SELECT p.pubname::text, p.puballtables, p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate,
       (SELECT pg_catalog.string_agg(pg_catalog.format('%I.%I', t.schemaname, t.tablename), ', '
                                     ORDER BY t.schemaname, t.tablename)
          FROM pg_catalog.pg_publication_tables t WHERE t.pubname = p.pubname)
  FROM pg_catalog.pg_publication p
"""
