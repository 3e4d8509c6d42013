"""The surroundings of a generated world: types, functions, parents, roles and a tablespace."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from devtools.postgres import LocalPostgres
from tests.support.database import Database

SCHEMA = "shop"
"""Where generated tables live; the kit itself is in schema `kit`."""

_KIT = """
CREATE SCHEMA kit;
GRANT USAGE ON SCHEMA kit TO PUBLIC;
CREATE EXTENSION citext SCHEMA kit;
CREATE EXTENSION hstore SCHEMA kit;
CREATE EXTENSION btree_gist SCHEMA kit;
CREATE EXTENSION pg_trgm SCHEMA kit;
CREATE COLLATION kit.plain FROM "C";

CREATE TYPE kit.mood AS ENUM ('sad', 'so so', 'it''s fine');
COMMENT ON TYPE kit.mood IS 'how it goes';
CREATE TYPE kit.place AS (street text COLLATE "C", number integer, mood kit.mood);
COMMENT ON COLUMN kit.place.number IS 'house number';
CREATE TYPE kit.span AS RANGE (subtype = double precision);
CREATE DOMAIN kit.positive AS integer CONSTRAINT above_zero CHECK (VALUE > 0);
CREATE DOMAIN kit.small AS kit.positive CHECK (VALUE < 1000) DEFAULT 7;
CREATE DOMAIN kit.label AS varchar(40) COLLATE "C" NOT NULL;
CREATE DOMAIN kit.labels AS text[] CHECK (cardinality(VALUE) < 10);
CREATE DOMAIN kit.feeling AS kit.mood;

CREATE FUNCTION kit.twice(integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT $1 * 2';
CREATE FUNCTION kit.next_label() RETURNS text LANGUAGE sql VOLATILE AS 'SELECT ''a label''';
CREATE FUNCTION kit.touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE SEQUENCE kit.numbers START 500;
CREATE TABLE kit.log (what text, id integer);
CREATE TABLE kit.parent (
    id integer PRIMARY KEY, code text UNIQUE, a integer, b integer, UNIQUE (a, b)
);
INSERT INTO kit.parent SELECT g, 'text ' || g, g, g FROM generate_series(1, 9) g;
"""

_KIT_18 = """
CREATE TABLE kit.booked (id integer, during int4range, PRIMARY KEY (id, during WITHOUT OVERLAPS));
INSERT INTO kit.booked SELECT g, '[0,1000)' FROM generate_series(1, 9) g;
"""

_CLEAR = """
DO $$ DECLARE publication name; BEGIN
  FOR publication IN SELECT pubname FROM pg_publication LOOP
    EXECUTE format('DROP PUBLICATION %I', publication);
  END LOOP;
END $$;
DROP SCHEMA IF EXISTS shop, _zanith_archive CASCADE;
DROP TABLE IF EXISTS public._zanith_migration_artifacts;
CREATE SCHEMA shop;
GRANT USAGE ON SCHEMA shop TO PUBLIC;
"""


@dataclass(frozen=True)
class Kit:
    """A database with all that a world may refer to."""

    database: Database
    names: Mapping[str, str]

    @property
    def major(self) -> int:
        return self.database.server.major

    def clear(self) -> None:
        """Remove whatever world is there, and everything that was parked or archived."""
        self.database.execute(_CLEAR)

    @classmethod
    @contextmanager
    def made_in(cls, server: LocalPostgres) -> Iterator[Kit]:
        """Make the kit in a database of its own; both are gone at the end."""
        database = Database.create(server)
        space = f"{database.name}_space"
        try:
            # In place: in a folder that PostgreSQL itself makes in its data directory.
            database.psql(
                f"SET allow_in_place_tablespaces = on;\nCREATE TABLESPACE {space} LOCATION '';"
            )
            roles = {name: database.role(name) for name in ("owner", "reader", "writer")}
            database.execute(_KIT + (_KIT_18 if server.major >= 18 else ""))
            kit = cls(database, {**roles, "space": space})
            kit.clear()
            yield kit
        finally:
            database.drop()
            administration = Database(server, "postgres")
            administration.psql(f"DROP TABLESPACE IF EXISTS {space}")
