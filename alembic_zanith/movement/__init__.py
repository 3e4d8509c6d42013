"""Moving many rows: a table is walked by its key in batches, each committed with its checkpoint."""
