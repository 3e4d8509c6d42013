CREATE VIEW {n} AS SELECT {id} + 1, {more} FROM {t};

CREATE MATERIALIZED VIEW {n} AS SELECT count(*) FROM {t};

CREATE FUNCTION {n}() RETURNS SETOF {t} LANGUAGE plpgsql AS 'BEGIN END';

CREATE FUNCTION {n}() RETURNS bigint BEGIN ATOMIC SELECT count({any}) FROM {t}; END;

CREATE TABLE {n} (one {t}, many {t}[]);

CREATE TABLE {n} (x integer REFERENCES {t}, y text);

CREATE TABLE {n} (x integer DEFAULT currval(pg_get_serial_sequence('{t}', 'id')));

CREATE TABLE {n} (LIKE {t} INCLUDING ALL);

CREATE RULE {n} AS ON INSERT TO kit.log DO ALSO UPDATE {t} SET {id} = {id} WHERE {int} = NEW.id;

CREATE POLICY {n} ON kit.log USING (EXISTS (SELECT FROM {t} x WHERE x.{id} = log.id));
