"""`polydock doctor`: a line for each thing that must be right, and what to mend."""

import sys
from collections import Counter
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Annotated

import httpx
import typer
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from polydock_pipelines.cli.failing import one_line
from polydock_pipelines.cli.output import print_json, sentences
from polydock_pipelines.clients.lagoon.client import LagoonClient
from polydock_pipelines.clients.lagoon.organizations import Organization
from polydock_pipelines.db import version
from polydock_pipelines.db.brakes import list_paused
from polydock_pipelines.db.buckets import LAGOON_OPERATIONS, MAILS, backlog
from polydock_pipelines.db.circuits import away
from polydock_pipelines.db.database import Database
from polydock_pipelines.db.gates import builds_under_way
from polydock_pipelines.db.models.offers import Store
from polydock_pipelines.db.places import deploy_key
from polydock_pipelines.db.posting import counts
from polydock_pipelines.db.vault import VaultError
from polydock_pipelines.db.version import SchemaError
from polydock_pipelines.ports import Container, EndpointError, NotFoundError, PortError
from polydock_pipelines.ports.amazee_ai import AmazeeAi
from polydock_pipelines.settings import Settings, SettingsError, load_settings
from polydock_pipelines.smtp_url import LOOPBACK
from polydock_pipelines.wiring import (
    credential_of,
    open_amazee_ai,
    open_database,
    open_lagoon,
    open_mailer,
    open_shell,
)

OK, BAD = "ok", "bad"


@dataclass(frozen=True)
class Finding:
    """One line of the doctor."""

    what: str
    verdict: str
    text: str
    """What was found, or what is wrong and what to mend."""


class FaultError(Exception):
    """A check failed; the text says what is wrong and what to mend."""


Check = Callable[[], str]


def examine(what: str, check: Check) -> Finding:
    """Run one check; a failed one becomes a line, whatever it raised of what we expect."""
    try:
        return Finding(what, OK, check())
    except (FaultError, PortError, SchemaError, SettingsError, VaultError) as error:
        return Finding(what, BAD, str(error))
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or type(error).__name__).splitlines()[0]
        return Finding(what, BAD, f"does not answer: {reason}; see POLYDOCK_DATABASE_URL")


def doctor(as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check the database, Lagoon, amazee.ai, SSH, SMTP and Dagster; exit 1 when one is bad."""
    with sentences():
        findings = list(all_findings(load_settings()))
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        for finding in findings:
            mark = "✔" if finding.verdict == OK else "✘"
            sys.stdout.write(f"{mark} {finding.what:<22} {one_line(finding.text)}\n")
    if any(finding.verdict == BAD for finding in findings):
        raise typer.Exit(1)


def all_findings(settings: Settings) -> Generator[Finding]:
    """Examine everything, in the order in which faults hide each other."""
    settings.make_clock()
    with _database(settings) as database:
        found = [
            examine("database", lambda: _answers(database, settings)),
            examine("migrations", lambda: _migrated(database)),
        ]
        yield from found
        # Of a database that cannot be read we know nothing; to advise a catalogue would mislead.
        is_readable = all(finding.verdict == OK for finding in found)
        stores = _stores(database) if is_readable else None
        if stores is not None:
            yield examine("secrets", lambda: _secrets(database, stores))
            yield examine("brakes", lambda: _brakes(database))
            yield examine("circuits", lambda: _circuits(database, settings))
            yield examine("limits", lambda: _limits(database, settings))
            yield examine("mails", lambda: _mails(database, settings))
    with open_lagoon(settings) as lagoon:
        yield from _lagoon(lagoon, settings, stores)
    yield examine("amazee.ai", lambda: _amazee_ai(settings, stores or ()))
    yield examine("SSH commands", lambda: _ssh(settings))
    yield examine("SMTP", lambda: _smtp(settings))
    yield examine("Dagster webserver", lambda: _webserver(settings))
    yield examine("Dagster daemon", lambda: _daemon(settings))


@contextmanager
def _database(settings: Settings) -> Generator[Database]:
    database = open_database(settings)
    try:
        yield database
    finally:
        database.close()


def _answers(database: Database, settings: Settings) -> str:
    with database.engine.connect() as connection:
        connection.exec_driver_sql("SELECT 1")
    where = "SQLite in the home" if settings.is_embedded else "as POLYDOCK_DATABASE_URL says"
    return f"{database.engine.dialect.name}, {where}"


def _migrated(database: Database) -> str:
    version.require(database)
    return f"at version {version.NEEDED}"


def _stores(database: Database) -> list[Store]:
    with database.read() as session:
        return list(session.scalars(select(Store).order_by(Store.key)))


def _secrets(database: Database, stores: Sequence[Store]) -> str:
    sealed = [(deploy_key(store), store.deploy_key) for store in stores if store.deploy_key]
    for place, key in sealed:
        database.vault.open(place, key)
    return f"the deploy keys of {len(sealed)} stores can be read"


def _brakes(database: Database) -> str:
    pulled = [brake.sentence() for brake in list_paused(database)]
    if pulled:
        raise FaultError("; ".join(pulled))
    return "nothing is paused"


def _circuits(database: Database, settings: Settings) -> str:
    now = settings.make_clock().now()
    with database.read() as session:
        found = (*away(session, credential_of(settings)), *away(session, now=now))
    gone = list(dict.fromkeys(one.sentence() for one in found))
    if gone:
        raise FaultError(f"{'; '.join(gone)} (work that needs it waits, and goes on by itself)")
    return "everything that was asked has answered"


def _limits(database: Database, settings: Settings) -> str:
    """Say what our own limits allow, and how far they are used."""
    now = settings.make_clock().now()
    with database.read() as session:
        builds = builds_under_way(session)
    most = settings.builds_at_once
    told = [f"{builds} builds under way" + (f" of {most}" if most else "")]
    for rate, what, bucket in (
        (settings.lagoon_ops_per_minute, "Lagoon operations", LAGOON_OPERATIONS),
        (settings.mails_per_minute, "mails", MAILS),
    ):
        if rate:
            late = backlog(database, bucket, now).total_seconds()
            told.append(f"{rate} {what} a minute, booked {late:.0f} s ahead")
    told.append(f"removals pause themselves at {settings.removal_alarm} an hour")
    return ", ".join(told)


def _mails(database: Database, settings: Settings) -> str:
    """Say how many mails wait, and what became of the others since yesterday."""
    since = settings.make_clock().now() - timedelta(days=1)
    states: Counter[str] = Counter()
    for (_, state), count in counts(database, since).items():
        states[state] += count
    lost = states["failed"] + states["unsure"]
    advice = "; `polydock emails list --state failed` says why" if states["failed"] else ""
    return f"{states['pending']} wait; since yesterday {states['sent']} sent, {lost} lost{advice}"


def _lagoon(
    lagoon: LagoonClient, settings: Settings, stores: Sequence[Store] | None
) -> Generator[Finding]:
    found = examine("Lagoon", lambda: _version(lagoon, settings))
    yield found
    if found.verdict == BAD:
        return
    yield examine("Lagoon user", lambda: _user(lagoon))
    if stores is not None and not stores:
        advice = "no store yet; run `polydock catalog apply FILE`"
        yield Finding("Lagoon organization", BAD, advice)
    for store in stores or ():
        yield examine(f"store {store.key}", lambda store=store: _store(lagoon, store))


def _version(lagoon: LagoonClient, settings: Settings) -> str:
    stand_in = " (the local stand-in)" if settings.is_simulated else ""
    return f"version {lagoon.organizations.lagoon_version()}{stand_in}, the token is good"


def _user(lagoon: LagoonClient) -> str:
    user = lagoon.organizations.me()
    return f"we are {user.email}" if user else "a service token, which is nobody's"


def _store(lagoon: LagoonClient, store: Store) -> str:
    """Check what a project of this store will need."""
    organization = lagoon.organizations.organization_by_id(store.organization_id)
    if store.deploy_target_id not in organization.deploy_target_ids:
        raise FaultError(
            f"organization {organization.name} may not use deploy target "
            f"{store.deploy_target_id}; it may use {sorted(organization.deploy_target_ids)}"
        )
    if store.group_name and store.group_name not in organization.group_names:
        raise FaultError(
            f"organization {organization.name} has no group {store.group_name}; "
            "make it in Lagoon, or correct group_name in the catalogue"
        )
    if lagoon.organizations.is_organization_owner(store.organization_id) is False:
        raise FaultError(
            f"we are no owner of organization {organization.name}, so addProject will be "
            "refused; let an owner make us one"
        )
    return f"organization {organization.name}, {_room(organization)}"


def _room(organization: Organization) -> str:
    quota = organization.quota_project
    if quota < 0:
        return f"{organization.project_count} projects, no quota"
    if organization.project_count >= quota:
        raise FaultError(
            f"organization {organization.name} is full: {organization.project_count} of "
            f"{quota} projects; purge some, or ask for a higher quota"
        )
    return f"{organization.project_count} of {quota} projects"


def _amazee_ai(settings: Settings, stores: Sequence[Store]) -> str:
    """Check what AI credentials will need, if any store makes some."""
    regions = {s.amazee_ai_region_id: s.key for s in stores if s.amazee_ai_region_id is not None}
    if not regions:
        return "not used: no store has amazee_ai_region_id"
    with open_amazee_ai(settings) as ai:
        ai.ping()
        found = [_region(ai, region_id, store) for region_id, store in sorted(regions.items())]
    return f"the token is an administrator's; {', '.join(found)}"


def _region(ai: AmazeeAi, region_id: int, store: str) -> str:
    try:
        region = ai.region(region_id)
    except NotFoundError:
        region = None
    if region is None or not region.is_active:
        why = "does not exist" if region is None else "is switched off"
        raise FaultError(
            f"region {region_id} of store {store} {why}; choose another in the catalogue"
        )
    return f"region {region_id} is {region.name}"


def _ssh(settings: Settings) -> str:
    for name, path in (
        ("LAGOON_SSH_KEY_FILE", settings.ssh_key_file),
        ("LAGOON_SSH_KNOWN_HOSTS", settings.ssh_known_hosts),
    ):
        if not path.is_file():
            raise FaultError(f"there is no file {path}; set {name}")
    try:
        open_shell(settings).run(Container(namespace="polydock-doctor"), "true")
    except EndpointError:
        raise
    except PortError:
        pass  # no such environment: so the server is there, and its host key is the known one
    return f"{settings.lagoon_ssh_host}:{settings.lagoon_ssh_port}, its host key is the known one"


HOW = {"implicit": "over TLS", "starttls": "over STARTTLS", "none": "in the clear"}


def _smtp(settings: Settings) -> str:
    """Check that mails can go out as they would: certificate, login and all."""
    server = settings.mail_server
    try:
        open_mailer(settings).ping()
    except EndpointError as error:
        text = str(error)
        raise FaultError(
            text if "SMTP_URL" in text else f"{text.removesuffix('.')}; see SMTP_URL"
        ) from None
    require_sender(settings)
    login = ", and our login" if any(server.login) else ""
    return f"{server} takes mails {HOW[server.tls]}{login}; they come from {settings.mail_from}"


def require_sender(settings: Settings) -> None:
    """Raise FaultError where mails would leave this machine from the address of nobody."""
    server = settings.mail_server
    if server.host not in LOOPBACK and "mail_from" not in settings.model_fields_set:
        raise FaultError(
            f"{server} would get mails from an address that is nobody's; set MAIL_FROM to one "
            "that it may send for"
        )


DAEMONS = """
query { instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }
"""


def _graphql(settings: Settings, query: str) -> dict[str, object]:
    """Ask the webserver. FaultError when nobody answers as Dagster would."""
    url = f"{settings.dagster_url.rstrip('/')}/graphql"
    try:
        data = httpx.post(url, json={"query": query}, timeout=10).json().get("data")
    except (httpx.HTTPError, ValueError, AttributeError):
        data = None
    if not data or None in data.values():
        raise FaultError(
            f"{settings.dagster_url} does not answer as Dagster does; start it with "
            "`polydock up`, or see POLYDOCK_DAGSTER_URL"
        )
    return data


def _webserver(settings: Settings) -> str:
    data = _graphql(settings, "query { version }")
    if "version" not in data:
        raise FaultError(f"{settings.dagster_url} is no Dagster; see POLYDOCK_DAGSTER_URL")
    return f"version {data['version']} at {settings.dagster_url}"


def _daemon(settings: Settings) -> str:
    data = daemon_health(_graphql(settings, DAEMONS))
    bad = sorted(name for name, healthy in data.items() if not healthy)
    if bad:
        raise FaultError(f"not healthy: {', '.join(bad)}; is dagster-daemon running?")
    return f"healthy: {', '.join(sorted(data))}"


def daemon_health(data: dict[str, object]) -> dict[str, bool]:
    """Return the health of each daemon that is needed, by name."""
    match data:
        case {"instance": {"daemonHealth": {"allDaemonStatuses": [*statuses]}}}:
            return {s["daemonType"]: bool(s["healthy"]) for s in statuses if s["required"]}
        case _:
            raise FaultError("the webserver does not tell; is it a Dagster of our version?")
