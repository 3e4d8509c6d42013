"""What is known to stay in a schema: statements, objects, functions, and where names stand.

The names are those of the grammar:
https://github.com/pganalyze/libpg_query/blob/18-latest/protobuf/pg_query.proto
"""

from __future__ import annotations

import re


def _words(text: str, prefix: str = "", suffix: str = "") -> frozenset[str]:
    return frozenset(f"{prefix}{word}{suffix}" for word in text.split())


# They act on nothing but what they name, and what has a name without a schema is inside.
STATEMENTS = _words(
    """
    alter_domain alter_enum alter_function alter_operator alter_owner alter_policy alter_seq
    alter_stats alter_table alter_type call close_portal cluster comment composite_type
    constraints_set copy create create_domain create_enum create_function create_op_class
    create_op_family create_policy create_range create_seq create_stats create_table_as
    create_trig deallocate declare_cursor define delete discard do drop execute explain fetch grant
    index insert lock merge plassign prepare raw refresh_mat_view reindex rename replica_identity
    return rule sec_label select set_operation transaction truncate update vacuum variable_set
    variable_show view
    """,
    suffix="_stmt",
)

OBJECTS = _words(
    """
    AGGREGATE AMOP AMPROC ATTRIBUTE COLLATION COLUMN DEFAULT DOMAIN DOMCONSTRAINT FUNCTION INDEX
    MATVIEW OPCLASS OPERATOR OPFAMILY POLICY PROCEDURE ROUTINE RULE SEQUENCE STATISTIC_EXT
    TABCONSTRAINT TABLE TRIGGER TSCONFIGURATION TSDICTIONARY TSPARSER TSTEMPLATE TYPE VIEW
    """,
    prefix="OBJECT_",
)
"""Kinds of objects that are in a schema, or belong to one that is."""

PARTS_OF_RELATIONS = frozenset(
    {
        "OBJECT_COLUMN",
        "OBJECT_POLICY",
        "OBJECT_RULE",
        "OBJECT_TABCONSTRAINT",
        "OBJECT_TRIGGER",
    }
)
"""Those of them whose names come after the name of a relation."""

NAMES = {
    # Whether PostgreSQL's own may be meant: they are used there, elsewhere changed.
    "A_Expr.name": True,
    "AlterDomainStmt.type_name": False,
    "AlterEnumStmt.type_name": False,
    "AlterOpFamilyStmt.opfamilyname": False,
    "AlterStatsStmt.defnames": False,
    "AlterTypeStmt.type_name": False,
    "CollateClause.collname": True,
    "CreateDomainStmt.domainname": False,
    "CreateEnumStmt.type_name": False,
    "CreateFunctionStmt.funcname": False,
    "CreateOpClassItem.order_family": True,
    "CreateOpClassStmt.opclassname": False,
    "CreateOpClassStmt.opfamilyname": False,
    "CreateOpFamilyStmt.opfamilyname": False,
    "CreateRangeStmt.type_name": False,
    "CreateStatsStmt.defnames": False,
    "CreateTrigStmt.funcname": True,
    "DefineStmt.defnames": False,
    "FuncCall.funcname": True,
    "IndexElem.collation": True,
    "IndexElem.opclass": True,
    "ObjectWithArgs.objname": False,
    "PartitionElem.collation": True,
    "PartitionElem.opclass": True,
    "RangeTableSample.method": True,
    "SortBy.use_op": True,
    "SubLink.oper_name": True,
}
"""Where a list of strings is a name in parts."""

COLUMN_LISTS = frozenset(
    {
        "A_Indirection.indirection",
        "AccessPriv.cols",
        "Alias.colnames",
        "CTECycleClause.cycle_col_list",
        "CTESearchClause.search_col_list",
        "ColumnRef.fields",
        "CommonTableExpr.aliascolnames",
        "Constraint.fk_attrs",
        "Constraint.fk_del_set_cols",
        "Constraint.including",
        "Constraint.keys",
        "Constraint.pk_attrs",
        "CopyStmt.attlist",
        "CreateEnumStmt.vals",
        "CreateStatsStmt.stat_types",
        "CreateTrigStmt.args",
        "CreateTrigStmt.columns",
        "IntoClause.col_names",
        "JoinExpr.using_clause",
        "ResTarget.indirection",
        "TypeName.names",
        "VacuumRelation.va_cols",
        "ViewStmt.aliases",
    }
)
"""Where it is something else, or is looked at in a way of its own."""

LISTS_OF_OPTIONS = frozenset({"as", "force_not_null", "force_null", "force_quote"})
"""Options whose value is a list that is no name."""

READS = frozenset(
    {
        "DeleteStmt.using_clause",
        "JoinExpr.larg",
        "JoinExpr.rarg",
        "LockingClause.locked_rels",
        "MergeStmt.source_relation",
        "RangeTableSample.relation",
        "SelectStmt.from_clause",
        "TableLikeClause.relation",
        "UpdateStmt.from_clause",
    }
)
"""Where a relation is read, and nothing else."""

OUTSIDE_SETTINGS = frozenset({"search_path", "role", "session_authorization"})
"""What is looked up where, and as whom."""

OF_SEQUENCES = frozenset(
    {"nextval", "setval", "currval", "pg_get_serial_sequence", "pg_sequence_last_value"}
)

HARMLESS_FUNCTIONS = _words(
    """
    array_sample array_shuffle clock_timestamp current_query gen_random_uuid lastval
    pg_blocking_pids pg_collation_actual_version pg_database_size pg_indexes_size pg_is_in_recovery
    pg_partition_ancestors pg_partition_tree pg_relation_size pg_sleep pg_sleep_for pg_sleep_until
    pg_table_size pg_total_relation_size pg_xact_status random random_normal setseed timeofday
    txid_status uuidv4 uuidv7
    """
)
"""Of PostgreSQL's own, those that are volatile and nevertheless write nothing."""

# They read any table, run what they are given as text, or work in another database.
OUTSIDE_FUNCTIONS = re.compile(
    r"(cursor|database|query|schema|table)_to_xml.*|connectby|crosstab.*|dblink.*|lo_.*|loread"
    r"|lowrite|postgres_fdw_.*|ts_stat|xpath_table"
)
