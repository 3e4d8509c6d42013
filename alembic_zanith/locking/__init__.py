"""Locks: one run at a time on a database, and none that makes the users of it wait for long."""
