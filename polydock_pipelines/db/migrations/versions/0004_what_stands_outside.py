"""what stands outside because of an instance

Revision ID: 0004
Revises: 0003
Create Date: 2026-11-25 08:20:00
"""

import sqlalchemy as sa
from alembic import op

from polydock_pipelines.db.models.types import UtcDateTime


revision = '0004'
down_revision = '0003'
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
OWED = sa.text('owed_since IS NOT NULL AND returned_at IS NULL')


def upgrade() -> None:
    op.create_table('instance_holdings',
    sa.Column('id', ID, nullable=False),
    sa.Column('instance_id', ID, nullable=False),
    sa.Column('kind', sa.String(length=40), nullable=False),
    sa.Column('name', sa.String(length=255), nullable=False),
    sa.Column('owner', sa.String(length=255), nullable=False),
    sa.Column('external_id', sa.BigInteger(), nullable=True),
    sa.Column('region_id', sa.Integer(), nullable=True),
    sa.Column('budget_usd', sa.Float(), nullable=True),
    sa.Column('meant_at', UtcDateTime(), nullable=False),
    sa.Column('returned_at', UtcDateTime(), nullable=True),
    sa.Column('owed_since', UtcDateTime(), nullable=True),
    sa.Column('tried_at', UtcDateTime(), nullable=True),
    sa.Column('problem', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['instance_id'], ['app_instances.id'], name=op.f('fk_instance_holdings_instance_id'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_instance_holdings')),
    sa.UniqueConstraint('instance_id', 'kind', 'name', name=op.f('uq_instance_holdings_instance_id_kind_name'))
    )
    op.create_index('ix_instance_holdings_name', 'instance_holdings', ['kind', 'name'], unique=False)
    op.create_index('ix_instance_holdings_owed', 'instance_holdings', ['instance_id'], unique=False, sqlite_where=OWED, postgresql_where=OWED)
    op.create_table('kept_values',
    sa.Column('id', ID, nullable=False),
    sa.Column('instance_id', ID, nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('value', sa.Text(), nullable=False),
    sa.ForeignKeyConstraint(['instance_id'], ['app_instances.id'], name=op.f('fk_kept_values_instance_id'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_kept_values')),
    sa.UniqueConstraint('instance_id', 'name', name=op.f('uq_kept_values_instance_id_name'))
    )
    op.create_table('field_values',
    sa.Column('id', ID, nullable=False),
    sa.Column('owner_type', sa.String(length=20), nullable=False),
    sa.Column('owner_id', ID, nullable=False),
    sa.Column('name', sa.String(length=64), nullable=False),
    sa.Column('value', sa.Text(), nullable=False),
    sa.Column('is_secret', sa.Boolean(), nullable=False),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_field_values')),
    sa.UniqueConstraint('owner_type', 'owner_id', 'name', name=op.f('uq_field_values_owner_type_owner_id_name'))
    )
    op.add_column('app_instances', sa.Column('ai_region_id', sa.Integer(), nullable=True))
    op.add_column('store_apps', sa.Column('ai_budget_usd', sa.Float(), nullable=True))
    op.drop_column('store_apps', 'fields')


def downgrade() -> None:
    op.add_column('store_apps', sa.Column('fields', sa.JSON(), nullable=False, server_default='{}'))
    op.drop_column('store_apps', 'ai_budget_usd')
    op.drop_column('app_instances', 'ai_region_id')
    op.drop_table('field_values')
    op.drop_table('kept_values')
    op.drop_index('ix_instance_holdings_owed', 'instance_holdings', sqlite_where=OWED, postgresql_where=OWED)
    op.drop_index('ix_instance_holdings_name', 'instance_holdings')
    op.drop_table('instance_holdings')
