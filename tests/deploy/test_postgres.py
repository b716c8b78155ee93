"""The Postgres profile of deploy/postgres/: a real stack on it, and a server that goes away."""

import os
import time
from collections.abc import Generator
from pathlib import Path

import pytest
import yaml

from tests.deploy.profile import PROFILE, ROOT, Profile, polydock, set_up
from tests.deploy.stacks import until, upped
from tests.postgres import Restartable, restartable_postgres

PEOPLE = 20
AWAY_S = 40.0
CLAIMED = "running-healthy-claimed"


@pytest.fixture
def postgres() -> Generator[Restartable]:
    with restartable_postgres() as postgres:
        yield postgres


@pytest.fixture
def profile(postgres: Restartable) -> Profile:
    return set_up(postgres.server)


def test_the_profile_differs_from_the_embedded_instance_in_its_storage_only() -> None:
    theirs = yaml.safe_load((PROFILE / "dagster.yaml").read_text())
    assert theirs.pop("storage") == {"postgres": {"postgres_url": {"env": "DAGSTER_POSTGRES_URL"}}}
    assert theirs == yaml.safe_load((ROOT / "dagster.yaml").read_text())


def test_a_process_before_the_migration_says_what_to_do(profile: Profile, tmp_path: Path) -> None:
    told = polydock("instances", "list", env=environment(profile, tmp_path))
    assert told.returncode == 1
    assert "run `polydock db upgrade`" in told.stderr


@pytest.mark.slow
@pytest.mark.timeout(420)
def test_signups_in_flight_outlive_a_database_that_is_away_for_40_seconds(
    postgres: Restartable, profile: Profile, tmp_path: Path
) -> None:
    env = environment(profile, tmp_path)
    assert polydock("db", "upgrade", env=env).returncode == 0
    with upped(profile.variables(tmp_path), tmp_path / "up.log") as stack:
        assert stack.sign_up(PEOPLE) == PEOPLE
        time.sleep(4)
        postgres.stop()
        time.sleep(AWAY_S)
        postgres.start()
        until(lambda: stack.statuses() == [CLAIMED] * PEOPLE, 240, stack.statuses)
        assert stack.process.poll() is None, (tmp_path / "up.log").read_text()
        assert len(stack.ours("projects", "name")) == PEOPLE
        builds = stack.ours("deployments", "project")
        assert (len(builds), set(builds.values())) == (PEOPLE, {1})
    assert schemas(postgres) == {"polydock", "dagster"}


def environment(profile: Profile, home: Path) -> dict[str, str]:
    return {**os.environ, **profile.variables(home)}


def schemas(postgres: Restartable) -> set[str]:
    """Return the schemas that hold tables."""
    query = "SELECT string_agg(DISTINCT schemaname, ',') FROM pg_tables WHERE schemaname !~ '^pg_'"
    (found,) = postgres.server.execute(query, "polydock")
    return set(found.split(",")) - {"information_schema"}
