"""One account per mailbox

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-22 19:44:58.234599

Written by hand: autogenerate sees the index, but not that the data has to be made fit for it.
"""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # A unique index fails on the first pair of spellings. The later account keeps its orders and
    # gets an address that cannot receive mail, for somebody to look into.
    op.execute(
        """
        UPDATE users
           SET email = email || '.duplicate-' || id
         WHERE EXISTS (SELECT FROM users AS earlier
                        WHERE lower(earlier.email) = lower(users.email)
                          AND earlier.id < users.id)
        """
    )
    op.create_index(
        "uq_users_email_lower", "users", [sa.text("lower(email)")], unique=True
    )


def downgrade() -> None:
    op.drop_index("uq_users_email_lower", table_name="users")
