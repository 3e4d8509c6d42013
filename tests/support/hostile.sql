-- A schema in which almost everything that PostgreSQL brings has a namesake that refuses to work.
CREATE SCHEMA hostile;

CREATE FUNCTION hostile.refuse() RETURNS boolean LANGUAGE plpgsql AS
  $$BEGIN RAISE EXCEPTION 'the namesake of a type was used'; END$$;

DO $$
DECLARE one record; arguments text;
BEGIN
  FOR one IN
    SELECT p.proname, pg_get_function_identity_arguments(p.oid) AS arguments,
           pg_get_function_result(p.oid) AS result
      FROM pg_proc p
     WHERE p.pronamespace = 'pg_catalog'::regnamespace AND p.prokind = 'f' AND NOT p.proretset
  LOOP
    BEGIN
      EXECUTE format('CREATE FUNCTION hostile.%I(%s) RETURNS %s LANGUAGE plpgsql AS %L', one.proname,
                     one.arguments, one.result,
                     format('BEGIN RAISE EXCEPTION %L; END', 'namesake of ' || one.proname));
    EXCEPTION WHEN OTHERS THEN NULL;  -- internal types
    END;
  END LOOP;

  FOR one IN SELECT unnest('{text,name,oid,int,bigint,smallint,"\"char\"",boolean,regclass,varchar,timestamptz}'::text[]) AS l
  LOOP
    FOR arguments IN SELECT unnest('{text,name,oid,int,bigint,smallint,"\"char\"",boolean,regclass,varchar,timestamptz}'::text[])
    LOOP
      EXECUTE format('CREATE FUNCTION hostile.operate(%s, %s) RETURNS boolean LANGUAGE plpgsql AS '
                     '''BEGIN RAISE EXCEPTION ''''namesake of an operator''''; END''', one.l, arguments);
    END LOOP;
  END LOOP;
END$$;

DO $$
DECLARE l text; r text; operator text;
BEGIN
  FOREACH l IN ARRAY '{text,name,oid,int,bigint,smallint,"\"char\"",boolean,regclass,varchar,timestamptz}'::text[] LOOP
    FOREACH r IN ARRAY '{text,name,oid,int,bigint,smallint,"\"char\"",boolean,regclass,varchar,timestamptz}'::text[] LOOP
      FOREACH operator IN ARRAY '{=,<>,<,>,<=,>=,||,~,~~,!~~,+,-,*}'::text[] LOOP
        EXECUTE format('CREATE OPERATOR hostile.%s (FUNCTION = hostile.operate, LEFTARG = %s, RIGHTARG = %s)',
                       operator, l, r);
      END LOOP;
    END LOOP;
  END LOOP;
END$$;

DO $$
DECLARE one record;
BEGIN
  FOR one IN
    SELECT c.relname FROM pg_class c
     WHERE c.relnamespace = 'pg_catalog'::regnamespace AND c.relkind IN ('r', 'v')
  LOOP
    EXECUTE format('CREATE TABLE hostile.%I (namesake int)', one.relname);
  END LOOP;
  FOR one IN
    SELECT t.typname FROM pg_type t
     WHERE t.typnamespace = 'pg_catalog'::regnamespace AND t.typtype IN ('b', 'd')
       AND t.typelem = 0 AND t.typname !~ '^(_|pg_|unknown|cstring)'
  LOOP
    EXECUTE format('CREATE DOMAIN hostile.%I AS pg_catalog.int4 CHECK (hostile.refuse())', one.typname);
  END LOOP;
END$$;

CREATE TABLE hostile._zanith_migration_artifacts (namesake int);
