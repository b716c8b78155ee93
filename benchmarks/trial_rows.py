"""Instances as trials leave them after years, and what makes some of them due.

One in ten is a live trial of fourteen days, anywhere on its way; most others were removed during
the last three years and purged fourteen days later, those of the last fourteen days not yet. A few
wait in a pool, failed within the week, or are on their way out; some purges wait for a person. Each
live trial has a person of its own.
"""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta

from sqlalchemy import text

from benchmarks import many_rows
from polydock_pipelines.db.database import Database

A_MINUTE = timedelta(minutes=1)
LIVE = "n % 10 = 0"
STATUS = f"""CASE WHEN {LIVE} THEN 'running-healthy-claimed'
 WHEN n % 100 = 1 THEN 'running-healthy-unclaimed'
 WHEN n % 1000 = 3
  THEN (ARRAY['deploy-failed', 'post-deploy-failed', 'create-failed'])[n / 1000 % 3 + 1]
 WHEN n % 2000 = 5 THEN 'remove-running'
 WHEN n % 4000 = 7 THEN 'purge-running'
 WHEN n % 4000 = 9 THEN 'purge-failed'
 WHEN n % 4000 = 11 THEN 'upgrade-failed'
 ELSE 'removed' END"""
WENT = f"NOT ({LIVE}) AND n % 100 <> 1 AND n % 1000 <> 3 AND n % 2000 <> 5 AND n % 4000 <> 11"
"""Removed once."""
# Live ones began up to fourteen days ago; what is due next is at least an hour away.
BEGAN = "(:now - interval '13 days 23 hours' + (n::bigint * 7919 % 13901) * interval '86 seconds')"
REMOVED = "(:now - interval '1 hour' - (n::bigint * 7919 % 1095001) * interval '86 seconds')"
PURGE_DUE = (
    f"(CASE WHEN n % 4000 = 7 THEN :now - interval '1 hour'"
    f" ELSE {REMOVED} + interval '14 days' + interval '2 hours' END)"
)
AHEAD = "CASE WHEN {is_live} AND {at} > :now + interval '30 minutes' THEN {at} END"
COLUMNS = {
    "uuid": "gen_random_uuid()::text",
    "name": "'cms-trial-' || n",
    "status": STATUS,
    "status_message": "''",
    "next_check_at": "CASE WHEN n % 2000 = 5 OR n % 4000 = 7 THEN :now + interval '1 hour' END",
    "deadline": "CASE WHEN n % 2000 = 5 OR n % 4000 = 7 THEN :now + interval '1 hour' END",
    "priority": "1",
    "user_group_id": f"CASE WHEN {LIVE} THEN 1000000 + n / 10 END",
    "user_email": f"CASE WHEN {LIVE} THEN 'person' || n || '@example.com' ELSE '' END",
    "user_first_name": "'Grace'",
    "admin_password": "''",
    "lagoon_project_id": "n",
    "app_url": "'https://main.cms-trial-' || n || '.example.com'",
    "is_trial": "n % 100 <> 1",
    "claimed_at": f"CASE WHEN {LIVE} THEN {BEGAN} WHEN n % 100 <> 1 THEN {REMOVED} END",
    "trial_started_at": f"CASE WHEN {LIVE} THEN {BEGAN} WHEN n % 100 <> 1 THEN {REMOVED} END",
    "trial_ends_at": f"CASE WHEN {LIVE} THEN {BEGAN} + interval '14 days' + interval '2 hours'"
    f" WHEN {WENT} OR n % 2000 = 5 THEN {REMOVED} END",
    "midtrial_email_at": AHEAD.format(is_live=LIVE, at=f"{BEGAN} + interval '7 days'"),
    "one_day_left_email_at": AHEAD.format(is_live=LIVE, at=f"{BEGAN} + interval '13 days'"),
    "trial_completed": f"({WENT} OR n % 2000 = 5)",
    "removed_at": f"CASE WHEN {WENT} THEN {REMOVED} END",
    "purge_eligible_at": f"CASE WHEN {WENT} THEN {PURGE_DUE} END",
    "purged_at": f"CASE WHEN {WENT} AND n % 4000 NOT IN (7, 9) AND {PURGE_DUE} <= :now"
    f" + interval '1 hour' THEN {PURGE_DUE} END",
    "has_partition": "false",
    "shown_status": "NULL",
    "stage_since": "CASE WHEN n % 1000 = 3 THEN :now - (n % 6) * interval '1 day' ELSE :now END",
    "created_at": REMOVED,
    "updated_at": "CASE WHEN n % 1000 = 3 THEN :now - (n / 1000 % 6) * interval '1 day'"
    f" ELSE {REMOVED} END",
    "handed_until": "NULL",
    "handover_id": "NULL",
    "lease_until": "NULL",
    "lease_token": "NULL",
}
PEOPLE = (
    "INSERT INTO users (id, email, first_name, last_name, created_at) SELECT 1000000 + n,"
    " 'person' || n * 10 || '@example.com', 'Grace', 'Hopper', :now"
    " FROM generate_series(1, :rows / 10) n",
    "INSERT INTO user_groups (id, name, slug, is_beta, created_at) SELECT 1000000 + n,"
    " 'Group ' || n, 'group-' || n, false, :now FROM generate_series(1, :rows / 10) n",
    "INSERT INTO user_group_members (group_id, user_id, role, created_at) SELECT 1000000 + n,"
    " 1000000 + n, 'owner', :now FROM generate_series(1, :rows / 10) n",
)
# Each of an instance that is gone, so that the live ones have theirs still to come.
MAILS = """
INSERT INTO emails (instance_id, kind, recipient, occasion, state, wanted_at, created_at, attempts,
 repeats, settled_at, problem)
SELECT id, (ARRAY['ready', 'midtrial', 'one_day_left', 'trial_complete'])[k], 'person@example.com',
 'life 1', CASE WHEN n % 50 = 0 THEN 'skipped' ELSE 'sent' END, at, at, 1, 0, at, ''
FROM (
 SELECT id, n, k, created_at AS at
 FROM (
  SELECT id, created_at, row_number() OVER (ORDER BY id) AS n FROM app_instances
  WHERE status = 'removed' ORDER BY id LIMIT :rows / 4 + 1
 ) AS gone, generate_series(1, 4) AS k
) AS mails
ORDER BY at LIMIT :rows
"""
# A thousand for each list: a statement of its own, since each takes what the one before left.
_SET = """
UPDATE app_instances SET {change}
WHERE id IN (SELECT id FROM app_instances WHERE {which} ORDER BY uuid LIMIT :count)
"""
_LIVE = "status = 'running-healthy-claimed' AND trial_ends_at > :now"
FALL_DUE = {
    "midtrial": (
        "midtrial_email_at = :now - random() * :since",
        f"{_LIVE} AND midtrial_email_at > :now",
    ),
    "one day left": (
        "one_day_left_email_at = :now - random() * :since",
        f"{_LIVE} AND midtrial_email_at IS NULL AND one_day_left_email_at > :now",
    ),
    "ends": (
        "trial_ends_at = :now - random() * :since",
        f"{_LIVE} AND one_day_left_email_at IS NULL",
    ),
    "removals": (
        "trial_ends_at = :now - random() * :since, trial_completed = true",
        f"{_LIVE} AND one_day_left_email_at IS NULL",
    ),
    "purges": (
        "purge_eligible_at = :now - random() * :since",
        "status = 'removed' AND purged_at IS NULL AND purge_eligible_at > :now",
    ),
    "stale failures": (
        "updated_at = :now - interval '8 days'",
        "status IN ('deploy-failed', 'post-deploy-failed', 'create-failed')"
        " AND updated_at > :now - interval '7 days'",
    ),
}
"""What to set, and of which instances."""


@contextmanager
def house(rows: int, now: datetime, key: str = "") -> Generator[Database]:
    """Open a database with *rows* instances and as many settled mails; nothing is due."""
    with many_rows.house(key) as database:
        with database.write() as session:
            for statement in PEOPLE:
                session.execute(text(statement), {"rows": rows, "now": now})
        many_rows.multiply(database, rows, COLUMNS, now)
        with database.write() as session:
            session.execute(text(MAILS), {"rows": rows})
            # The signup that all are copies of waits for a run that nobody starts.
            session.execute(text("UPDATE app_instances SET next_check_at = NULL WHERE id = 1"))
        many_rows.settle(database)
        yield database


def fall_due(
    database: Database,
    what: str,
    count: int,
    now: datetime,
    since: timedelta = timedelta(minutes=1),
) -> None:
    """Let *count* more of a list have fallen due, within *since*."""
    change, which = FALL_DUE[what]
    statement = _SET.format(change=change, which=which)
    with database.write() as session:
        session.execute(text(statement), {"count": count, "now": now, "since": since})
