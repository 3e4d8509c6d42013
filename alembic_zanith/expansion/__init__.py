"""Expand and contract: what a column has, and the two revisions that put another in its place."""
