"""What the tests are written with: databases, Alembic projects, and words for what they check."""
