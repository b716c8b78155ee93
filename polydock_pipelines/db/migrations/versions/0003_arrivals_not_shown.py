"""arrivals not shown are found at once

Revision ID: 0003
Revises: 0002
Create Date: 2026-11-24 23:57:00
"""

import sqlalchemy as sa
from alembic import op


revision = '0003'
down_revision = '0002'
branch_labels = None
depends_on = None

UNSHOWN = sa.text('has_partition AND (shown_status IS NULL OR shown_status <> status)')


def upgrade() -> None:
    op.create_index('ix_app_instances_unshown', 'app_instances', ['status'], unique=False, sqlite_where=UNSHOWN, postgresql_where=UNSHOWN)


def downgrade() -> None:
    op.drop_index('ix_app_instances_unshown', 'app_instances', sqlite_where=UNSHOWN, postgresql_where=UNSHOWN)
