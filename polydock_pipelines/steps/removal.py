"""Removal: stop what builds, delete the environment, leave a note on the project.

Nothing that is missing stands in the way: what is gone is done.
"""

from datetime import timedelta

from polydock_pipelines.lifecycle.instance import Effect, Instance
from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed, Outcome, Waiting
from polydock_pipelines.ports import Deployment, EndpointError, NotFoundError, PortError, StepPorts
from polydock_pipelines.steps import scripts
from polydock_pipelines.steps.build import LOOKS_APART
from polydock_pipelines.steps.project import is_ours
from polydock_pipelines.steps.variables import REMOVED_DATE, REMOVED_TIME, timestamps

LOOK_AGAIN = timedelta(seconds=10)
TRIES_OF_A_SCRIPT = 3
"""A broken app must not keep its environment alive: after these the removal goes on without."""


def prepare(instance: Instance, ports: StepPorts) -> Outcome:
    """Cancel builds and await their end, then run the pre-remove script."""
    waiting = _stop_builds(instance, ports)
    return waiting or _script_or_go_on(instance, ports)


def _stop_builds(instance: Instance, ports: StepPorts) -> Waiting | None:
    meant = {key: at for (effect, key), at in instance.intents.items() if effect is Effect.DEPLOY}
    known = {instance.facts.build_bulk_id} if instance.facts.build_bulk_id else set[str]()
    if not meant and not known:
        return None
    builds = ports.lagoon.deployments.by_bulk_ids(sorted(known | set(meant)))
    running = [build for found in builds.values() for build in found if build.is_running]
    for build in running:
        ports.lagoon.deployments.cancel_deployment(build.id)
    now = ports.clock.now()
    if running:
        return Waiting(now + LOOK_AGAIN, note=_names(running))
    unseen = [at + LOOKS_APART for key, at in meant.items() if not builds.get(key)]
    if any(at > now for at in unseen):
        return Waiting(min(max(unseen), now + LOOK_AGAIN))
    return None


def _names(builds: list[Deployment]) -> str:
    return f"asked Lagoon to cancel {', '.join(sorted(b.name for b in builds))}"


def _script_or_go_on(instance: Instance, ports: StepPorts) -> Outcome:
    """Run this stage's script where there is something to run it in."""
    if (
        instance.stage not in instance.app.scripts
        or scripts.environment_of(instance, ports) is None
    ):
        return Done()
    try:
        outcome = scripts.run_stage_script(instance, ports)
    except EndpointError:
        raise  # the SSH server is away, not the app broken
    except PortError as error:
        outcome = Failed(str(error))
    if isinstance(outcome, Failed) and instance.attempt >= TRIES_OF_A_SCRIPT:
        return Done(note=f"going on without the {instance.stage} script: {outcome.reason}")
    return Failed(outcome.reason) if isinstance(outcome, Failed) else outcome


def delete_environment(instance: Instance, ports: StepPorts) -> Outcome:
    """Run the remove script, ask Lagoon to delete the environment, and await that it is gone."""
    project = ports.lagoon.projects.project_by_name(instance.name)
    if project is None:
        return Done(note="there is no project in Lagoon, so nothing to delete")
    if not is_ours(instance, project, ports):
        return Done(note="the project of this name is not ours, so it stays")
    facts = Facts(lagoon_project_id=project.id)
    branch = instance.target.branch
    if ports.lagoon.environments.environment_by_name(project.id, branch) is None:
        return Done(facts)
    ran = _script_or_go_on(instance, ports)
    if isinstance(ran, Failed):
        return ran
    try:
        ports.lagoon.environments.delete_environment(instance.name, branch)
    except NotFoundError:
        return Done(facts)
    said = ran.note if isinstance(ran, Done) else ""
    notes = [said, f"asked Lagoon to delete the environment {branch}"]
    return Waiting(instance.deadline, facts, "; ".join(filter(None, notes)))


def record(instance: Instance, ports: StepPorts) -> Outcome:
    """Write on the project when it was removed; a project that is gone needs no note."""
    project = ports.lagoon.projects.project_by_name(instance.name)
    if project is None or not is_ours(instance, project, ports):
        return Done()
    removed = timestamps(ports.clock.now(), date=REMOVED_DATE, time=REMOVED_TIME)
    try:
        ports.lagoon.projects.set_variables(instance.name, removed)
    except NotFoundError:
        # A bare `Unauthorized`: Lagoon says that of a missing project, and of one that it hides.
        if ports.lagoon.projects.project_by_name(instance.name) is not None:
            raise
    return Done()
