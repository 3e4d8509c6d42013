"""The catalog queries behind `capture`, each giving the rows of one kind of part.

`:attnum` narrows a query to what a DROP of that one column would take along; NULL means all of
the table. PostgreSQL records in pg_depend which columns an object needs:
https://www.postgresql.org/docs/current/catalog-pg-depend.html
"""

from __future__ import annotations

_USES_COLUMN = """
(CAST(:attnum AS int) IS NULL OR EXISTS (
    SELECT FROM pg_catalog.pg_depend dep
     WHERE dep.classid = CAST('{catalog}' AS regclass) AND dep.objid = {object}
       AND dep.refclassid = CAST('pg_catalog.pg_class' AS regclass)
       AND dep.refobjid = CAST(:oid AS oid) AND dep.refobjsubid = CAST(:attnum AS int)))
"""


def _uses_column(catalog: str, column: str) -> str:
    return _USES_COLUMN.format(catalog=f"pg_catalog.{catalog}", object=column)


_REACHES_OUT = """
EXISTS (SELECT FROM pg_catalog.pg_depend dep
         WHERE dep.classid = CAST('{catalog}' AS regclass) AND dep.objid = {object}
           AND dep.deptype NOT IN ('P', 'S', 'e', 'x')
           AND CASE WHEN dep.refclassid = CAST('pg_catalog.pg_class' AS regclass)
                    THEN dep.refobjid <> CAST(:oid AS oid)
                         AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend own
                              WHERE own.classid = CAST('pg_catalog.pg_class' AS regclass)
                                AND own.objid = dep.refobjid
                                AND own.refclassid = CAST('pg_catalog.pg_class' AS regclass)
                                AND own.deptype IN ('a', 'i') AND {same_tree})
                         AND NOT EXISTS (SELECT FROM pg_catalog.pg_inherits i
                              WHERE i.inhrelid = {object} AND i.inhparent = dep.refobjid)
                    ELSE dep.refclassid NOT IN (CAST('pg_catalog.pg_constraint' AS regclass),
                                              CAST('pg_catalog.pg_namespace' AS regclass)) END)
"""

_SAME_TREE = """
coalesce(pg_catalog.pg_partition_root(own.refobjid), own.refobjid)
  = coalesce(pg_catalog.pg_partition_root(CAST(:oid AS oid)), CAST(:oid AS oid))
"""


def _reaches_out(catalog: str, column: str) -> str:
    """Whether an object needs anything outside of its table that can be dropped.

    What PostgreSQL itself brings is pinned and not recorded in pg_depend at all. The sequence of a
    serial column belongs to the topmost table, and the defaults of all its partitions need it.
    """
    return _REACHES_OUT.format(catalog=f"pg_catalog.{catalog}", object=column, same_tree=_SAME_TREE)


INDEX_TRAITS = """
       pg_catalog.obj_description(ix.oid, 'pg_class') AS index_comment,
       ts.spcname::text AS tablespace, i.indisclustered AS is_clustered,
       i.indisreplident AS is_replica_identity,
       coalesce(ix.reloptions, '{}')::text[] AS options,
       coalesce((SELECT pg_catalog.string_agg(s.attnum || ':' || s.attstattarget, ','
                                   ORDER BY s.attnum)
                   FROM pg_catalog.pg_attribute s
                  WHERE s.attrelid = ix.oid AND s.attstattarget >= 0), '') AS statistics,
       (SELECT pn.nspname::text FROM pg_catalog.pg_inherits h
          JOIN pg_catalog.pg_class p ON p.oid = h.inhparent
          JOIN pg_catalog.pg_namespace pn ON pn.oid = p.relnamespace
         WHERE h.inhrelid = ix.oid) AS parent_schema,
       (SELECT p.relname::text FROM pg_catalog.pg_inherits h
          JOIN pg_catalog.pg_class p ON p.oid = h.inhparent
         WHERE h.inhrelid = ix.oid) AS parent_name,
       ix.relkind = 'I' AS is_partitioned,
       ARRAY(SELECT pg_catalog.pg_get_indexdef(ix.oid, position, true)
               FROM pg_catalog.generate_series(1, i.indnkeyatts::int) AS position) AS keys,
       pg_catalog.pg_get_expr(i.indpred, i.indrelid) AS predicate
"""

_NAMED_LIKE_A_PARENTS = """
EXISTS (SELECT FROM pg_catalog.pg_inherits i
          JOIN pg_catalog.pg_constraint theirs
            ON theirs.conrelid = i.inhparent AND theirs.conname = con.conname
         WHERE i.inhrelid = con.conrelid AND theirs.contype = con.contype)
"""

_NAMED_LIKE_THE_CHILDRENS = """
NOT EXISTS (
    WITH RECURSIVE below (oid) AS (
         SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = con.conrelid
          UNION
         SELECT i.inhrelid FROM below JOIN pg_catalog.pg_inherits i ON i.inhparent = below.oid)
    SELECT FROM below
      JOIN pg_catalog.pg_attribute a ON a.attrelid = con.conrelid AND a.attnum = con.conkey[1]
      JOIN pg_catalog.pg_attribute b ON b.attrelid = below.oid AND b.attname = a.attname
      JOIN pg_catalog.pg_constraint theirs
        ON theirs.conrelid = below.oid AND theirs.contype = 'n' AND theirs.conkey[1] = b.attnum
     WHERE theirs.conname <> con.conname)
"""
"""NOT NULL constraints of children may be named otherwise, and then PostgreSQL cannot rename the
one above them, as it renames them all together:
https://www.postgresql.org/docs/18/sql-altertable.html"""

CONSTRAINTS = f"""
SELECT con.conname::text AS name, con.contype::text AS type,
       pg_catalog.pg_get_constraintdef(con.oid) AS definition,
       con.convalidated AS validated, con.conislocal AS is_local,
       con.coninhcount::int AS inheritance_count, con.conparentid <> 0 AS is_clone,
       con.coninhcount > 0 AND {_NAMED_LIKE_A_PARENTS} AS has_parents_name,
       CASE WHEN con.coninhcount > 0 THEN false
            WHEN con.contype = 'n' AND NOT con.connoinherit THEN {_NAMED_LIKE_THE_CHILDRENS}
            ELSE true END AS can_be_renamed,
       pg_catalog.obj_description(con.oid, 'pg_constraint') AS comment,
       pg_catalog.pg_get_expr(con.conbin, con.conrelid) AS expression,
       CASE WHEN con.confrelid <> 0 THEN con.confrelid::regclass::text END AS parent,
       con.confrelid::bigint AS parent_oid,
       ARRAY(SELECT a.attname::text FROM unnest(con.conkey) WITH ORDINALITY AS k (attnum, position)
               JOIN pg_catalog.pg_attribute a
                 ON a.attrelid = con.conrelid AND a.attnum = k.attnum
              ORDER BY k.position) AS columns,
       ARRAY(SELECT a.attname::text FROM unnest(con.confkey) WITH ORDINALITY AS k (attnum, position)
               JOIN pg_catalog.pg_attribute a
                 ON a.attrelid = con.confrelid AND a.attnum = k.attnum
              ORDER BY k.position) AS parent_columns,
       ARRAY(SELECT pg_catalog.quote_ident(opn.nspname) || '.' || op.oprname
               FROM unnest(con.conexclop) WITH ORDINALITY AS e (oid, position)
               JOIN pg_catalog.pg_operator op ON op.oid = e.oid
               JOIN pg_catalog.pg_namespace opn ON opn.oid = op.oprnamespace
              ORDER BY e.position) AS operators,
       {_reaches_out("pg_constraint", "con.oid")}
         OR (ix.oid IS NOT NULL AND {_reaches_out("pg_class", "ix.oid")}) AS reaches_out,
       ix.oid IS NOT NULL AS has_index,
       {INDEX_TRAITS}
  FROM pg_catalog.pg_constraint con
  LEFT JOIN pg_catalog.pg_class ix
         ON ix.oid = con.conindid AND con.contype IN ('p', 'u', 'x')
  LEFT JOIN pg_catalog.pg_index i ON i.indexrelid = ix.oid
  LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = ix.reltablespace
 WHERE con.conrelid = CAST(:oid AS oid) AND con.contype IN ('c', 'f', 'n', 'p', 'u', 'x')
   AND {_uses_column("pg_constraint", "con.oid")}
 ORDER BY con.contype, con.conname
"""

INDEXES = f"""
SELECT ix.relname::text AS name, n.nspname::text AS schema,
       pg_catalog.pg_get_indexdef(ix.oid) AS definition,
       pg_catalog.quote_ident(ix.relname) AS quoted_name,
       i.indrelid::regclass::text AS quoted_table,
       i.indisunique AS is_unique, i.indisvalid AS is_valid,
       {_reaches_out("pg_class", "ix.oid")} AS reaches_out,
       {INDEX_TRAITS}
  FROM pg_catalog.pg_index i
  JOIN pg_catalog.pg_class ix ON ix.oid = i.indexrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = ix.relnamespace
  LEFT JOIN pg_catalog.pg_tablespace ts ON ts.oid = ix.reltablespace
 WHERE i.indrelid = CAST(:oid AS oid)
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint con
                    WHERE con.conindid = ix.oid AND con.contype IN ('p', 'u', 'x'))
   AND {_uses_column("pg_class", "ix.oid")}
 ORDER BY ix.relname
"""

EXTENDED_STATISTICS = f"""
SELECT s.stxname::text AS name, n.nspname::text AS schema,
       pg_catalog.pg_get_statisticsobjdef(s.oid) AS definition,
       pg_catalog.quote_ident(n.nspname) || '.' || pg_catalog.quote_ident(s.stxname) AS quoted_name,
       s.stxrelid::regclass::text AS quoted_table,
       CASE WHEN s.stxstattarget >= 0 THEN s.stxstattarget::int END AS target,
       pg_catalog.pg_get_userbyid(s.stxowner)::text AS owner,
       pg_catalog.obj_description(s.oid, 'pg_statistic_ext') AS comment,
       {_reaches_out("pg_statistic_ext", "s.oid")} AS reaches_out
  FROM pg_catalog.pg_statistic_ext s
  JOIN pg_catalog.pg_namespace n ON n.oid = s.stxnamespace
 WHERE s.stxrelid = CAST(:oid AS oid) AND {_uses_column("pg_statistic_ext", "s.oid")}
 ORDER BY s.stxname
"""

DEFAULTS = f"""
SELECT a.attname::text AS column_name, a.attgenerated::text AS generated,
       pg_catalog.pg_get_expr(ad.adbin, ad.adrelid) AS expression, ad.adbin::text AS tree,
       pg_catalog.format_type(a.atttypid, a.atttypmod) AS type,
       {_reaches_out("pg_attrdef", "ad.oid")} AS reaches_out
  FROM pg_catalog.pg_attrdef ad
  JOIN pg_catalog.pg_attribute a ON a.attrelid = ad.adrelid AND a.attnum = ad.adnum
 WHERE ad.adrelid = CAST(:oid AS oid)
   AND (CAST(:attnum AS int) IS NULL OR ad.adnum = CAST(:attnum AS int))
 ORDER BY ad.adnum
"""

LETS_EXPRESSION_CHANGE = """
SELECT NOT EXISTS (SELECT FROM pg_catalog.pg_constraint con
                    WHERE con.conrelid = CAST(:oid AS oid) AND con.contype = 'c'
                      AND NOT CAST(:attnum AS int) = ANY (coalesce(con.conkey, '{}')))
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_publication_rel r
                    WHERE r.prrelid = CAST(:oid AS oid)) AS answer
"""

OWNED_SEQUENCES = r"""
SELECT c.oid::bigint AS oid, c.relname::text AS name, a.attname::text AS column_name,
       d.deptype = 'i' AS is_identity,
       s.seqtypid = a.atttypid
         AND EXISTS (SELECT FROM pg_catalog.pg_attrdef ad
                       JOIN pg_catalog.pg_depend u
                         ON u.classid = CAST('pg_catalog.pg_attrdef' AS regclass)
                        AND u.objid = ad.oid AND u.refobjid = c.oid
                        AND u.refclassid = CAST('pg_catalog.pg_class' AS regclass)
                      WHERE ad.adrelid = a.attrelid AND ad.adnum = a.attnum
                        AND pg_catalog.pg_get_expr(ad.adbin, ad.adrelid) ~ '^nextval\([^()]*\)$')
         AS feeds_column,
       s.seqcycle AS cycles, pg_catalog.format_type(s.seqtypid, NULL) AS type,
       s.seqstart AS start, s.seqincrement AS increment, s.seqmin AS minimum,
       s.seqmax AS maximum, s.seqcache AS cache, c.relpersistence::text AS persistence,
       pg_catalog.pg_get_userbyid(c.relowner)::text AS owner,
       pg_catalog.obj_description(c.oid, 'pg_class') AS comment
  FROM pg_catalog.pg_depend d
  JOIN pg_catalog.pg_class c ON c.oid = d.objid AND c.relkind = 'S'
  JOIN pg_catalog.pg_sequence s ON s.seqrelid = c.oid
  JOIN pg_catalog.pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
 WHERE d.classid = CAST('pg_catalog.pg_class' AS regclass) AND d.deptype IN ('a', 'i')
   AND d.refclassid = CAST('pg_catalog.pg_class' AS regclass) AND d.refobjid = CAST(:oid AS oid)
   AND d.refobjsubid > 0
   AND (CAST(:attnum AS int) IS NULL OR d.refobjsubid = CAST(:attnum AS int))
 ORDER BY c.relname
"""

_GRANT = """
       coalesce(pg_catalog.quote_ident(r.rolname), 'PUBLIC') AS grantee,
       x.privilege_type AS privilege, x.is_grantable AS grantable,
       CASE WHEN x.grantor <> c.relowner THEN pg_catalog.quote_ident(g.rolname) END AS grantor,
       x.grantor = c.relowner OR pg_catalog.pg_has_role(session_user, x.grantor, '{become}')
         AS is_ours
"""

_COLUMN_GRANTS = f"""
SELECT a.attname::text AS column_name, {_GRANT}
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
 CROSS JOIN LATERAL pg_catalog.aclexplode(a.attacl) WITH ORDINALITY
            AS x (grantor, grantee, privilege_type, is_grantable, position)
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
  LEFT JOIN pg_catalog.pg_roles g ON g.oid = x.grantor
 WHERE a.attrelid = CAST(:oid AS oid) AND a.attnum > 0 AND NOT a.attisdropped
   AND (CAST(:attnum AS int) IS NULL OR a.attnum = CAST(:attnum AS int))
 ORDER BY a.attnum, x.position
"""

_RELATION_GRANTS = f"""
SELECT {_GRANT}
  FROM pg_catalog.pg_class c
 CROSS JOIN LATERAL pg_catalog.aclexplode(c.relacl) WITH ORDINALITY
            AS x (grantor, grantee, privilege_type, is_grantable, position)
  LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.grantee
  LEFT JOIN pg_catalog.pg_roles g ON g.oid = x.grantor
 WHERE c.oid = CAST(:oid AS oid) AND x.grantee <> c.relowner
 ORDER BY x.position
"""


def column_grants(version: int) -> str:
    """Return the query for privileges on columns."""
    return _COLUMN_GRANTS.format(become=_become(version))


def relation_grants(version: int) -> str:
    """Return the query for privileges on a table or sequence."""
    return _RELATION_GRANTS.format(become=_become(version))


def _become(version: int) -> str:
    """The privilege to SET ROLE, which 16 told apart from membership."""
    return "SET" if version >= 160000 else "MEMBER"


TRIGGERS = """
SELECT t.tgname::text AS name, pg_catalog.pg_get_triggerdef(t.oid) AS definition,
       t.tgenabled::text AS state, t.tgparentid <> 0 AS is_clone, p.tgenabled::text AS parent_state,
       pg_catalog.obj_description(t.oid, 'pg_trigger') AS comment
  FROM pg_catalog.pg_trigger t
  LEFT JOIN pg_catalog.pg_trigger p ON p.oid = t.tgparentid
 WHERE t.tgrelid = CAST(:oid AS oid) AND NOT t.tgisinternal
 ORDER BY t.tgname
"""

RULES = """
SELECT r.rulename::text AS name, pg_catalog.pg_get_ruledef(r.oid) AS definition,
       r.ev_enabled::text AS state, pg_catalog.obj_description(r.oid, 'pg_rewrite') AS comment
  FROM pg_catalog.pg_rewrite r
 WHERE r.ev_class = CAST(:oid AS oid) AND r.rulename <> '_RETURN'
 ORDER BY r.rulename
"""

POLICIES = """
SELECT p.polname::text AS name, p.polpermissive AS permissive,
       CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE'
                     WHEN 'd' THEN 'DELETE' ELSE 'ALL' END AS command,
       ARRAY(SELECT coalesce(pg_catalog.quote_ident(r.rolname), 'PUBLIC')::text
               FROM unnest(p.polroles) WITH ORDINALITY AS x (oid, position)
               LEFT JOIN pg_catalog.pg_roles r ON r.oid = x.oid ORDER BY x.position) AS roles,
       pg_catalog.pg_get_expr(p.polqual, p.polrelid) AS using_expression,
       pg_catalog.pg_get_expr(p.polwithcheck, p.polrelid) AS check_expression,
       pg_catalog.obj_description(p.oid, 'pg_policy') AS comment
  FROM pg_catalog.pg_policy p
 WHERE p.polrelid = CAST(:oid AS oid)
 ORDER BY p.polname
"""

_PUBLICATIONS = """
SELECT p.pubname::text AS name,
       {columns} AS columns, {filter} AS filter,
       pg_catalog.pg_has_role(p.pubowner, 'USAGE') AS is_ours
  FROM pg_catalog.pg_publication_rel r
  JOIN pg_catalog.pg_publication p ON p.oid = r.prpubid
 WHERE r.prrelid = CAST(:oid AS oid)
 ORDER BY p.pubname
"""


def publications(version: int) -> str:
    """Return the query for publications; 15 brought column lists and row filters."""
    if version < 150000:
        return _PUBLICATIONS.format(columns="CAST('{}' AS text[])", filter="CAST(NULL AS text)")
    return _PUBLICATIONS.format(
        columns="""ARRAY(SELECT a.attname::text FROM pg_catalog.pg_attribute a
                  WHERE a.attrelid = r.prrelid AND a.attnum = ANY (r.prattrs)
                  ORDER BY a.attnum)""",
        filter="pg_catalog.pg_get_expr(r.prqual, r.prrelid)",
    )


PARENTS = """
SELECT n.nspname::text AS schema, p.relname::text AS name, p.oid::bigint AS oid,
       pg_catalog.pg_get_expr(c.relpartbound, c.oid) AS bound
  FROM pg_catalog.pg_inherits i
  JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
  JOIN pg_catalog.pg_class p ON p.oid = i.inhparent
  JOIN pg_catalog.pg_namespace n ON n.oid = p.relnamespace
 WHERE i.inhrelid = CAST(:oid AS oid)
 ORDER BY i.inhseqno
"""
