"""`dependency-track`: a whole Lagoon organization is told where it stands, while it stands."""

import re
from contextlib import suppress
from dataclasses import replace

from polydock_pipelines.lifecycle.holding import Holding, HoldingKind
from polydock_pipelines.lifecycle.instance import EnvVariable, Instance, Script
from polydock_pipelines.lifecycle.outcome import Done, Failed, Outcome
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import (
    EndpointError,
    Lagoon,
    NotFoundError,
    PortError,
    StepPorts,
    ThrottledError,
)
from polydock_pipelines.steps import claim, removal, scripts
from polydock_pipelines.steps.claim import routes_of
from polydock_pipelines.steps.credentials import meant

ORGANIZATION_FIELD = "lagoon_organisation"
API_KEY_LINE = re.compile(r"API_KEY:[ \t]*(\S+)")
"""On one line: after an empty one comes the login URL, which is nobody's key."""
INSIGHTS = "LAGOON_FEATURE_FLAG_INSIGHTS"
ENDPOINT = f"{INSIGHTS}_DEPENDENCY_TRACK_API_ENDPOINT"
ENDPOINT_KEY = f"{INSIGHTS}_DEPENDENCY_TRACK_API_KEY"
SERVICE = "apiserver"
TRIES = 3
"""A withdrawal that fails must not keep the environment alive: then it is owed."""


def claim_and_tell(instance: Instance, ports: StepPorts) -> Outcome:
    """Claim as usual; then tell the organization the endpoint and the key that the script named."""
    said: list[str] = []
    claimed = claim.claim(_in_its_container(instance), ports, hear=said.append)
    organization = instance.field(ORGANIZATION_FIELD)
    if not isinstance(claimed, Done) or not organization:
        return claimed
    found = API_KEY_LINE.search("".join(said))
    if found is None:
        return Failed(
            f"the claim script printed no API_KEY: line, and {organization} waits for it; let it "
            "print one, then retry",
            is_final=True,
        )
    key = Secret(found[1])
    endpoint = _endpoint(instance, ports)
    if endpoint is None:
        return Failed(f"{instance.name} has no route that begins with apiserver.; look again")
    entry = Holding(HoldingKind.ORGANIZATION_VARIABLES, organization)
    with meant(ports, entry, instance.holding(entry.kind, entry.name)):
        ports.lagoon.organizations.set_organization_variables(
            organization,
            [
                EnvVariable(INSIGHTS, Secret("enabled")),
                EnvVariable(ENDPOINT, Secret(endpoint)),
                EnvVariable(ENDPOINT_KEY, key),
            ],
        )
    return claimed


def _in_its_container(instance: Instance) -> Instance:
    """Let the claim script run in the API server's container, unless the catalogue says where."""
    script = instance.app.scripts.get(instance.stage)
    if script is None or (script.service, script.container) != (Script("").service, None):
        return instance
    there = replace(script, service=SERVICE, container=SERVICE)
    app = replace(instance.app, scripts={**instance.app.scripts, instance.stage: there})
    return replace(instance, app=app)


def _endpoint(instance: Instance, ports: StepPorts) -> str | None:
    routes = routes_of(scripts.standing_environment(instance, ports))
    return next((url for url in routes if url.startswith(f"https://{SERVICE}.")), None)


def withdraw_and_prepare(instance: Instance, ports: StepPorts) -> Outcome:
    """Tell the organization that it stands no more, then prepare the removal as usual."""
    for held in instance.holdings:
        if held.kind is HoldingKind.ORGANIZATION_VARIABLES:
            bad = _withdraw(instance, ports, held)
            if bad is not None:
                return bad
    return removal.prepare(instance, ports)


def _withdraw(instance: Instance, ports: StepPorts, held: Holding) -> Failed | None:
    """Give the variables back; after some tries they are owed instead."""
    try:
        withdraw(held, ports.lagoon)
    except (EndpointError, ThrottledError):
        raise  # Lagoon is away or busy, and the removal waits for it anyway
    except PortError as error:
        if instance.attempt < TRIES:
            return Failed(str(error))
        ports.journal.owe(held, str(error))
        return None
    ports.journal.give_back(held)
    return None


def withdraw(held: Holding, lagoon: Lagoon) -> None:
    """Delete the variables, unless a younger instance has taken them over; gone is done."""
    if held.is_shared:
        return
    with suppress(NotFoundError):
        lagoon.organizations.delete_organization_variables(
            held.name, [INSIGHTS, ENDPOINT, ENDPOINT_KEY]
        )
