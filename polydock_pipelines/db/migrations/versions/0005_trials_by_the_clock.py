"""trials by the clock: mails, ends, purges

Revision ID: 0005
Revises: 0004
Create Date: 2026-11-25 11:40:00
"""

import sqlalchemy as sa
from alembic import op

from polydock_pipelines.db.models.types import UtcDateTime


revision = '0005'
down_revision = '0004'
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), 'sqlite')
WAITS = sa.text("state = 'pending'")
AHEAD = (
    ('ix_app_instances_midtrial', 'midtrial_email_at', sa.text('midtrial_email_at IS NOT NULL')),
    ('ix_app_instances_one_day_left', 'one_day_left_email_at', sa.text('one_day_left_email_at IS NOT NULL')),
    ('ix_app_instances_trial_end', 'trial_ends_at', sa.text('trial_ends_at IS NOT NULL AND NOT trial_completed')),
    ('ix_app_instances_trial_over', 'trial_ends_at', sa.text('trial_completed AND removed_at IS NULL')),
    ('ix_app_instances_purge', 'purge_eligible_at', sa.text('purge_eligible_at IS NOT NULL AND purged_at IS NULL')),
)


def upgrade() -> None:
    op.create_table('emails',
    sa.Column('id', ID, nullable=False),
    sa.Column('instance_id', ID, nullable=False),
    sa.Column('kind', sa.String(length=20), nullable=False),
    sa.Column('recipient', sa.String(length=255), nullable=False),
    sa.Column('occasion', sa.String(length=80), nullable=False),
    sa.Column('state', sa.String(length=10), nullable=False),
    sa.Column('wanted_at', UtcDateTime(), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.Column('due_at', UtcDateTime(), nullable=True),
    sa.Column('attempts', sa.Integer(), nullable=False),
    sa.Column('repeats', sa.Integer(), nullable=False),
    sa.Column('lease_token', sa.String(length=36), nullable=True),
    sa.Column('lease_until', UtcDateTime(), nullable=True),
    sa.Column('tried_at', UtcDateTime(), nullable=True),
    sa.Column('settled_at', UtcDateTime(), nullable=True),
    sa.Column('problem', sa.Text(), nullable=False),
    sa.Column('requested_by', sa.String(length=255), nullable=True),
    sa.ForeignKeyConstraint(['instance_id'], ['app_instances.id'], name=op.f('fk_emails_instance_id'), ondelete='RESTRICT'),
    sa.PrimaryKeyConstraint('id', name=op.f('pk_emails')),
    sa.UniqueConstraint('instance_id', 'kind', 'recipient', 'occasion', name=op.f('uq_emails_instance_id_kind_recipient_occasion'))
    )
    op.create_index('ix_emails_due', 'emails', ['due_at', 'id'], unique=False, sqlite_where=WAITS, postgresql_where=WAITS)
    op.create_index('ix_emails_created_at', 'emails', ['created_at'], unique=False)
    op.create_table('mail_opt_outs',
    sa.Column('recipient', sa.String(length=255), nullable=False),
    sa.Column('created_at', UtcDateTime(), nullable=False),
    sa.PrimaryKeyConstraint('recipient', name=op.f('pk_mail_opt_outs'))
    )
    op.add_column('store_apps', sa.Column('trial_extension_days', sa.Integer(), nullable=True))
    op.add_column('store_apps', sa.Column('trial_max_days', sa.Integer(), nullable=True))
    op.add_column('app_instances', sa.Column('trial_started_at', UtcDateTime(), nullable=True))
    op.add_column('app_instances', sa.Column('trial_completed', sa.Boolean(), nullable=False, server_default=sa.false()))
    op.add_column('app_instances', sa.Column('life', sa.Integer(), nullable=False, server_default='1'))
    op.add_column('app_instances', sa.Column('force_purge_requested_at', UtcDateTime(), nullable=True))
    op.add_column('app_instances', sa.Column('purged_at', UtcDateTime(), nullable=True))
    op.execute('UPDATE app_instances SET trial_started_at = claimed_at WHERE is_trial')
    # Nobody is told of a half time that was long ago.
    op.execute('UPDATE app_instances SET midtrial_email_at = NULL WHERE midtrial_email_at < CURRENT_TIMESTAMP')
    op.drop_index('ix_app_instances_trial', 'app_instances')
    op.create_index('ix_app_instances_organization', 'app_instances', ['organization_id', 'status'], unique=False)
    for name, column, where in AHEAD:
        op.create_index(name, 'app_instances', [column], unique=False, sqlite_where=where, postgresql_where=where)


def downgrade() -> None:
    for name, _column, where in reversed(AHEAD):
        op.drop_index(name, 'app_instances', sqlite_where=where, postgresql_where=where)
    op.drop_index('ix_app_instances_organization', 'app_instances')
    op.create_index('ix_app_instances_trial', 'app_instances', ['is_trial', 'trial_ends_at'], unique=False)
    for column in ('purged_at', 'force_purge_requested_at', 'life', 'trial_completed', 'trial_started_at'):
        op.drop_column('app_instances', column)
    op.drop_column('store_apps', 'trial_max_days')
    op.drop_column('store_apps', 'trial_extension_days')
    op.drop_table('mail_opt_outs')
    op.drop_index('ix_emails_created_at', 'emails')
    op.drop_index('ix_emails_due', 'emails', sqlite_where=WAITS, postgresql_where=WAITS)
    op.drop_table('emails')
