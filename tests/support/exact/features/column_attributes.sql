ALTER TABLE {t} ALTER {any} SET STATISTICS 77;

ALTER TABLE {t} ALTER {any} SET STATISTICS 0;

ALTER TABLE {t} ALTER {text} SET STORAGE EXTERNAL, ALTER {text} SET COMPRESSION pglz;

ALTER TABLE {t} ALTER {array} SET STORAGE MAIN;

ALTER TABLE {t} ALTER {text} SET COMPRESSION pglz;

ALTER TABLE {t} ALTER {any} SET (n_distinct = -0.5, n_distinct_inherited = 3);

COMMENT ON COLUMN {t}.{any} IS E'two\nlines, it''s \\ "quoted" % :x';

ALTER TABLE {t} ALTER {int} SET DEFAULT 1 + kit.twice(4);

ALTER TABLE {t} ALTER {text} SET DEFAULT E'a\\b''c%s';

ALTER TABLE {t} ALTER {array} SET DEFAULT '{{1,2}}';

ALTER TABLE {t} ALTER {int} DROP DEFAULT, ALTER {int} SET DEFAULT nextval('kit.numbers');

CREATE SEQUENCE {n} AS integer START 3 OWNED BY {t}.{int};
SELECT nextval('{n}');
COMMENT ON SEQUENCE {n} IS 'owned';

CREATE SEQUENCE {n} OWNED BY {t}.{int};
GRANT USAGE ON SEQUENCE {n} TO {reader};
ALTER TABLE {t} ALTER {int} SET DEFAULT nextval('{n}');

CREATE SEQUENCE {n} OWNED BY {t}.{int} MAXVALUE 3;
SELECT setval('{n}', 3);
CREATE SEQUENCE {m} OWNED BY {t}.{int};

CREATE SEQUENCE {n} MAXVALUE 5 CYCLE;
ALTER TABLE {t} ALTER {int} SET DEFAULT nextval('{n}');

-- since 18
ALTER TABLE {t} ADD {n} integer GENERATED ALWAYS AS ({int} + kit.twice({id})) STORED;

ALTER TABLE {t} ADD {n} text GENERATED ALWAYS AS ({text}::text || '!') STORED;

ALTER TABLE {t} ADD {n} integer;
ALTER TABLE {t} DROP {n};
