"""Everything that we ask of the outside, each failing in each way that it can.

Three small tables: the calls, the ways to fail, and an offer of each app type. A later call, fault
or app type joins by a row; `test_calls.py` fails while one is missing.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import product

from polydock_pipelines.lifecycle.table import STAGES
from tests.baddays.day import CLAIMED, REMOVED, BadDay, Trouble
from tests.baddays.offers import EACH_TYPE


@dataclass(frozen=True)
class Way:
    """One way to fail, and how often in a row."""

    kind: str
    times: int
    """Enough for a stage to feel it too where the client tries a call three times."""
    what: str
    """What goes wrong, for an operator."""
    words: str | None = None
    """What Lagoon says, where that makes a difference."""


LOST = Way("drop_after_commit", 4, "Lagoon does it and hangs up: the answer is lost")
HTTP = (
    Way("http500", 4, "Lagoon answers 500"),
    Way("expired_token", 4, "Lagoon answers 401, and another token helps no more"),
    Way("timeout", 2, "Lagoon does not answer in time"),
    LOST,
    Way("graphql_error", 1, "Lagoon answers 200 with an error"),
)
PARTIAL = Way(
    "partial_data", 1, "Lagoon answers with a part missing, and an error beside it", "ETIMEDOUT"
)
SSH = (
    Way("ssh_254", 2, "the portal cannot run the command (254)"),
    Way("ssh_255", 2, "the portal ends the session with 255"),
    Way("ssh_error_exit0", 2, "the portal has an error and says exit 0"),
    Way("ssh_cut", 1, "the portal cuts the connection in mid-command"),
    Way("ssh_host_key", 2, "the portal shows another host key"),
    Way("timeout", 1, "the portal takes the command and is silent"),
)
TOKEN = tuple(way for way in SSH if way.kind != "ssh_254")


class Path(StrEnum):
    """Where on its path through life an instance needs a call."""

    IN = "on the way to the claim, and through an upgrade"
    WATCHED = "while Lagoon builds for it"
    OUT = "when it is removed in the middle of its build"


@dataclass(frozen=True)
class Call:
    """One thing that we ask: a root field of Lagoon's API, or a command over SSH."""

    match: str
    ways: tuple[Way, ...] = HTTP
    path: Path = Path.IN


WITH_PARTS = (*HTTP, PARTIAL)
"""For answers that have parts."""
CALLS = (
    Call("projectByName", WITH_PARTS),
    Call("addProject", WITH_PARTS),
    Call("addGroupsToProject", WITH_PARTS),
    Call("updateProjectMetadata", WITH_PARTS),
    Call("addOrUpdateEnvVariableByName", WITH_PARTS),
    Call("deploymentsByBulkId", WITH_PARTS),
    Call("deployEnvironmentBranch"),
    Call("deploymentsByFilter", WITH_PARTS, Path.WATCHED),
    Call("environmentByName", WITH_PARTS),
    Call("cancelDeployment", path=Path.OUT),
    Call("deleteEnvironment", path=Path.OUT),
    Call("ssh:token", TOKEN),
    Call("ssh:post-deploy", SSH),
    Call("ssh:polydock-claim", SSH),
    Call("ssh:pre-upgrade", SSH),
    Call("ssh:upgrade", SSH),
    Call("ssh:post-upgrade", SSH),
    Call("ssh:pre-remove", SSH, Path.OUT),
    Call("ssh:remove", SSH, Path.OUT),
)
SCRIPTS = tuple(m for call in CALLS if (m := call.match.removeprefix("ssh:")) in STAGES)
"""The stages that may have a script."""


def day(way: Way, path: Path, app_type: str, matches: Sequence[str]) -> BadDay:
    """Return a row: each of these calls fails so, some times, and yet it ends as a good day."""
    where = matches[0] if len(matches) == 1 else f"every call {path}"
    offer = EACH_TYPE[app_type]
    scripts = {**dict.fromkeys(SCRIPTS, "echo ran"), **offer.scripts}
    is_out, is_in = path is Path.OUT, path is Path.IN
    return BadDay(
        f"{app_type}, {where}: {way.what}",
        tuple(Trouble(match, way.kind, way.times, way.words) for match in matches),
        offer=replace(offer, scripts=scripts),
        is_upgraded=is_in,
        remove_at="deploy-running" if is_out else None,
        ends=REMOVED if is_out else CLAIMED,
        builds=2 if is_in else 1,
    )


def _lives(app_type: str) -> Iterator[BadDay]:
    """All calls of a path fail in one life, each when it is its turn: that is soon played."""
    for way, path in product((*HTTP, PARTIAL, *SSH), Path):
        matches = [c.match for c in CALLS if c.path is path and way in c.ways]
        if matches:
            yield day(way, path, app_type, matches)


CALL_DAYS = [one for app_type in EACH_TYPE for one in _lives(app_type)]
"""The product: every call, every way it can fail, every app type."""
LOST_ANSWERS = [
    day(LOST, call.path, app_type, [call.match])
    for app_type, call in product(EACH_TYPE, CALLS)
    if LOST in call.ways
]
"""What was done and nobody knows is the worst that can be: each call on a day of its own too."""
