"""The Lagoon variables of an instance: ours, the route's, the catalogue's."""

import base64
import json
from collections.abc import Mapping, Sequence
from datetime import datetime

from polydock_pipelines.lifecycle.instance import EnvVariable, Instance, Scope
from polydock_pipelines.lifecycle.outcome import Facts
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import StepPorts

RESERVED_PREFIXES = ("POLYDOCK_", "LAGOON_", "AI_", "AMAZEEAI_", "AMAZEE_AI_")
"""Names that the catalogue may not set: they are ours, Lagoon's and the AI credentials'."""

REMOVED_DATE, REMOVED_TIME = "POLYDOCK_APP_REMOVED_DATE", "POLYDOCK_APP_REMOVED_TIME"
"""What a removed project says of itself."""


def is_reserved(name: str) -> bool:
    """Whether the catalogue may not set *name*."""
    return name.upper().startswith(RESERVED_PREFIXES)


def polydock_values(instance: Instance) -> dict[str, Secret]:
    """Return the POLYDOCK_* values that an app and its scripts may read."""
    person, admin = instance.person, instance.admin
    return {
        "POLYDOCK_APP_NAME": Secret(instance.app.name),
        "POLYDOCK_GENERATED_APP_ADMIN_USERNAME": Secret(admin.username),
        "POLYDOCK_GENERATED_APP_ADMIN_PASSWORD": admin.password,
        "POLYDOCK_USER_FIRST_NAME": Secret(person.first_name),
        "POLYDOCK_USER_LAST_NAME": Secret(person.last_name),
        "POLYDOCK_USER_EMAIL": Secret(person.email),
        "POLYDOCK_APP_INSTANCE_HEALTH_WEBHOOK_URL": Secret(instance.app.health_url),
    }


def our_variables(instance: Instance) -> list[EnvVariable]:
    """Return the variables that every project of ours gets."""
    ours = [EnvVariable(name, value) for name, value in polydock_values(instance).items()]
    # A build runs insights only for the exact word "enabled"; trials do not need them.
    ours.append(EnvVariable("LAGOON_FEATURE_FLAG_INSIGHTS", Secret("false")))
    if instance.app.custom_route is not None:
        ours.append(EnvVariable("LAGOON_ROUTES_JSON", Secret(routes_json(instance)), Scope.BUILD))
    return ours


def routes_json(instance: Instance) -> str:
    """Return the base64 that Lagoon's build reads as LAGOON_ROUTES_JSON."""
    route = instance.app.custom_route
    assert route is not None  # noqa: S101 - the caller looked
    domain = route.domain_pattern.replace("{project}", instance.name).replace(
        "{environment}", instance.target.branch
    )
    entry: dict[str, object] = {
        "domain": domain.lower(),
        "service": route.service,
        "tls-acme": True,
        "annotations": dict(route.annotations),
    }
    return encoded_routes([entry])


def encoded_routes(routes: Sequence[Mapping[str, object]]) -> str:
    """Return the base64 that Lagoon's build reads as LAGOON_ROUTES_JSON."""
    return base64.b64encode(json.dumps({"routes": list(routes)}).encode()).decode()


def metadata(instance: Instance) -> dict[str, str]:
    """Return the project metadata; the first key is how we know the project for ours."""
    return {
        MARKER: instance.uuid,
        "email": instance.person.email,
        "product-type": instance.app.product_type,
        "firstname": instance.person.first_name,
        "lastname": instance.person.last_name,
        "polydock-env": "prod" if instance.app.is_production else "dev",
    }


MARKER = "polydock-instance"
"""The metadata key that carries the instance's uuid."""


def push(instance: Instance, ports: StepPorts) -> Facts:
    """Bring all variables to Lagoon, and take away those the catalogue has withdrawn.

    What we are about to push is recorded first, so that a withdrawal finds it even when the
    process dies before the outcome is written.
    """
    before = instance.facts.pushed_variables or frozenset()
    wanted = [v for v in instance.variables if not is_reserved(v.name)]
    names = frozenset(v.name for v in wanted)
    if names - before:
        ports.journal.record(Facts(pushed_variables=before | names))
    ports.lagoon.projects.set_variables(instance.name, [*our_variables(instance), *wanted])
    if before - names:
        ports.lagoon.projects.delete_variables(instance.name, sorted(before - names))
    return Facts(pushed_variables=names)


def timestamps(now: datetime, *, date: str, time: str) -> list[EnvVariable]:
    """Return a pair of variables that say when something happened, UTC."""
    return [
        EnvVariable(date, Secret(f"{now:%Y-%m-%d}")),
        EnvVariable(time, Secret(f"{now:%H:%M:%S}")),
    ]


def script_environment(
    instance: Instance, more: Mapping[str, Secret] | None = None
) -> dict[str, Secret]:
    """Return what a script finds in its environment.

    Lagoon hands variables to pods only at the next deployment, so scripts get today's values.
    """
    return polydock_values(instance) | dict(more or {})
