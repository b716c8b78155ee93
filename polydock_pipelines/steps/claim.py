"""The claim: an instance gets its person, and the person a URL to log in with."""

from collections.abc import Callable, Iterable, Mapping
from datetime import timedelta
from urllib.parse import urlsplit

from polydock_pipelines.lifecycle.instance import EnvVariable, Instance
from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed, Outcome
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import Environment, StepPorts
from polydock_pipelines.steps import scripts
from polydock_pipelines.steps.variables import metadata, our_variables

LOGIN_LIFETIME = timedelta(hours=24)


def _unheard(_output: str) -> None:
    """Hear nothing."""


def claim(
    instance: Instance,
    ports: StepPorts,
    *,
    env: Mapping[str, Secret] | None = None,
    hear: Callable[[str], None] = _unheard,
) -> Outcome:
    """Write the person to Lagoon, run the claim script, and learn the login URL.

    With a script the URL is the last line of its output that is one; without, a route of the
    environment. A claim that yields no URL has failed: nobody could log in. *env*: what the script
    gets beside the usual; *hear* is called with all that it printed, which holds secrets.
    """
    claimed_at = EnvVariable(
        "POLYDOCK_CLAIMED_AT", Secret(f"{ports.clock.now():%Y-%m-%d %H:%M:%S}")
    )
    _write_person(instance, ports, claimed_at)
    environment = scripts.standing_environment(instance, ports)
    script = instance.app.scripts.get(instance.stage)
    if script is None:
        return _claimed(route_url(environment), environment, ports) or _no_route(instance)
    more = {**(env or {}), claimed_at.name: claimed_at.value}
    result = scripts.run(instance, ports, environment, script, more)
    bad = scripts.failure(instance, result)
    if bad is not None:
        return bad
    hear(result.stdout.reveal())
    url = last_url(result.stdout.reveal().splitlines())
    return _claimed(url, environment, ports, scripts.note_of(result)) or _no_url()


def _write_person(instance: Instance, ports: StepPorts, claimed_at: EnvVariable) -> None:
    """Write user variables and metadata anew: a pool instance had nobody when it was made."""
    project_id = instance.facts.lagoon_project_id
    assert project_id is not None  # noqa: S101 - no claim without a project
    ports.lagoon.projects.set_variables(instance.name, [*our_variables(instance), claimed_at])
    ports.lagoon.projects.update_project_metadata(project_id, metadata(instance))


def _claimed(
    url: str | None, environment: Environment, ports: StepPorts, note: str = ""
) -> Done | None:
    if url is None:
        return None
    facts = Facts(
        namespace=environment.namespace,
        app_url=route_url(environment) or origin(url),
        login_url=Secret(url),
        login_valid_until=ports.clock.now() + LOGIN_LIFETIME,
    )
    return Done(facts, note)


def _no_route(instance: Instance) -> Failed:
    # Lagoon writes the routes just after a build's final status, so another look may help.
    return Failed(
        f"{instance.name} has no https route in Lagoon; give the app a route or a claim script "
        "that prints a login URL"
    )


def _no_url() -> Failed:
    return Failed(
        "the claim script printed no https URL; let it print the login URL as its last line, "
        "then retry",
        is_final=True,
    )


def last_url(lines: Iterable[str]) -> str | None:
    """Return the last line that is an https URL and nothing else."""
    return next((text for line in reversed(list(lines)) if is_url(text := line.strip())), None)


def is_url(text: str) -> bool:
    """Whether *text* is one https URL with a host."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return False
    return parts.scheme == "https" and bool(parts.hostname) and not any(map(str.isspace, text))


def route_url(environment: Environment) -> str | None:
    """Return the route to log in at: one with `frontend.` in it, else the first."""
    urls = routes_of(environment)
    return next((url for url in urls if "frontend." in url), urls[0] if urls else None)


def routes_of(environment: Environment) -> list[str]:
    """Return the routes as https URLs, the chief one first."""
    routes = [environment.route or "", *environment.routes]
    return [url for route in routes if route and is_url(url := with_scheme(route.strip()))]


def with_scheme(route: str) -> str:
    """Return *route* as an https URL; Lagoon may leave the scheme out."""
    return route if "://" in route else f"https://{route}"


def origin(url: str) -> str:
    """Return scheme and host of *url*, without what may be a one-time token or a password."""
    return f"https://{urlsplit(url).netloc.rpartition('@')[2]}"
