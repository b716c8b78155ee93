"""The Lagoon project: its name, its creation, its groups, metadata and variables."""

from polydock_pipelines.lifecycle.instance import Effect, Instance
from polydock_pipelines.lifecycle.naming import Naming, variant
from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed, Outcome
from polydock_pipelines.ports import (
    AlreadyExistsError,
    DeniedError,
    EndpointError,
    NewProject,
    PortError,
    Project,
    RefusedError,
    StepPorts,
)
from polydock_pipelines.steps.variables import MARKER, REMOVED_DATE, REMOVED_TIME, metadata, push

MOST_VARIANTS = 10


def settle_name(instance: Instance, ports: StepPorts) -> Outcome:
    """Make sure that no project of somebody else has our name; take a variant if one has."""
    name = instance.name
    for _ in range(MOST_VARIANTS):
        if _is_free(instance, name, ports):
            note = "" if name == instance.name else f"{instance.name} was taken, so it is {name}"
            return Done(Facts(name=name), note)
        name = variant(instance.name, Naming(store_prefix=""))
    return Failed(f"Lagoon has projects named {instance.name} and {MOST_VARIANTS} variants of it")


def _is_free(instance: Instance, name: str, ports: StepPorts) -> bool:
    """Whether no project has *name*, or it is ours. One that is hidden from us is somebody's."""
    try:
        found = ports.lagoon.projects.project_by_name(name)
    except (RefusedError, DeniedError):
        if (Effect.CREATE_PROJECT, name) in instance.intents:
            raise  # it may be ours: never walk away from it to make a second one
        return False
    return found is None or is_ours(instance, found, ports)


def create(instance: Instance, ports: StepPorts) -> Outcome:
    """Create the project unless it is there already, and mark it as this instance's."""
    projects = ports.lagoon.projects
    found = projects.project_by_name(instance.name)
    if found is None:
        ports.journal.intend(Effect.CREATE_PROJECT, instance.name)
        try:
            found = projects.add_project(_new_project(instance))
        except AlreadyExistsError:
            # An earlier call of ours, whose answer was lost, may have come through only now.
            found = projects.project_by_name(instance.name)
            if found is None or not is_ours(instance, found, ports):
                return _taken(instance)
        except EndpointError:
            raise  # it may have been created: the intent stays
        except PortError:
            if (Effect.CREATE_PROJECT, instance.name) not in instance.intents:
                ports.journal.retract(Effect.CREATE_PROJECT, instance.name)
            raise
    elif not is_ours(instance, found, ports):
        return _taken(instance)
    projects.update_project_metadata(found.id, {MARKER: instance.uuid})
    return Done(Facts(lagoon_project_id=found.id))


def is_ours(instance: Instance, project: Project, ports: StepPorts) -> bool:
    """Whether *project* was made for this instance.

    Either it says so, or we meant to make it and it is just what we would have made: then our
    worker died between creating and marking it.
    """
    marker = project.metadata.get(MARKER)
    if marker is not None:
        return marker == instance.uuid
    if (Effect.CREATE_PROJECT, instance.name) not in instance.intents:
        return False
    return (
        project.organization_id == instance.target.organization_id
        and project.git_url == instance.target.git_url
        and _has_our_key(instance, project, ports)
    )


def _has_our_key(instance: Instance, project: Project, ports: StepPorts) -> bool:
    key = instance.target.deploy_key
    return key is None or ports.public_key_of(key) == project.public_key


def _taken(instance: Instance) -> Failed:
    return Failed(
        f"Lagoon already has a project {instance.name} that is not this instance's; "
        "retry the instance, it will take another name",
        is_final=True,
    )


def _new_project(instance: Instance) -> NewProject:
    target = instance.target
    return NewProject(
        name=instance.name,
        git_url=target.git_url,
        branch=target.branch,
        production_environment=target.production_environment,
        deploy_target_id=target.deploy_target_id,
        organization_id=target.organization_id,
        auto_idle=target.auto_idle,
        private_key=target.deploy_key,
    )


def configure(instance: Instance, ports: StepPorts) -> Outcome:
    """Let the store's group in, then write metadata and variables.

    In this order, because Lagoon lets a member of the group do what an organization owner may not.
    """
    project_id = instance.facts.lagoon_project_id
    assert project_id is not None  # noqa: S101 - `create` recorded it
    if instance.target.group_name:
        ports.lagoon.projects.add_groups_to_project(instance.name, [instance.target.group_name])
    ports.lagoon.projects.update_project_metadata(project_id, metadata(instance))
    if instance.life > 1:
        ports.lagoon.projects.delete_variables(instance.name, [REMOVED_DATE, REMOVED_TIME])
    return Done(push(instance, ports))


def push_variables(instance: Instance, ports: StepPorts) -> Outcome:
    """Bring the catalogue's present variables to Lagoon, before the build that will use them."""
    return Done(push(instance, ports))
