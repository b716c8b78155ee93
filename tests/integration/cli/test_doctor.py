"""`polydock doctor` beside a simulator: green, and one line for each thing that is wrong."""

import json
import re
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh
import pytest

from polydock_pipelines.cli.doctor import FaultError, require_sender
from polydock_pipelines.db import buckets, schema
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.models.offers import Store
from polydock_pipelines.db.vault import new_key
from polydock_pipelines.settings import Settings, load_settings
from polydock_pipelines.simulator.options import SimulatorOptions
from polydock_pipelines.simulator.simulator import Simulator
from polydock_pipelines.simulator.world import World
from tests.fakes.clock import START
from tests.integration.cli.conftest import KEY, Command
from tests.integration.cli.dagster_stand_in import StandIn, daemons, standing_in
from tests.integration.clients.test_smtp_server import MailServer, running
from tests.makers import VAULT, make_store, make_store_app, make_trial

CANARY = "Canary4711"
CHECKS = [
    "database",
    "migrations",
    "secrets",
    "brakes",
    "circuits",
    "limits",
    "mails",
    "Lagoon",
    "Lagoon user",
    "store eu",
    "amazee.ai",
    "SSH commands",
    "SMTP",
    "Dagster webserver",
    "Dagster daemon",
]


@dataclass(frozen=True)
class Clinic:
    """A patient in good health, and what a test may do to it."""

    polydock: Command
    environ: pytest.MonkeyPatch
    simulator: Simulator
    dagster: StandIn
    db: Database

    def bad(self) -> dict[str, str]:
        """Return what the doctor finds bad, in its words."""
        said = self.polydock("doctor", "--json")
        found = json.loads(said.out)
        assert said.err == ""
        assert all(finding.keys() == {"what", "verdict", "text"} for finding in found)
        assert CANARY not in said.out
        bad = {f["what"]: f["text"] for f in found if f["verdict"] == "bad"}
        assert said.code == (1 if bad else 0)
        return bad

    def world(self, work: Callable[[World], object]) -> None:
        """Change the simulated Lagoon."""
        self.simulator._call(work)

    def store(self, **changes: Any) -> None:
        """Change the store."""
        with self.db.write() as session:
            store = session.query(Store).one()
            for name, value in changes.items():
                setattr(store, name, value)


@pytest.fixture(scope="module")
def simulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Simulator]:
    home = tmp_path_factory.mktemp("simulator")
    with Simulator(SimulatorOptions(home=home, port=0, ssh_port=0, smtp_port=0)) as running:
        yield running


@pytest.fixture(scope="module")
def dagster() -> Iterator[StandIn]:
    with standing_in() as stand_in:
        yield stand_in


@pytest.fixture
def clinic(
    environ: pytest.MonkeyPatch, simulator: Simulator, dagster: StandIn, sqlite_url: str
) -> Iterator[Clinic]:
    given = {
        **simulator.environment,
        "POLYDOCK_DATABASE_URL": sqlite_url,
        "POLYDOCK_SECRET_KEYS": KEY,
        "POLYDOCK_DAGSTER_URL": dagster.url,
    }
    for name, value in given.items():
        environ.setenv(name, value)
    dagster.status, dagster.raw = 200, None
    dagster.answers = StandIn().answers
    simulator._call(lambda world: world.faults.clear())
    simulator.change(organization_role="OWNER")
    database = Database(sqlite_url, VAULT)
    with database.write() as session:
        make_store(
            session,
            key="eu",
            organization_id=1,
            deploy_target_id=1,
            group_name="polydock-operators",
            deploy_key=CANARY,
        )
    yield Clinic(Command(given), environ, simulator, dagster, database)
    database.close()


def dead_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_in_good_health_every_line_is_green(clinic: Clinic) -> None:
    said = clinic.polydock("doctor")
    lines = said.out.splitlines()
    assert (said.code, said.err) == (0, "")
    assert [line[2:25].strip() for line in lines] == CHECKS
    assert {line[0] for line in lines} == {"✔"}
    assert "we are polydock@example.com" in said.out
    assert "(the local stand-in)" in said.out
    assert "the deploy keys of 1 stores can be read" in said.out


def test_a_purged_instance_is_no_trouble(clinic: Clinic) -> None:
    """It has no secret left that could not be opened, and nothing outside."""
    with clinic.db.write() as session:
        app = make_store_app(session, session.query(Store).one())
        row = make_trial(session, app, status="removed", purged_at=START)
        row.admin_password = ""
    assert clinic.bad() == {}


def test_it_reads_only(clinic: Clinic) -> None:
    before = clinic.simulator.state["projects"]
    clinic.bad()
    assert clinic.simulator.state["projects"] == before


def test_a_lagoon_that_is_away_is_named_and_the_rest_is_still_looked_at(clinic: Clinic) -> None:
    clinic.environ.setenv("LAGOON_API_URL", f"http://127.0.0.1:{dead_port()}/graphql")
    bad = clinic.bad()
    assert bad.keys() == {"Lagoon"}
    assert "Check LAGOON_API_URL" in bad["Lagoon"]


def test_a_page_that_is_no_lagoon_is_named(clinic: Clinic) -> None:
    clinic.environ.setenv("LAGOON_API_URL", f"{clinic.simulator.url}/status")
    assert "LAGOON_API_URL" in clinic.bad()["Lagoon"]


def test_a_refused_token_is_named(clinic: Clinic) -> None:
    clinic.simulator.fault("lagoonVersion", "expired_token", times=2)
    bad = clinic.bad()
    assert bad.keys() == {"Lagoon"}
    assert "refuses our token" in bad["Lagoon"]


def test_a_token_that_is_none_is_named_and_not_quoted(clinic: Clinic) -> None:
    clinic.environ.setenv("LAGOON_TOKEN", CANARY)
    assert "Check LAGOON_TOKEN" in clinic.bad()["Lagoon"]


def test_a_token_that_ran_out_is_fetched_anew(clinic: Clinic) -> None:
    clinic.simulator.fault("lagoonVersion", "expired_token", times=1)
    assert clinic.bad() == {}


def test_a_key_that_lagoon_does_not_know_is_named(clinic: Clinic, tmp_path: Path) -> None:
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(tmp_path / "id"))
    clinic.environ.setenv("LAGOON_SSH_KEY_FILE", str(tmp_path / "id"))
    assert "refuses our key for the user lagoon" in clinic.bad()["Lagoon"]


def test_an_unknown_host_key_is_named(clinic: Clinic, tmp_path: Path) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    hosts = tmp_path / "known_hosts"
    hosts.write_text(f"[127.0.0.1]:{clinic.simulator.ssh_port} {other}")
    clinic.environ.setenv("LAGOON_SSH_KNOWN_HOSTS", str(hosts))
    bad = clinic.bad()
    assert bad.keys() == {"Lagoon", "SSH commands"}
    for text in bad.values():
        assert f"the host key of 127.0.0.1:{clinic.simulator.ssh_port} is not one" in text
        assert str(hosts) in text


@pytest.mark.parametrize("name", ["LAGOON_SSH_KEY_FILE", "LAGOON_SSH_KNOWN_HOSTS"])
def test_a_missing_file_is_named_with_its_setting(
    clinic: Clinic, tmp_path: Path, name: str
) -> None:
    clinic.environ.setenv(name, str(tmp_path / "nothing"))
    assert clinic.bad()["SSH commands"] == f"there is no file {tmp_path / 'nothing'}; set {name}"


def test_an_amazee_ai_that_no_store_uses_is_not_asked(clinic: Clinic) -> None:
    clinic.environ.setenv("AMAZEE_AI_TOKEN_FILE", "/nowhere")
    assert clinic.bad() == {}


def test_a_missing_token_of_amazee_ai_is_named_with_its_setting(clinic: Clinic) -> None:
    clinic.store(amazee_ai_region_id=1)
    assert clinic.bad() == {}
    clinic.environ.setenv("AMAZEE_AI_TOKEN_FILE", "/nowhere")
    assert "AMAZEE_AI_TOKEN_FILE" in clinic.bad()["amazee.ai"]


@pytest.mark.parametrize(("region", "why"), [(3, "is switched off"), (4711, "does not exist")])
def test_a_region_that_cannot_be_used_is_named(clinic: Clinic, region: int, why: str) -> None:
    clinic.store(amazee_ai_region_id=region)
    assert f"region {region} of store eu {why}; choose another" in clinic.bad()["amazee.ai"]


def test_an_ssh_host_that_is_away_is_named(clinic: Clinic) -> None:
    clinic.environ.setenv("LAGOON_SSH_PORT", str(port := dead_port()))
    bad = clinic.bad()
    assert f"127.0.0.1:{port} cannot be reached" in bad["SSH commands"]
    assert bad.keys() == {"Lagoon", "SSH commands"}


def test_a_missing_organization_is_named(clinic: Clinic) -> None:
    clinic.store(organization_id=4711)
    bad = clinic.bad()
    assert bad.keys() == {"store eu"}
    assert "organization" in bad["store eu"]
    assert "4711" in bad["store eu"]


def test_an_organization_that_is_not_ours_is_named(clinic: Clinic) -> None:
    clinic.simulator.change(organization_role=None)
    assert "not its member" in clinic.bad()["store eu"]


@pytest.mark.parametrize("role", ["GUEST", "DEVELOPER", "MAINTAINER"])
def test_a_role_that_may_not_make_projects_is_named(clinic: Clinic, role: str) -> None:
    clinic.simulator.change(organization_role=role)
    bad = clinic.bad()
    assert bad.keys() == {"store eu"}
    assert "owner" in bad["store eu"]


def test_a_full_quota_is_named(clinic: Clinic) -> None:
    def fill(quota: int) -> None:
        clinic.world(lambda world: setattr(world.organizations[1], "quota_project", quota))

    try:
        fill(1)
        assert "is full: 1 of 1 projects" in clinic.bad()["store eu"]
        fill(2)
        assert clinic.bad() == {}
    finally:
        fill(-1)


def test_a_wrong_deploy_target_is_named(clinic: Clinic) -> None:
    clinic.store(deploy_target_id=99)
    assert "may not use deploy target 99; it may use [1, 2]" in clinic.bad()["store eu"]


def test_a_missing_group_is_named(clinic: Clinic) -> None:
    clinic.store(group_name="nobodys")
    assert "has no group nobodys" in clinic.bad()["store eu"]


def test_no_store_is_named_with_what_to_run(clinic: Clinic) -> None:
    with clinic.db.write() as session:
        session.delete(session.query(Store).one())
    advice = "no store yet; run `polydock catalog apply FILE`"
    assert clinic.bad() == {"Lagoon organization": advice}


def test_a_database_that_is_away_is_named_and_no_catalogue_is_advised(clinic: Clinic) -> None:
    url = f"postgresql+psycopg2://polydock:{CANARY}@127.0.0.1:{dead_port()}/polydock"
    clinic.environ.setenv("POLYDOCK_DATABASE_URL", url)
    bad = clinic.bad()
    assert bad.keys() == {"database", "migrations"}
    assert "Connection refused" in bad["database"]
    assert bad["database"].endswith("see POLYDOCK_DATABASE_URL")


def test_a_database_without_tables_is_named_with_what_to_run(
    clinic: Clinic, tmp_path: Path
) -> None:
    clinic.environ.setenv("POLYDOCK_DATABASE_URL", f"sqlite:///{tmp_path / 'empty.db'}")
    bad = clinic.bad()
    assert bad.keys() == {"migrations"}
    assert f"needs {schema.head()}; run `polydock db upgrade`" in bad["migrations"]


def test_a_deploy_key_that_cannot_be_read_is_named(clinic: Clinic) -> None:
    clinic.environ.setenv("POLYDOCK_SECRET_KEYS", new_key())
    bad = clinic.bad()
    assert bad.keys() == {"secrets"}
    assert "stores.deploy_key:eu cannot be decrypted" in bad["secrets"]


def test_a_mail_server_that_is_away_is_named_without_its_password(clinic: Clinic) -> None:
    clinic.environ.setenv("SMTP_URL", f"smtp://user:{CANARY}@127.0.0.1:{(port := dead_port())}")
    expected = f"127.0.0.1:{port} is away at the start: ConnectionRefusedError; see SMTP_URL"
    assert clinic.bad() == {"SMTP": f"The mail server {expected}"}


@pytest.mark.parametrize(
    ("url", "why"),
    [
        (f"smtp://user:{CANARY}@{{}}", "refuses our login (535). Check SMTP_URL."),
        ("smtp://{}?tls=starttls", "without it nothing is sent; see SMTP_URL"),
        ("smtps://{}", "is away at the start: SSLError; see SMTP_URL"),
    ],
    ids=["login", "no STARTTLS", "no TLS"],
)
def test_a_mail_server_that_does_not_let_us_in_is_named(clinic: Clinic, url: str, why: str) -> None:
    with running(MailServer(login=("user", "another"))) as server:
        clinic.environ.setenv("SMTP_URL", url.format(f"127.0.0.1:{server.server_address[1]}"))
        bad = clinic.bad()
    assert bad.keys() == {"SMTP"}
    assert bad["SMTP"].endswith(why), bad


def test_the_mail_server_is_told_with_its_login_and_our_sender(clinic: Clinic) -> None:
    clinic.environ.setenv("MAIL_FROM", "Trials <trials@example.com>")
    with running(MailServer(login=("user", CANARY))) as server:
        at = f"127.0.0.1:{server.server_address[1]}"
        clinic.environ.setenv("SMTP_URL", f"smtp://user:{CANARY}@{at}")
        said = clinic.polydock("doctor").out
    how = "in the clear, and our login; they come from Trials <trials@example.com>"
    assert f"{at} takes mails {how}" in said
    assert CANARY not in said


def test_a_sender_that_is_nobodys_is_named_beside_a_real_mail_server() -> None:
    given = {"SMTP_URL": "smtp://mail.example.com"}
    with pytest.raises(FaultError, match=r"mail\.example\.com:587 .*; set MAIL_FROM"):
        require_sender(Settings.model_validate(given))
    require_sender(Settings.model_validate(given | {"MAIL_FROM": "trials@example.com"}))


def test_the_rates_that_are_set_are_told(clinic: Clinic) -> None:
    assert "mails a minute" not in clinic.polydock("doctor").out
    clinic.environ.setenv("POLYDOCK_MAILS_PER_MINUTE", "90")
    now = load_settings().make_clock().now()
    buckets.take(clinic.db, buckets.MAILS, 90, 97, now)
    told = clinic.polydock("doctor").out
    assert re.search(r"90 mails a minute, booked [56]\d s ahead", told)


def test_a_dagster_that_is_away_is_named(clinic: Clinic) -> None:
    clinic.environ.setenv("POLYDOCK_DAGSTER_URL", f"http://127.0.0.1:{dead_port()}")
    bad = clinic.bad()
    assert bad.keys() == {"Dagster webserver", "Dagster daemon"}
    assert all("start it with `polydock up`" in text for text in bad.values())


@pytest.mark.parametrize(
    "raw",
    ["<html>", "[]", "{}", '{"data": null}', '{"data": {}}', '{"data": {"instance": null}}', "7"],
)
@pytest.mark.parametrize("status", [200, 500])
def test_something_else_at_dagsters_address_is_named(clinic: Clinic, status: int, raw: str) -> None:
    clinic.dagster.status, clinic.dagster.raw = status, raw
    assert clinic.bad().keys() == {"Dagster webserver", "Dagster daemon"}


def test_a_daemon_that_stands_still_is_named(clinic: Clinic) -> None:
    clinic.dagster.answers["daemonHealth"] = daemons(SENSOR=False)
    expected = "not healthy: SENSOR; is dagster-daemon running?"
    assert clinic.bad() == {"Dagster daemon": expected}


def test_several_faults_are_all_named(clinic: Clinic) -> None:
    clinic.environ.setenv("SMTP_URL", f"smtp://127.0.0.1:{dead_port()}")
    clinic.environ.setenv("POLYDOCK_DAGSTER_URL", f"http://127.0.0.1:{dead_port()}")
    clinic.store(deploy_target_id=99)
    said = clinic.polydock("doctor")
    marks = [line[0] for line in said.out.splitlines()]
    assert (said.code, marks.count("✘"), marks.count("✔")) == (1, 4, 11)


def test_the_doctor_works_as_a_process_too(clinic: Clinic) -> None:
    said = clinic.polydock.process("doctor", "--json")
    assert [finding["what"] for finding in said.json] == CHECKS
