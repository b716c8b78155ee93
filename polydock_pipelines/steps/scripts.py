"""Scripts of a store app, run in a container of the environment."""

from collections.abc import Mapping

from polydock_pipelines.lifecycle.instance import Instance, Script
from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed, Outcome
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import (
    CommandResult,
    Container,
    Environment,
    NotFoundError,
    StepPorts,
)
from polydock_pipelines.steps.variables import script_environment
from polydock_pipelines.steps.wrapper import DIED, NO_PLACE, wrap


def environment_of(instance: Instance, ports: StepPorts) -> Environment | None:
    """Return the environment of our branch, if it stands."""
    project_id = instance.facts.lagoon_project_id
    if project_id is None:
        return None
    return ports.lagoon.environments.environment_by_name(project_id, instance.target.branch)


def standing_environment(instance: Instance, ports: StepPorts) -> Environment:
    """Return the environment of our branch. NotFoundError when it is not there."""
    environment = environment_of(instance, ports)
    if environment is None:
        raise NotFoundError(
            f"{instance.name} has no environment {instance.target.branch} in Lagoon; "
            "remove the instance, or deploy it again"
        )
    return environment


def run(
    instance: Instance,
    ports: StepPorts,
    environment: Environment,
    script: Script,
    env: Mapping[str, Secret] | None = None,
) -> CommandResult:
    """Run *script* once per generation and return how it ended."""
    at = Container(
        namespace=environment.namespace,
        service=script.service,
        container=script.container,
        host=environment.ssh_host,
        port=environment.ssh_port,
    )
    wrapped = wrap(
        script.text,
        stage=instance.stage,
        instance_uuid=instance.uuid,
        generation=instance.generation,
        env=script_environment(instance, env),
    )
    return ports.shell.run(at, wrapped)


def run_stage_script(instance: Instance, ports: StepPorts) -> Outcome:
    """Run the app's script for this stage; a stage without one is done."""
    script = instance.app.scripts.get(instance.stage)
    if script is None:
        return Done()
    environment = standing_environment(instance, ports)
    result = run(instance, ports, environment, script)
    bad = failure(instance, result)
    return bad or Done(Facts(namespace=environment.namespace), note_of(result))


def failure(instance: Instance, result: CommandResult) -> Failed | None:
    """Return why a script's end is a failure; None when it is not. Its output stays unsaid.

    Final, because within a generation a repeat is answered with the kept result.
    """
    if result.exit_code == 0:
        return None
    if result.exit_code == DIED:
        return Failed(f"the {instance.stage} script ended with its container; it will run again")
    return Failed(
        f"the {instance.stage} script exited with {result.exit_code}; "
        "mend the script or the app, then retry",
        is_final=True,
    )


def note_of(result: CommandResult) -> str:
    """Return what the wrapper had to say, if anything."""
    return NO_PLACE if NO_PLACE in result.stderr.reveal() else ""
