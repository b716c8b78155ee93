"""The lifecycle: one row a stage. Everything that varies by stage is a column here.

Code that wants to know something about a stage looks it up; a `match` on a stage or a status
anywhere else means that a column is missing.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from polydock_pipelines.lifecycle.status import RUNNING, Phase, Resting, StageStatus, Status, wire

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
GAVE_UP = "{reason} (gave up after {attempts} attempts)"


class Kind(StrEnum):
    """Which job works a stage; also the tag `polydock/kind` of its runs."""

    PROVISION = "provision"
    ACTIVATE = "activate"
    REMOVE = "remove"
    PURGE = "purge"
    UPGRADE = "upgrade"


class Wish(StrEnum):
    """What an operator or the clock wants of an instance that is being worked on."""

    REMOVE = "remove"
    PURGE = "purge"
    UPGRADE = "upgrade"


@dataclass(frozen=True)
class Crossroads:
    """What a fork of the lifecycle may look at."""

    has_owner: bool
    running_before: Resting | None


Fork = Callable[[Crossroads], "str | Resting"]


def claim_or_pool(facts: Crossroads) -> "str | Resting":
    """Claim an instance that somebody waits for; let the others wait in the pool."""
    return "polydock-claim" if facts.has_owner else Resting.HEALTHY_UNCLAIMED


def where_it_was(facts: Crossroads) -> Resting:
    """Return an upgraded instance to the running status it left."""
    return facts.running_before or Resting.HEALTHY_CLAIMED


@dataclass(frozen=True)
class Stage:
    """One row of the lifecycle."""

    name: str
    label: str
    """What an operator reads: 'Create the Lagoon project'."""
    then: "str | Resting | Fork"
    """The stage or the resting status that follows `Done`."""
    kind: Kind
    """The job that begins this stage."""
    leg: str
    """The op of that job."""
    limit: timedelta = 15 * MINUTE
    """From entering the stage until it must have ended."""
    attempts: int = 6
    """How often the step may fail before the instance does."""
    back_off: tuple[timedelta, ...] | None = None
    """Pauses after failed attempts, the last one from there on; None: the usual ones."""
    when_spent: str = GAVE_UP
    """What an operator reads when the last attempt has failed."""
    polled_by: tuple[Kind, str] | None = None
    """Job and leg that look again while a remote system works; None: the step ends by itself."""
    retry_at: str | None = None
    """Where an operator's retry enters; None: at this stage."""
    takes_a_build: bool = False
    """Whether it begins with a build, of which only so many may run at once."""
    new_generation: bool = False
    """Whether entering it begins a new generation: what was built before does not count."""
    has_completed: bool = True
    """Purge has no `-completed` status on the wire."""
    sees_neighbours: bool = False
    """Whether the step is told which other projects are known to live in the organization."""

    @property
    def polls(self) -> bool:
        """Whether the stage waits for something that Lagoon does meanwhile."""
        return self.polled_by is not None


LIFECYCLE = (
    Stage("pre-create", "Check the request", "create", Kind.PROVISION, "create_projects"),
    Stage(
        "create",
        "Create the Lagoon project",
        "post-create",
        Kind.PROVISION,
        "create_projects",
        retry_at="pre-create",
    ),
    Stage("post-create", "Configure the project", "pre-deploy", Kind.PROVISION, "create_projects"),
    Stage("pre-deploy", "Push variables", "deploy", Kind.PROVISION, "start_builds"),
    Stage(
        "deploy",
        "Build and deploy",
        "post-deploy",
        Kind.PROVISION,
        "start_builds",
        limit=60 * MINUTE,
        polled_by=(Kind.ACTIVATE, "finish_builds"),
        takes_a_build=True,
        retry_at="pre-deploy",
    ),
    Stage(
        "post-deploy",
        "Run the post-deploy script",
        claim_or_pool,
        Kind.ACTIVATE,
        "configure",
        limit=30 * MINUTE,
    ),
    Stage(
        "polydock-claim",
        "Claim for the person",
        Resting.HEALTHY_CLAIMED,
        Kind.ACTIVATE,
        "claim",
        limit=30 * MINUTE,
        polled_by=(Kind.ACTIVATE, "claim"),  # some apps learn their settings from one more build
    ),
    Stage(
        "pre-upgrade",
        "Run the pre-upgrade script",
        "upgrade",
        Kind.UPGRADE,
        "prepare_upgrades",
        limit=30 * MINUTE,
        new_generation=True,
    ),
    Stage(
        "upgrade",
        "Build the upgrade",
        "post-upgrade",
        Kind.UPGRADE,
        "start_upgrades",
        limit=60 * MINUTE,
        polled_by=(Kind.UPGRADE, "finish_upgrades"),
        takes_a_build=True,
    ),
    Stage(
        "post-upgrade",
        "Run the post-upgrade script",
        where_it_was,
        Kind.UPGRADE,
        "complete_upgrades",
        limit=30 * MINUTE,
    ),
    Stage(
        "pre-remove",
        "Stop builds, run the pre-remove script",
        "remove",
        Kind.REMOVE,
        "prepare_removals",
        limit=90 * MINUTE,
        polled_by=(Kind.REMOVE, "prepare_removals"),
    ),
    Stage(
        "remove",
        "Delete the environment",
        "post-remove",
        Kind.REMOVE,
        "delete_environments",
        limit=120 * MINUTE,
        polled_by=(Kind.REMOVE, "delete_environments"),
    ),
    Stage(
        "post-remove",
        "Give back credentials, record the removal",
        Resting.REMOVED,
        Kind.REMOVE,
        "finish_removals",
        limit=30 * MINUTE,
    ),
    Stage(
        "purge",
        "Delete the Lagoon project",
        Resting.REMOVED,
        Kind.PURGE,
        "delete_projects",
        limit=3 * DAY,
        attempts=144,
        back_off=(10 * MINUTE,),  # Lagoon removes environments in its own time: a day of looks
        when_spent="Purge polling cap reached ({attempts} attempts) without success: {reason}",
        has_completed=False,
        sees_neighbours=True,
    ),
)

STAGES = {stage.name: stage for stage in LIFECYCLE}

WISHES = {Wish.REMOVE: "pre-remove", Wish.PURGE: "purge", Wish.UPGRADE: "pre-upgrade"}
"""The stage that each wish leads to."""


def phases(stage: Stage) -> tuple[Phase, ...]:
    """Return the phases that exist on the wire for *stage*."""
    return tuple(p for p in Phase if stage.has_completed or p is not Phase.COMPLETED)


STATUSES: dict[str, Status] = {
    wire(status): status
    for status in (
        *Resting,
        *(StageStatus(stage.name, phase) for stage in LIFECYCLE for phase in phases(stage)),
    )
}
"""Every wire string and what it means."""


def _wires(*wanted: Phase) -> frozenset[str]:
    return frozenset(
        text
        for text, status in STATUSES.items()
        if isinstance(status, StageStatus) and status.phase in wanted
    )


PENDING = _wires(Phase.PENDING)
IN_HAND = _wires(Phase.RUNNING)
FAILED = _wires(Phase.FAILED)
UNSTABLE = PENDING | IN_HAND | _wires(Phase.COMPLETED)
"""Somebody must act on these: each has a deadline."""
STABLE = frozenset(wire(status) for status in Resting)


def stage_of(status: str) -> Stage | None:
    """Return the stage that the wire string *status* belongs to; None when it rests."""
    meaning = STATUSES[status]
    return STAGES[meaning.stage] if isinstance(meaning, StageStatus) else None


def _ends(status: str) -> bool:
    stage = stage_of(status)
    return stage is not None and stage.kind in (Kind.REMOVE, Kind.PURGE)


LIVING = frozenset(map(wire, RUNNING)) | {text for text in UNSTABLE if not _ends(text)}
"""Up, or worked on in order to be: nobody has asked for the end of what these have in Lagoon."""


def stages_of(kind: Kind) -> tuple[Stage, ...]:
    """Return the stages that a job of *kind* begins or looks after, in order."""
    return tuple(s for s in LIFECYCLE if s.kind is kind or (s.polled_by and s.polled_by[0] is kind))


def leg_of(status: str) -> tuple[Kind, str] | None:
    """Return the job and leg that work an instance in *status*; None when nobody has to.

    A polled stage that is running belongs to the leg that looks again, not to the one that began.
    """
    meaning = STATUSES[status]
    if isinstance(meaning, Resting) or meaning.phase not in (Phase.PENDING, Phase.RUNNING):
        return None
    stage = STAGES[meaning.stage]
    if meaning.phase is Phase.RUNNING and stage.polled_by:
        return stage.polled_by
    return stage.kind, stage.leg


def statuses_of(kind: Kind) -> tuple[str, ...]:
    """Return the wire strings whose owner is a job of *kind*, in the order of the lifecycle."""
    return tuple(text for text in STATUSES if (leg := leg_of(text)) and leg[0] is kind)


def legs_of(kind: Kind) -> tuple[str, ...]:
    """Return the names of the legs of the job of *kind*, in order, each once."""
    return tuple(dict.fromkeys(leg[1] for text in statuses_of(kind) if (leg := leg_of(text))))
