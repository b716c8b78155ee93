"""Upgrade: the app's branch is built again, with its scripts before, upon and after it."""

from polydock_pipelines.lifecycle.instance import Instance
from polydock_pipelines.lifecycle.outcome import Done, Outcome
from polydock_pipelines.ports import StepPorts
from polydock_pipelines.steps import build, scripts, variables


def prepare(instance: Instance, ports: StepPorts) -> Outcome:
    """Run the pre-upgrade script in the old containers, then push what the build shall know."""
    ran = scripts.run_stage_script(instance, ports)
    if not isinstance(ran, Done):
        return ran
    return Done(variables.push(instance, ports), ran.note)


def deploy(instance: Instance, ports: StepPorts) -> Outcome:
    """Build, and when that ended well run the upgrade script in the new containers.

    What the build came to is only written when the script is done: a retry after a failed script
    then finds the good build and does not start another.
    """
    built = build.deploy(instance, ports)
    if not isinstance(built, Done):
        return built
    ran = scripts.run_stage_script(instance, ports)
    return Done(built.facts, ran.note or built.note) if isinstance(ran, Done) else ran


def complete(instance: Instance, ports: StepPorts) -> Outcome:
    """Write on the project when it was upgraded, and run the post-upgrade script."""
    upgraded = variables.timestamps(
        ports.clock.now(),
        date="POLYDOCK_APP_LAST_UPGRADED_DATE",
        time="POLYDOCK_APP_LAST_UPGRADED_TIME",
    )
    ports.lagoon.projects.set_variables(instance.name, upgraded)
    return scripts.run_stage_script(instance, ports)
