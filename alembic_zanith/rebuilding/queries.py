"""What PostgreSQL is asked about a table that is to be rebuilt, beside what `catalog` asks."""

from __future__ import annotations

TRAITS = """
SELECT c.relpersistence::text AS persistence, am.amname::text AS access_method,
       ts.spcname::text AS tablespace, coalesce(c.reloptions, '{}')::text[] AS options,
       coalesce(toast.reloptions, '{}')::text[] AS toast_options,
       pg_catalog.obj_description(c.oid, 'pg_class') AS comment,
       c.relrowsecurity AS row_security, c.relforcerowsecurity AS forces_row_security,
       c.relreplident::text AS replica_identity,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner, c.reloftype <> 0 AS is_typed,
       ARRAY(SELECT x.privilege_type FROM pg_catalog.aclexplode(c.relacl) AS x
              WHERE x.grantee = c.relowner ORDER BY x.privilege_type) AS owner_may,
       ARRAY(SELECT x.privilege_type
               FROM pg_catalog.aclexplode(pg_catalog.acldefault('r', c.relowner)) AS x
              WHERE x.grantee = c.relowner ORDER BY x.privilege_type) AS owner_may_by_default,
       c.relacl IS NULL AS has_default_rights,
       EXISTS (SELECT FROM pg_catalog.pg_inherits i
                WHERE i.inhrelid = c.oid OR i.inhparent = c.oid) AS inherits
  FROM pg_catalog.pg_class c
  LEFT JOIN pg_catalog.pg_am am ON am.oid = c.relam
  LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = c.reltablespace
  LEFT JOIN pg_catalog.pg_class toast ON toast.oid = c.reltoastrelid
 WHERE c.oid = CAST(:oid AS oid)
"""

INBOUND = """
SELECT DISTINCT con.conrelid::bigint AS oid
  FROM pg_catalog.pg_constraint con
 WHERE con.confrelid = CAST(:oid AS oid) AND con.conrelid <> con.confrelid
   AND con.contype = 'f' AND con.conparentid = 0
 ORDER BY 1
"""

# Grants by roles that this one cannot become, and publications of others.
OUT_OF_REACH = """
SELECT pg_catalog.format('the privilege %s that %I granted', x.privilege_type, g.rolname) AS what
  FROM (SELECT c.relacl AS acl, c.relowner AS owner FROM pg_catalog.pg_class c
         WHERE c.oid = CAST(:oid AS oid)
         UNION ALL
        SELECT a.attacl, c.relowner FROM pg_catalog.pg_attribute a
          JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
         WHERE a.attrelid = CAST(:oid AS oid) AND NOT a.attisdropped
         UNION ALL
        SELECT s.relacl, s.relowner FROM pg_catalog.pg_class s
          JOIN pg_catalog.pg_depend d ON d.classid = CAST('pg_catalog.pg_class' AS regclass)
           AND d.objid = s.oid AND d.deptype = 'i' AND d.refobjid = CAST(:oid AS oid)
         WHERE s.relkind = 'S') AS acls
 CROSS JOIN LATERAL pg_catalog.aclexplode(acls.acl) AS x
  JOIN pg_catalog.pg_roles g ON g.oid = x.grantor
 WHERE x.grantor <> acls.owner AND NOT pg_catalog.pg_has_role(session_user, x.grantor, '{become}')
 UNION
SELECT pg_catalog.format('its place in the publication %I of %I', p.pubname, r.rolname)
  FROM pg_catalog.pg_publication_rel pr
  JOIN pg_catalog.pg_publication p ON p.oid = pr.prpubid
  JOIN pg_catalog.pg_roles r ON r.oid = p.pubowner
 WHERE pr.prrelid = CAST(:oid AS oid) AND NOT pg_catalog.pg_has_role(p.pubowner, 'USAGE')
 ORDER BY 1
"""

# What nothing here can make again: security labels, and marks that an object goes with an extension
# (an own table's indexes and triggers may have them).
NOT_CARRIED = """
WITH own (classid, objid) AS (
     SELECT CAST('pg_catalog.pg_class' AS regclass), CAST(:oid AS oid)
      UNION ALL
     SELECT CAST('pg_catalog.pg_class' AS regclass), i.indexrelid
       FROM pg_catalog.pg_index i WHERE i.indrelid = CAST(:oid AS oid)
      UNION ALL
     SELECT CAST('pg_catalog.pg_trigger' AS regclass), t.oid
       FROM pg_catalog.pg_trigger t WHERE t.tgrelid = CAST(:oid AS oid))
SELECT pg_catalog.format('the security label of %s for %s',
         pg_catalog.pg_describe_object(l.classoid, l.objoid, l.objsubid), l.provider) AS what
  FROM pg_catalog.pg_seclabel l JOIN own ON own.classid = l.classoid AND own.objid = l.objoid
 UNION
SELECT pg_catalog.format('%s, which goes with the extension %I',
         pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), e.extname)
  FROM pg_catalog.pg_depend d JOIN own ON own.classid = d.classid AND own.objid = d.objid
  JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
 WHERE d.deptype = 'x' AND d.refclassid = CAST('pg_catalog.pg_extension' AS regclass)
 ORDER BY 1
"""

# The columns that an object is made of, from what it depends on.
# https://www.postgresql.org/docs/current/catalog-pg-depend.html
PARTS_BY_COLUMN = """
SELECT DISTINCT what.kind, what.name, a.attname::text AS column_name
  FROM (SELECT CASE WHEN con.oid IS NULL THEN 'index' ELSE 'constraint' END AS kind,
               coalesce(con.conname, c.relname)::text AS name,
               CAST('pg_catalog.pg_class' AS regclass) AS classid, c.oid AS objid
          FROM pg_catalog.pg_index i
          JOIN pg_catalog.pg_class c ON c.oid = i.indexrelid
          LEFT JOIN pg_catalog.pg_constraint con
            ON con.conindid = c.oid AND con.contype IN ('p', 'u', 'x')
         WHERE i.indrelid = CAST(:oid AS oid)
         UNION ALL
        SELECT 'constraint', con.conname::text, CAST('pg_catalog.pg_constraint' AS regclass),
               con.oid
          FROM pg_catalog.pg_constraint con WHERE con.conrelid = CAST(:oid AS oid)
         UNION ALL
        SELECT 'statistics', s.stxname::text, CAST('pg_catalog.pg_statistic_ext' AS regclass),
               s.oid
          FROM pg_catalog.pg_statistic_ext s WHERE s.stxrelid = CAST(:oid AS oid)) AS what
  JOIN pg_catalog.pg_depend d
    ON d.classid = what.classid AND d.objid = what.objid
   AND d.refclassid = CAST('pg_catalog.pg_class' AS regclass) AND d.refobjid = CAST(:oid AS oid)
   AND d.refobjsubid > 0
  JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
"""

NAME_OF = """
SELECT n.nspname::text AS schema, c.relname::text AS name
  FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE c.oid = CAST(:oid AS oid)
"""

SUBORDINATES = """
SELECT CASE c.relkind WHEN 'S' THEN 'SEQUENCE' ELSE 'INDEX' END AS kind, c.relname::text AS name
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = :schema
 WHERE EXISTS (SELECT FROM pg_catalog.pg_index i
                WHERE i.indexrelid = c.oid AND i.indrelid = pg_catalog.to_regclass(:relation))
    OR c.relkind = 'S'
   AND EXISTS (SELECT FROM pg_catalog.pg_depend d
                WHERE d.classid = CAST('pg_catalog.pg_class' AS regclass) AND d.objid = c.oid
                  AND d.refclassid = d.classid AND d.deptype = 'i'
                  AND d.refobjid = pg_catalog.to_regclass(:relation))
 ORDER BY 1, 2
"""
