"""A small shop with alembic-zanith switched on, and a demo that runs it: see README.md."""
