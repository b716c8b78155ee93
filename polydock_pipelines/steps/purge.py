"""Purge: delete the Lagoon project, and call it gone only when that is known.

Lagoon hides what we may not see, so that nothing is proven by what it does not show. Gone is what
`deleteProject` deleted, or what is missing from a whole list of the organization's projects that
shows another one known to live there.
"""

from collections.abc import Sequence
from contextlib import suppress

from polydock_pipelines.lifecycle.instance import Effect, Instance
from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed, Outcome
from polydock_pipelines.lifecycle.table import STAGES
from polydock_pipelines.ports import NotFoundError, Project, ProjectRef, StepPorts
from polydock_pipelines.steps.project import is_ours

DELETED = "Lagoon project deleted"
ALREADY_DELETED = "Lagoon project already deleted"
NEVER_MADE = "there never was a Lagoon project"


def delete_project(instance: Instance, ports: StepPorts) -> Outcome:
    """Ask for the end of every environment that stands; without any, delete the project."""
    if not _may_have_been_made(instance):
        return Done(note=NEVER_MADE)
    project = ports.lagoon.projects.project_by_name(instance.name)
    if project is None:
        return _make_sure(instance, ports)
    if not _is_the_one(instance, project, ports):
        return _leave(instance, project, ports)
    try:
        standing = ports.lagoon.environments.names_of(instance.name)
        if standing:
            return _delete_environments(instance, project, standing, ports)
        ports.lagoon.projects.delete_project(instance.name)
    except NotFoundError:
        return _make_sure(instance, ports)
    return Done(note=DELETED)


def _may_have_been_made(instance: Instance) -> bool:
    meant = any(effect is Effect.CREATE_PROJECT for effect, _ in instance.intents)
    return meant or instance.facts.lagoon_project_id is not None


def _is_the_one(instance: Instance, project: Project, ports: StepPorts) -> bool:
    known = instance.facts.lagoon_project_id
    return is_ours(instance, project, ports) and known in (None, project.id)


def _delete_environments(
    instance: Instance, project: Project, standing: Sequence[str], ports: StepPorts
) -> Failed:
    """Ask, whether that was asked before or not: Lagoon may have forgotten, and minds no repeat."""
    for name in standing:
        with suppress(NotFoundError):
            ports.lagoon.environments.delete_environment(instance.name, name)
    facts = Facts(lagoon_project_id=project.id)
    return _not_yet(instance, f"environments still stand: {', '.join(sorted(standing))}", facts)


def _make_sure(instance: Instance, ports: StepPorts) -> Done | Failed:
    """Say that the project is gone when its organization's list proves it."""
    organization_id = instance.target.organization_id
    listed = ports.lagoon.organizations.projects_of(organization_id)
    ours = _ours_among(listed, instance)
    if ours:
        names = ", ".join(f"{ref.name} (id {ref.id})" for ref in ours)
        return _not_yet(instance, f"organization {organization_id} still lists {names}")
    if _shows_a_neighbour(listed, instance):
        return Done(note=ALREADY_DELETED)
    return _not_yet(
        instance,
        f"Lagoon shows no project {instance.name}, but that it is gone cannot be proven: "
        f"organization {organization_id} lists no other project that is known to live there. "
        f"{_way_out(instance)}",
    )


def _leave(instance: Instance, project: Project, ports: StepPorts) -> Done | Failed:
    """Never touch what is not ours; it is no obstacle only where ours is proven to be gone."""
    known = instance.facts.lagoon_project_id
    if known not in (None, project.id):
        listed = ports.lagoon.organizations.projects_of(instance.target.organization_id)
        if not _ours_among(listed, instance) and _shows_a_neighbour(listed, instance):
            return Done(note=ALREADY_DELETED)
    return Failed(
        f"Lagoon has a project {project.name} (id {project.id}) that is not known to be this "
        f"instance's, so it stays. {_way_out(instance)}",
        is_final=True,
    )


def _ours_among(listed: Sequence[ProjectRef], instance: Instance) -> list[ProjectRef]:
    """Return what bears our id or our name, whose case does not matter to Lagoon."""
    known, name = instance.facts.lagoon_project_id, instance.name.lower()
    return [ref for ref in listed if ref.id == known or ref.name.lower() == name]


def _shows_a_neighbour(listed: Sequence[ProjectRef], instance: Instance) -> bool:
    return any(ref.id in instance.neighbours for ref in listed)


def _way_out(instance: Instance) -> str:
    return (
        "Look in Lagoon; once you know that this instance's project is gone: "
        f"polydock instances purge {instance.name} --confirm-gone"
    )


def _not_yet(instance: Instance, why: str, facts: Facts | None = None) -> Failed:
    cap = instance.most_attempts or STAGES[instance.stage].attempts
    return Failed(f"Purge attempt {instance.attempt}/{cap}: {why}", facts=facts or Facts())
