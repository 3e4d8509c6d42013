CREATE INDEX ON {t} ({any});

CREATE INDEX {n} ON {t} ({text} text_pattern_ops DESC NULLS LAST, {id}) INCLUDE ({any});
COMMENT ON INDEX {n} IS 'by text';

CREATE INDEX {n} ON {t} (lower({text}::text), ({int} + 1));
ALTER INDEX {n} ALTER COLUMN 2 SET STATISTICS 37;

CREATE INDEX ON {t} ({int}) WITH (fillfactor = 60, deduplicate_items = off) WHERE {any} IS NOT NULL;

CREATE INDEX ON {t} USING hash ({int}) TABLESPACE {space};

CREATE INDEX ON {t} USING gin ({array});

CREATE INDEX ON {t} USING gin (({text}::text) kit.gin_trgm_ops) WITH (fastupdate = off);

CREATE INDEX ON {t} USING gist ({range}, {id});

CREATE INDEX ON {t} USING brin ({moment}) WITH (pages_per_range = 16);

CREATE UNIQUE INDEX ON {t} ({id}, kit.twice({int}));

CREATE UNIQUE INDEX ON {t} ({id}, {text} COLLATE "C") WHERE {int} > 2;

-- plain: ATTACH PARTITION completes an index that was made ON ONLY the parent
CREATE INDEX ON ONLY {t} ({any});

-- since 15
CREATE UNIQUE INDEX ON {t} ({int}, {id}) NULLS NOT DISTINCT;

CREATE INDEX {n} ON {t} ({any}, {id});
ALTER TABLE {t} CLUSTER ON {n};

CREATE UNIQUE INDEX {n} ON {t} ({full}, {id});
ALTER TABLE {t} ALTER {full} SET NOT NULL, ALTER {id} SET NOT NULL;
ALTER TABLE {t} REPLICA IDENTITY USING INDEX {n};
