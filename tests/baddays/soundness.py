"""What must hold after every day, however bad: looked up in our tables and in Lagoon."""

import json
import re
from collections import Counter
from collections.abc import Mapping
from itertools import pairwise
from typing import TypeVar

from sqlalchemy import select
from sqlalchemy.orm import Session

from polydock_pipelines.actions.read_mails import STATES
from polydock_pipelines.actions.read_registration import read_registration
from polydock_pipelines.db import debts
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.mails import owners_of
from polydock_pipelines.db.models.all import METADATA
from polydock_pipelines.db.models.instances import (
    AppInstance,
    InstanceLog,
    KeptValue,
    StatusTransition,
)
from polydock_pipelines.db.models.mails import Email
from polydock_pipelines.db.models.offers import FieldValue, Variable
from polydock_pipelines.db.models.operations import OutboxEvent
from polydock_pipelines.db.models.requests import Registration
from polydock_pipelines.db.places import admin_password
from polydock_pipelines.db.posting import MOST_REPEATS
from polydock_pipelines.db.writing import GRACE
from polydock_pipelines.lifecycle.instance import bulk_id
from polydock_pipelines.lifecycle.table import LIFECYCLE, STATUSES, UNSTABLE, Kind, stage_of
from tests.baddays.house import House
from tests.baddays.offers import CANARIES
from tests.mailing import CLAIMED, mails
from tests.makers import GIT_URL

GONE = {"removed", *(s for s in STATUSES if (x := stage_of(s)) and x.kind is Kind.PURGE)}
"""After the removal; what is there is purged, or may be restored."""
FORCES = re.compile(r"purge asked for by |failed \d+ days ago and nobody retried it")
"""How the log's lines begin that end a grace at once; the second is the sweep of old failures."""
UNFORCES = re.compile(r"(its grace back|restore) asked for by ")
Line = TypeVar("Line", InstanceLog, StatusTransition)
SOMEBODYS = "somebody's"
"""The bulk id of builds that a test starts behind our back."""


def assert_sound(house: House) -> None:
    """Assert what holds for every instance and registration, whatever happened."""
    rows = assert_at_any_time(house)
    for row in rows:
        _assert_story_without_gaps(house.database, row)
    _assert_registrations(house)
    _assert_told_by_mail(house.database, rows)
    _assert_given_back(house, rows)
    _assert_nothing_early(house.database, rows)
    _assert_no_secret(house.database, rows)


def assert_at_any_time(house: House) -> list[AppInstance]:
    """Assert that nothing is doubled and nothing without an owner; return the instances."""
    with house.database.read() as session:
        rows = list(session.scalars(select(AppInstance)))
    house.look_at_builds()
    for row in rows:
        _assert_owner_and_deadline(row)
        _assert_end(house, row)
        _assert_one_build_a_generation(house, row)
    _assert_one_project_each(house, rows)
    _assert_one_key_each(house, rows)
    assert_mails_at_any_time(house.database)
    return rows


def assert_mails_at_any_time(database: Database) -> None:
    """Assert that no mail waits for ever, and that one which is settled is let go of."""
    for mail in mails(database):
        who = f"{mail.kind} {mail.id} {mail.state}"
        holds = (mail.lease_token, mail.lease_until, mail.tried_at)
        assert (mail.lease_token is None) == (mail.lease_until is None), who
        assert mail.repeats <= MOST_REPEATS, f"{who} was handed over {mail.repeats} times more"
        if mail.state == "pending":
            assert mail.due_at is not None, f"{who} is never due"
            assert mail.settled_at is None, who
            continue
        assert mail.state in STATES, who
        assert (mail.due_at, *holds) == (None,) * 4, f"{who} is settled, and yet held or due"
        assert mail.settled_at is not None, who
        assert bool(mail.problem) == (mail.state != "sent"), f"{who}: {mail.problem}"


def assert_sealed(database: Database) -> None:
    """Assert that no column of any table holds a secret in clear."""
    with database.read() as session:
        for table in METADATA.sorted_tables:
            text = repr(session.execute(select(table)).all())
            found = [secret for secret in CANARIES if secret in text]
            assert not found, f"{table.name} holds a secret in clear"


def _assert_owner_and_deadline(row: AppInstance) -> None:
    times = (row.next_check_at, row.deadline)
    if row.status in UNSTABLE:
        assert None not in times, f"{row.status} has no owner or no deadline: {times}"
    else:
        assert times == (None, None), f"{row.status} rests, and yet is due: {times}"
    assert row.status_message.strip()


def _assert_end(house: House, row: AppInstance) -> None:
    """Assert that what is removed says since when, and what is purged is gone with its secrets."""
    assert (row.removed_at is not None) == (row.status in GONE), f"{row.status}: {row.removed_at}"
    assert (row.purge_eligible_at is None) == (row.removed_at is None)
    if row.purged_at is None:
        return
    assert row.status == "removed", f"{row.status}, and yet purged"
    assert (row.admin_password, row.login_url, row.login_valid_until) == ("", None, None)
    left = [p for p in house.projects() if p["metadata"].get("polydock-instance") == row.uuid]
    assert not left, f"{row.name} is purged, and its project stands"
    with house.database.read() as session:
        kept = session.scalars(select(KeptValue).where(KeptValue.instance_id == row.id)).all()
        own = [
            session.scalars(
                select(model).where(model.owner_type == "app_instance", model.owner_id == row.id)
            ).all()
            for model in (FieldValue, Variable)
        ]
    assert (kept, *own) == ([], [], []), f"{row.name} is purged, and has secrets"


def _assert_nothing_early(database: Database, rows: list[AppInstance]) -> None:
    """Assert that no mail came before its moment, and no purge before its grace was over."""
    assert all(mail.created_at >= mail.wanted_at for mail in mails(database))
    with database.read() as session:
        for row in rows:
            _assert_grace_kept(session, row)


def _assert_grace_kept(session: Session, row: AppInstance) -> None:
    """Assert of each purge, in each life, that its grace was over or that somebody forced it."""
    words = [
        (line.created_at, FORCES.match(line.message) is not None)
        for line in of_instance(session, InstanceLog, row)
        if FORCES.match(line.message) or UNFORCES.match(line.message)
    ]
    removed_at = None
    for step in of_instance(session, StatusTransition, row):
        if step.to_status == "removed" and step.from_status not in GONE:
            removed_at = step.created_at
        if (step.from_status, step.to_status) == ("removed", "pending-purge"):
            spoken = [is_forced for at, is_forced in words if at <= step.created_at]
            assert removed_at is not None
            is_over = step.created_at >= removed_at + GRACE
            assert is_over or spoken[-1:] == [True], f"{row.name} went in its grace"


def of_instance(session: Session, model: type[Line], row: AppInstance) -> list[Line]:
    """Return the lines of an instance's story, oldest first."""
    chosen = select(model).where(model.instance_id == row.id).order_by(model.id)
    return list(session.scalars(chosen))


def _assert_story_without_gaps(database: Database, row: AppInstance) -> None:
    with database.read() as session:
        steps = of_instance(session, StatusTransition, row)
        told = list(
            session.scalars(
                select(OutboxEvent.sequence)
                .where(OutboxEvent.instance_id == row.id, OutboxEvent.registration_id.is_(None))
                .order_by(OutboxEvent.id)
            )
        )
    assert [a.to_status for a, _ in pairwise(steps)] == [b.from_status for _, b in pairwise(steps)]
    assert (steps[0].from_status, steps[-1].to_status) == ("new", row.status)
    assert told == list(range(1, len(steps) + 2))  # one for the creation, one a transition
    assert row.event_sequence == len(told)


def _assert_one_project_each(house: House, rows: list[AppInstance]) -> None:
    made = [p for p in house.projects() if p["gitUrl"] == GIT_URL]
    marked = Counter(p["metadata"].get("polydock-instance") for p in made)
    assert len(made) <= len(rows), f"more projects than signups: {[p['name'] for p in made]}"
    assert all(n == 1 for uuid, n in marked.items() if uuid), f"two for one signup: {marked}"


def _assert_one_key_each(house: House, rows: list[AppInstance]) -> None:
    keys = [thing.name for thing in house.ai_things() if thing.kind == "key"]
    for row in rows:
        mine = [name for name in keys if row.name in name]
        assert len(mine) <= 1, f"two keys for one instance: {mine}"


def _assert_given_back(house: House, rows: list[AppInstance]) -> None:
    """Assert that what is removed holds nothing, but for what the ledger calls a debt."""
    owing = {debt.instance for debt in debts.all_of(house.database)}
    things = house.ai_things()
    for row in rows:
        if row.status == "removed" and row.name not in owing:
            left = [thing for thing in things if row.name in thing.name]
            assert not left, f"{row.name} is removed, and holds {left}"


def _assert_one_build_a_generation(house: House, row: AppInstance) -> None:
    stages = [stage.name for stage in LIFECYCLE if stage.takes_a_build]
    stages.append("polydock-claim")  # of app types that learn their settings from a build
    generations = [bulk_id(row.uuid, s, n + 1) for s in stages for n in range(row.generation)]
    seen = Counter(build["bulkId"] for build in house.builds_of_project(row.name))
    assert set(seen) <= {*generations, SOMEBODYS}, f"builds of no generation: {seen}"
    assert all(seen[key] <= 1 for key in generations), f"two builds in a generation: {seen}"


def _assert_registrations(house: House) -> None:
    with house.database.read() as session:
        rows = list(session.scalars(select(Registration)))
        by_id = {row.id: row for row in session.scalars(select(AppInstance))}
    for registration in rows:
        assert registration.instance_id is not None
        instance = by_id[registration.instance_id]
        # As it was told in the moment it ended: a day later the public answer hides the login.
        view = read_registration(house.database, registration.uuid, registration.updated_at)
        assert view is not None
        assert registration.message.strip()
        if instance.status in UNSTABLE and registration.status == "processing":
            continue
        assert view.status in {"success", "failed"}
        if instance.life > 1 or instance.purged_at:
            continue  # what its registration tells of is gone; a mail brings the new way in
        has_url = str(view.result_data.get("app_url", "")).startswith("https://")
        assert has_url == (view.status == "success"), (instance.status, view.status)


def _assert_told_by_mail(database: Database, rows: list[AppInstance]) -> None:
    """Assert that who waited was told what became of it, each of them once in a life.

    No mail is sent in these days, so none is lost or skipped unless it stopped being true.
    """
    written = Counter((m.instance_id, m.kind, m.recipient, m.occasion) for m in mails(database))
    assert all(count == 1 for count in written.values()), written
    with database.read() as session:
        failed = {
            one.instance_id
            for one in session.scalars(select(Registration))
            if one.status == "failed"
        }
        owners = owners_of(session, {row.user_group_id for row in rows if row.user_group_id})
    told = {(instance_id, kind, about) for instance_id, kind, _, about in written}
    for row in rows:
        ready = {who for one, kind, who, _ in written if (one, kind) == (row.id, "ready")}
        is_told = (row.id, "ready", f"life {row.life}") in told
        if row.user_email is None:
            assert not ready, f"{row.name} is nobody's, and yet somebody was told"
        elif row.status == CLAIMED:
            assert is_told, f"{row.name} is claimed, and nobody was told"
        if ready:
            assert row.claimed_at is not None
            assert ready == set(owners.get(row.user_group_id or 0) or [row.user_email or ""])
        if row.id in failed:
            about = f"life {row.life}"
            is_told = any((row.id, "trial_failed", one) in told for one in ("life 1", about))
            assert is_told, f"{row.name}: its end was not told"
    _assert_failures_told(database, {row.id: row.life for row in rows}, failed)


def _assert_failures_told(
    database: Database, lives: Mapping[int, int], failed: set[int | None]
) -> None:
    """Assert that a failure is told as long as it is one, and called off when it is not."""
    for mail in mails(database):
        is_of_now = mail.occasion == f"life {lives[mail.instance_id]}"
        if mail.kind == "trial_failed" and mail.state in ("pending", "skipped") and is_of_now:
            expected = "pending" if mail.instance_id in failed else "skipped"
            assert mail.state == expected, f"{mail.kind} {mail.id} is {mail.state}"


def _assert_no_secret(database: Database, rows: list[AppInstance]) -> None:
    with database.read() as session:
        texts = [row.status_message for row in rows]
        texts += session.scalars(select(InstanceLog.message))
        texts += session.scalars(select(Email.problem))
        texts += [json.dumps(payload) for payload in session.scalars(select(OutboxEvent.payload))]
        for registration in session.scalars(select(Registration)):
            texts += [registration.message, registration.message_detail]
    passwords = [
        database.vault.open(admin_password(row), row.admin_password).reveal()
        for row in rows
        if row.purged_at is None
    ]
    for text in texts:
        assert "Traceback" not in text
        assert not [secret for secret in (*CANARIES, *passwords) if secret in text], text
