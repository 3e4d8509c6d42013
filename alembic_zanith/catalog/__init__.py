"""What hangs on a table or column, read from PostgreSQL's catalogs as values.

`relation` finds tables and columns, `capture` reads their parts, and each part (`parts`,
`column_parts`, `constraints`, `table_parts`, `user_types`) knows the SQL that takes it away and
the SQL that makes it again. `dependents` names what would refuse a real DROP.
"""
