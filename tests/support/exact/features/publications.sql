CREATE PUBLICATION {n} FOR TABLE {t};

CREATE PUBLICATION {n} FOR TABLE ONLY {t} WITH (publish = 'insert');

CREATE PUBLICATION {n} FOR ALL TABLES;

-- since 15
CREATE PUBLICATION {n} FOR TABLE {t} ({id}, {full});

-- since 15
CREATE PUBLICATION {n} FOR TABLE {t} WHERE ({id} > 1 AND {int} < 9) WITH (publish = 'insert');

-- since 15
CREATE PUBLICATION {n} FOR TABLE {t} WHERE ({id} <> 4), TABLES IN SCHEMA kit;

-- since 15
CREATE PUBLICATION {n} FOR TABLES IN SCHEMA shop;
