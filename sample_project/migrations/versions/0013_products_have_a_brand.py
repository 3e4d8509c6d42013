"""Products have a brand

Revision ID: 0013
Revises: 0012
Create Date: 2026-11-29 10:12:04.310552

"""
from typing import Sequence, Union

from alembic import op
import sqlalchemy as sa


# revision identifiers, used by Alembic.
revision: str = '0013'
down_revision: Union[str, Sequence[str], None] = '0012'
branch_labels: Union[str, Sequence[str], None] = None
depends_on: Union[str, Sequence[str], None] = None

BRAND_AND_MODEL = {
    "brand": "split_part(name, ' ', 1)",
    "model": "nullif(substr(name, strpos(name || ' ', ' ') + 1), '')",
}
NAME = "concat_ws(' ', brand, model)"


def upgrade() -> None:
    """Upgrade schema."""
    op.split_column(
        "products",
        "name",
        into=[
            sa.Column("brand", sa.String(), nullable=False),
            sa.Column("model", sa.String(), nullable=True),
        ],
        using=BRAND_AND_MODEL,
        reverse=NAME,
    )


def downgrade() -> None:
    """Downgrade schema."""
    op.merge_columns(
        "products",
        ["brand", "model"],
        into="name",
        using=NAME,
        reverse=BRAND_AND_MODEL,
    )
