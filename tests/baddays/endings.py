"""Bad days at the end of a trial, at a purge, and at another beginning."""

from collections.abc import Iterable

from polydock_pipelines.simulator.model import Project
from polydock_pipelines.simulator.world import World
from tests.baddays.asking import (
    a_purge,
    a_restore,
    the_end_of_grace,
    the_end_of_the_trial,
    the_sweep,
)
from tests.baddays.day import ALWAYS, CLAIMED, REMOVED, BadDay, Trouble
from tests.baddays.offers import CLAIM, EACH_TYPE, Offer

AWAY = (Trouble("POST /graphql", "http500", ALWAYS),)
MARKER = "polydock-instance"
SOMEBODY = "00000000-0000-0000-0000-000000000009"


def _ours(world: World) -> Iterable[Project]:
    return [p for p in world.projects.values() if MARKER in p.metadata]


def _give_away(world: World) -> None:
    """Let somebody take our projects for their own."""
    for project in _ours(world):
        project.metadata |= {"was": project.metadata[MARKER], MARKER: SOMEBODY}


def _hand_back(world: World) -> None:
    for project in _ours(world):
        project.metadata[MARKER] = project.metadata.pop("was")


ENDS = [
    BadDay(
        "a trial ends while Lagoon is away for two hours",
        AWAY,
        strikes_at=CLAIMED,
        remove_at=CLAIMED,
        removed_by=the_end_of_the_trial,
        ends="pending-pre-remove",
        says=("HTTP 500",),
    ),
    BadDay(
        "a trial ends during an upgrade's build",
        is_upgrade=True,
        remove_at="upgrade-running",
        removed_by=the_end_of_the_trial,
        ends=REMOVED,
        says=("the trial has ended, its removal begins", "asked Lagoon to cancel"),
        builds=2,
    ),
    BadDay(
        "a trial ends after its upgrade failed",
        (Trouble("deployEnvironmentBranch", "build_failed"),),
        is_upgrade=True,
        remove_at="upgrade-failed",
        removed_by=the_end_of_the_trial,
        ends=REMOVED,
        says=("the trial has ended, its removal begins",),
        builds=2,
    ),
    BadDay(
        "nobody retries a failed build for a week",
        (Trouble("deployEnvironmentBranch", "build_failed"),),
        remove_at="deploy-failed",
        removed_by=the_sweep,
        ends=REMOVED,
        says=("failed 7 days ago and nobody retried it: removed",),
    ),
    BadDay(
        "nobody retries a refused project for a week",
        (Trouble("addProject", "quota", ALWAYS),),
        remove_at="create-failed",
        removed_by=the_sweep,
        ends=REMOVED,
        says=("nobody retried it: removed",),
        builds=0,
    ),
    BadDay(
        "nobody retries a failed claim for a week",
        offer=Offer(scripts={CLAIM: "exit 1"}),
        remove_at="polydock-claim-failed",
        removed_by=the_sweep,
        ends=REMOVED,
        says=("nobody retried it: removed",),
    ),
]

PURGES = [
    BadDay(
        "nothing happens to a purge",
        once_removed=the_end_of_grace,
        ends=REMOVED,
        says=("its grace is over", "Lagoon project deleted"),
    ),
    BadDay(
        "Lagoon is away for two hours at a purge",
        AWAY,
        once_removed=the_end_of_grace,
        ends="pending-purge",
        says=("HTTP 500",),
    ),
    BadDay(
        "Lagoon says for two hours that it may not delete the project",
        (Trouble("deleteProject", "graphql_error", 12, "Unauthorized"),),
        once_removed=a_purge,
        ends=REMOVED,
        says=("Lagoon failed deleteProject", "Lagoon project deleted"),
        minutes=180,
    ),
    BadDay(
        "somebody else has taken the project over before the purge",
        once_removed=a_purge,
        befalls=_give_away,
        mend=_hand_back,
        ends="purge-failed",
        says=("is not known to be this instance's, so it stays", "--confirm-gone"),
    ),
]

RESTORES = [
    BadDay("nothing happens to a restore", once_removed=a_restore, builds=2),
    BadDay(
        "nothing happens to the restore of an app with AI",
        offer=EACH_TYPE["polydock-app-ai"],
        once_removed=a_restore,
        builds=2,
    ),
    BadDay(
        "the build of a restore fails",
        (Trouble("deployEnvironmentBranch", "build_failed"),),
        once_removed=a_restore,
        ends="deploy-failed",
        says=("ended failed",),
        builds=3,
    ),
    BadDay(
        "the answer to the build of a restore is lost",
        (Trouble("deployEnvironmentBranch", "drop_after_commit"),),
        once_removed=a_restore,
        builds=2,
    ),
    BadDay(
        "the note of the removal cannot be taken away at the first try",
        (Trouble("deleteEnvVariableByName", "graphql_error", 2),),
        once_removed=a_restore,
        builds=2,
    ),
    BadDay(
        "Lagoon is away for two hours at a restore",
        AWAY,
        once_removed=a_restore,
        ends="pending-post-create",
        says=("HTTP 500",),
        builds=2,
    ),
    BadDay(
        "the claim script of a restore fails",
        (Trouble("ssh:polydock-claim", "ssh_254", ALWAYS),),
        once_removed=a_restore,
        ends="polydock-claim-failed",
        says=("exit 254",),
        builds=2,
    ),
]
