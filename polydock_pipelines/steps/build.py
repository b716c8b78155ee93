"""Builds: one a generation, found again by its bulk id, watched from outside."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import timedelta

from polydock_pipelines.lifecycle.instance import Effect, Instance, bulk_id
from polydock_pipelines.lifecycle.outcome import Done, Facts, Failed, Outcome, Waiting
from polydock_pipelines.ports import (
    GOOD_BUILD,
    Deployment,
    EndpointError,
    NotFoundError,
    PortError,
    StepPorts,
)

LOOKS_APART = timedelta(seconds=60)
"""Between the two looks that must both miss a build before another is started."""


def deploy(
    instance: Instance, ports: StepPorts, *, build_variables: Mapping[str, str] | None = None
) -> Outcome:
    """Start this generation's build unless Lagoon has it already, then say how it stands."""
    build = _find(instance, ports)
    if build is None and instance.facts.build_bulk_id == instance.bulk_id:
        again = min(ports.clock.now() + LOOKS_APART, instance.deadline)
        return Waiting(again, note="Lagoon does not show the build that it started; looking again")
    if build is None:
        return _start(instance, ports, build_variables)
    facts = Facts(build_name=build.name, build_status=build.status, build_bulk_id=build.bulk_id)
    if build.is_running and ports.clock.now() >= instance.deadline:
        return _cancel(build, facts, ports)
    if build.is_running:
        return Waiting(instance.deadline, facts)
    if build.is_good:
        return Done(facts, f"{build.name} is {build.status}")
    return Failed(
        f"{build.name} ended {build.status}; read its log in Lagoon, mend the cause, then retry",
        is_final=True,
        facts=facts,
    )


def _find(instance: Instance, ports: StepPorts) -> Deployment | None:
    """Return this generation's build; else the last one's, if it runs or ended well after all.

    One that the facts know as complete has had its effect: an upgrade wants another.
    """
    last = bulk_id(instance.uuid, instance.stage, instance.generation - 1)
    found = ports.lagoon.deployments.by_bulk_ids([instance.bulk_id, last])
    mine = found.get(instance.bulk_id, [])
    if mine:
        return next((b for b in mine if b.is_running), max(mine, key=lambda b: b.id))
    if (instance.facts.build_bulk_id, instance.facts.build_status) == (last, GOOD_BUILD):
        return None
    usable = [b for b in found.get(last, []) if b.is_running or b.is_good]
    return max(usable, key=lambda b: b.id) if usable else None


def _cancel(build: Deployment, facts: Facts, ports: StepPorts) -> Failed:
    """Give up a build that takes too long; left alone, the next one would queue behind it."""
    with suppress(NotFoundError):
        ports.lagoon.deployments.cancel_deployment(build.id)
    return Failed(
        f"{build.name} was still {build.status} at its deadline, so Lagoon was asked to cancel "
        "it; read its log in Lagoon, mend the cause, then retry",
        is_final=True,
        facts=facts,
    )


def _start(
    instance: Instance, ports: StepPorts, build_variables: Mapping[str, str] | None
) -> Outcome:
    """Start the build, once we can be sure that an earlier attempt did not."""
    pause = _pause_before_another(instance, ports)
    if pause is not None:
        return pause
    ports.journal.intend(Effect.DEPLOY, instance.bulk_id)
    try:
        name = ports.lagoon.deployments.deploy_environment_branch(
            instance.name,
            instance.target.branch,
            bulk_id=instance.bulk_id,
            build_variables=build_variables,
        )
    except EndpointError:
        raise  # it may have started: look before another
    except PortError:
        ports.journal.retract(Effect.DEPLOY, instance.bulk_id)
        raise
    facts = Facts(build_name=name, build_status="new", build_bulk_id=instance.bulk_id)
    return Waiting(instance.deadline, facts, f"{name} started")


def _pause_before_another(instance: Instance, ports: StepPorts) -> Waiting | None:
    """After a start that may have happened, wait for a second look, a minute after the first."""
    meant = instance.intents.get((Effect.DEPLOY, instance.bulk_id))
    if meant is None:
        return None
    now = ports.clock.now()
    missed = instance.intents.get((Effect.BUILD_MISSED, instance.bulk_id))
    if missed is None or missed < meant:
        ports.journal.intend(Effect.BUILD_MISSED, instance.bulk_id)
        missed = now
    second_look = missed + LOOKS_APART
    if now >= second_look:
        return None
    return Waiting(second_look, note="the start of the build got no answer; looking again")
