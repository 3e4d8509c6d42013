-- since 16
CREATE STATISTICS ON {any}, {more} FROM {t};

CREATE STATISTICS {n} (ndistinct, mcv) ON {id}, {int} FROM {t};
COMMENT ON STATISTICS {n} IS 'stats';

CREATE STATISTICS {n} ON {int}, (kit.twice({id})), lower({text}::text) FROM {t};
ALTER STATISTICS {n} SET STATISTICS 11;

CREATE STATISTICS kit.{n} (dependencies) ON {int}, {id} FROM {t};
ALTER STATISTICS kit.{n} OWNER TO {owner};
