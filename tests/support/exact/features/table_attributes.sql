COMMENT ON TABLE {t} IS 'a table; -- not a comment';

ALTER TABLE {t} SET (fillfactor = 80, autovacuum_enabled = off, toast.autovacuum_enabled = off);

ALTER TABLE {t} SET (parallel_workers = 2, user_catalog_table = true);

ALTER TABLE {t} SET TABLESPACE {space};

ALTER TABLE {t} SET UNLOGGED;

ALTER TABLE {t} REPLICA IDENTITY FULL;

ALTER TABLE {t} REPLICA IDENTITY NOTHING;
