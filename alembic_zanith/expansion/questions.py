"""What the catalogs are asked for a column; `search_path` is pinned while they are.

https://www.postgresql.org/docs/current/catalogs.html
"""

from __future__ import annotations

_OF_COLUMN = "a.attrelid = CAST(:oid AS oid) AND a.attnum = :number"

HINDRANCES = f"""
SELECT reason FROM (
  SELECT 1 AS n, 'is part of the primary key, by which rows are known while they are copied. '
                 'Give the table another key first.' AS reason
    FROM pg_constraint k WHERE k.conrelid = CAST(:oid AS oid) AND k.contype = 'p'
     AND CAST(:number AS int2) = ANY (k.conkey)
   UNION ALL
  SELECT 2, 'is generated: nothing can write it. Make another generated column in its place.'
    FROM pg_attribute a WHERE {_OF_COLUMN} AND a.attgenerated <> ''
   UNION ALL
  SELECT 3, 'is an identity column: each INSERT gives it a value.'
    FROM pg_attribute a WHERE {_OF_COLUMN} AND a.attidentity <> ''
   UNION ALL
  SELECT 4, 'owns the sequence ' || d.objid::regclass || ', which would go with it. Let the '
            'sequence go first: ALTER SEQUENCE ' || d.objid::regclass || ' OWNED BY NONE.'
    FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
   WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
     AND d.refobjid = CAST(:oid AS oid) AND d.refobjsubid = :number AND d.deptype = 'a'
   UNION ALL
  SELECT 5, 'is inherited. Name the table that it comes from.'
    FROM pg_attribute a WHERE {_OF_COLUMN} AND a.attinhcount > 0
   UNION ALL
  SELECT 6, 'is of a table that others inherit from, and triggers do not fire in these.'
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhparent AND c.relkind = 'r'
   WHERE i.inhparent = CAST(:oid AS oid)
   UNION ALL
  SELECT 7, 'is part of the partition key.'
    FROM pg_partitioned_table p
   WHERE p.partrelid = CAST(:oid AS oid) AND CAST(:number AS int2) = ANY (p.partattrs::int2[])
   UNION ALL
  SELECT 8, 'is part of the exclusion constraint ' || quote_ident(k.conname)
            || ', whose index cannot be built beside writers.'
    FROM pg_constraint k WHERE k.conrelid = CAST(:oid AS oid) AND k.contype = 'x'
     AND CAST(:number AS int2) = ANY (k.conkey)
   UNION ALL
  SELECT 9, 'is kept the same as another column already. Run the revision that ends that.'
    FROM pg_trigger t JOIN pg_depend d ON d.classid = 'pg_trigger'::regclass AND d.objid = t.oid
   WHERE t.tgrelid = CAST(:oid AS oid) AND starts_with(t.tgname::text, '_zanith_sync_')
     AND d.refobjid = t.tgrelid AND d.refobjsubid = :number) AS found
 ORDER BY n LIMIT 1
"""

# What would refuse to let the column go, but for what hangs on it alone.
DEPENDENTS = """
SELECT DISTINCT pg_describe_object(d.classid, d.objid, d.objsubid) AS object
  FROM pg_depend d
  LEFT JOIN pg_constraint k ON d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
  LEFT JOIN pg_attrdef e ON d.classid = 'pg_attrdef'::regclass AND e.oid = d.objid
  LEFT JOIN pg_class c ON d.classid = 'pg_class'::regclass AND c.oid = d.objid
 WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = CAST(:oid AS oid)
   AND d.refobjsubid = :number AND d.deptype <> 'i'
   AND d.classid <> 'pg_statistic_ext'::regclass
   AND NOT coalesce(c.relkind IN ('i', 'I'), false)
   AND NOT coalesce(e.adrelid = CAST(:oid AS oid) AND e.adnum = :number, false)
   AND NOT coalesce(k.conrelid = CAST(:oid AS oid)
                    AND NOT (k.contype = 'f' AND k.confrelid = k.conrelid
                             AND CAST(:number AS int2) = ANY (k.confkey)), false)
 ORDER BY 1
"""

PARTS = """
SELECT 'i' AS kind, x.relname::text AS name, pg_get_indexdef(x.oid) AS definition,
       '' AS index, '' AS traits
  FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
 WHERE i.indrelid = CAST(:oid AS oid) AND i.indisvalid
   AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = x.oid
                      AND k.contype IN ('p', 'u', 'x'))
   AND EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = x.oid
                  AND d.refobjid = i.indrelid AND d.refobjsubid = :number)
 UNION ALL
SELECT k.contype::text, k.conname::text, pg_get_constraintdef(k.oid),
       CASE WHEN k.contype = 'u' THEN pg_get_indexdef(k.conindid) ELSE '' END,
       CASE WHEN k.condeferred THEN ' DEFERRABLE INITIALLY DEFERRED'
            WHEN k.condeferrable THEN ' DEFERRABLE' ELSE '' END
  FROM pg_constraint k
 WHERE k.conrelid = CAST(:oid AS oid) AND k.contype IN ('u', 'c', 'f')
   AND CAST(:number AS int2) = ANY (k.conkey)
 UNION ALL
SELECT 's', s.stxname::text, '', '', ''
  FROM pg_statistic_ext s JOIN pg_depend d ON d.classid = 'pg_statistic_ext'::regclass
   AND d.objid = s.oid AND d.refobjid = CAST(:oid AS oid) AND d.refobjsubid = :number
 ORDER BY 1, 2
"""

# The functions that an expression calls, by their numbers in its tree.
DEFAULT = r"""
SELECT pg_get_expr(d.adbin, d.adrelid) AS expression,
       EXISTS (SELECT FROM regexp_matches(d.adbin::text, '\W(op)?funcid ([0-9]+)', 'g') AS m (ids)
                 JOIN pg_proc p ON p.oid = CAST(m.ids[2] AS oid)
                WHERE p.provolatile = 'v') AS is_volatile
  FROM pg_attrdef d WHERE d.adrelid = CAST(:oid AS oid) AND d.adnum = :number
"""

GRANTS = """
SELECT CASE WHEN g.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(r.rolname) END AS role,
       g.privilege_type AS privilege, g.is_grantable AS grantable
  FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) AS g
  LEFT JOIN pg_roles r ON r.oid = g.grantee
 WHERE a.attrelid = CAST(:oid AS oid) AND a.attnum = :number
 ORDER BY 1, 2
"""

NAMES = """
SELECT x.relname::text AS name FROM pg_class x JOIN pg_class c ON c.oid = CAST(:oid AS oid)
 WHERE x.relnamespace = c.relnamespace AND :number > 0
 UNION
SELECT k.conname::text FROM pg_constraint k WHERE k.conrelid = CAST(:oid AS oid)
"""

# Whether a value goes into a column of another type without CAST, as in an INSERT; both types are
# expressions of PostgreSQL's type of a type. What a domain stands on counts.
IS_ASSIGNED = """
WITH RECURSIVE chain (side, oid) AS (
     VALUES (1, CAST({one} AS oid)), (2, CAST({other} AS oid))
      UNION ALL
     SELECT chain.side, t.typbasetype FROM chain JOIN pg_type t ON t.oid = chain.oid
      WHERE t.typtype = 'd'),
base (side, oid, category) AS (
     SELECT chain.side, t.oid, t.typcategory FROM chain JOIN pg_type t ON t.oid = chain.oid
      WHERE t.typtype <> 'd')
SELECT one.oid = other.oid OR one.oid = CAST('unknown'::regtype AS oid) OR other.category = 'S'
    OR EXISTS (
         SELECT FROM pg_cast c WHERE c.castsource = one.oid AND c.casttarget = other.oid
            AND c.castcontext IN ('a', 'i'))
  FROM base one JOIN base other ON one.side = 1 AND other.side = 2
"""
