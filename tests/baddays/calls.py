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


AI_WRITE = (
    Way("http500", 2, "amazee.ai answers 500"),
    Way("expired_token", 2, "amazee.ai refuses our token (401)"),
    Way("timeout", 1, "amazee.ai does not answer in time"),
    Way("drop_after_commit", 2, "amazee.ai does it and hangs up: the answer is lost"),
    Way("ai_plain_500", 2, "amazee.ai breaks down, and says so in plain text"),
    Way("ai_500_after_commit", 1, "amazee.ai does it and answers 500"),
)
AI_DELETE = tuple(replace(way, times=1) for way in AI_WRITE)
"""A removal goes on without after five tries, and three sorts of things may fail."""
AI_KEY = (*AI_WRITE, Way("ai_locked_alias", 1, "the key service locks the name and has no key"))
AI_READ = (
    Way("http500", 4, "amazee.ai answers 500, whatever is read"),
    Way("expired_token", 4, "amazee.ai refuses our token (401), whatever is read"),
    Way("timeout", 2, "amazee.ai does not answer in time, whatever is read"),
    Way("drop_after_commit", 4, "amazee.ai hangs up, whatever is read"),
    Way("ai_plain_500", 4, "amazee.ai breaks down, whatever is read"),
)
"""Reads are sent up to three times, so that a stage feels it only after as many."""
AI_LOOK = tuple(replace(way, times=2) if way.kind == "expired_token" else way for way in AI_READ)
"""What a removal reads: it goes on without after five tries, and a 401 costs one each time."""


class Path(StrEnum):
    """Where on its path through life an instance needs a call."""

    IN = "on the way to the claim, and through an upgrade"
    WATCHED = "while Lagoon builds for it"
    OUT = "when it is removed in the middle of its build"
    LATE = "when it is removed after its claim"


@dataclass(frozen=True)
class Call:
    """One thing that we ask: a root field of Lagoon's API, or a command over SSH."""

    match: str
    ways: tuple[Way, ...] = HTTP
    path: Path = Path.IN
    app_types: tuple[str, ...] | None = None
    """Those that make the call; None: all."""

    def is_made_by(self, app_type: str) -> bool:
        """Whether an app of this type makes the call."""
        return self.app_types is None or app_type in self.app_types


OWN_USER = ("polydock-app-ai", "anything-llm", "amazee-claw")
TEAM = ("private-gpt",)
AI_TYPES = (*OWN_USER, *TEAM)
BUILT_AT_THE_CLAIM = ("anything-llm",)
CAPPED = ("polydock-app-ai",)
AI = "/amazee-ai"
AI_CALLS = (
    Call(f"GET {AI}/health", AI_READ, app_types=AI_TYPES),
    Call(f"GET {AI}/auth/me", AI_READ, app_types=AI_TYPES),
    Call(f"GET {AI}/regions/*", AI_READ, app_types=AI_TYPES),
    Call(f"GET {AI}/users/by-email", AI_READ, app_types=AI_TYPES),
    Call(f"GET {AI}/users", AI_READ, app_types=AI_TYPES),
    Call(f"POST {AI}/users", AI_WRITE, app_types=AI_TYPES),
    Call(f"GET {AI}/private-ai-keys", AI_READ, app_types=AI_TYPES),
    Call(f"POST {AI}/private-ai-keys", AI_KEY, app_types=OWN_USER),
    Call(f"PUT {AI}/spend/*/key/*/budget", AI_WRITE, app_types=CAPPED),
    Call(f"GET {AI}/teams", AI_READ, app_types=TEAM),
    Call(f"POST {AI}/teams", AI_WRITE, app_types=TEAM),
    Call(f"GET {AI}/auth/token", AI_READ, app_types=TEAM),
    Call(f"POST {AI}/auth/token", AI_WRITE, app_types=TEAM),
    Call(f"POST {AI}/private-ai-keys/token", AI_KEY, app_types=TEAM),
    Call(f"GET {AI}/private-ai-keys/*", AI_LOOK, Path.OUT, AI_TYPES),
    Call(f"GET {AI}/teams/*", AI_LOOK, Path.OUT, TEAM),
    Call(f"DELETE {AI}/private-ai-keys/*", AI_DELETE, Path.OUT, AI_TYPES),
    Call(f"DELETE {AI}/users/*", AI_DELETE, Path.OUT, AI_TYPES),
    Call(f"DELETE {AI}/teams/*", AI_DELETE, Path.OUT, TEAM),
)
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
    Call("deleteEnvVariableByName", HTTP, Path.LATE, ("dependency-track",)),
    Call("ssh:token", TOKEN),
    Call("ssh:post-deploy", SSH),
    Call("ssh:polydock-claim", SSH),
    Call("ssh:pre-upgrade", SSH),
    Call("ssh:upgrade", SSH),
    Call("ssh:post-upgrade", SSH),
    Call("ssh:pre-remove", SSH, Path.OUT),
    Call("ssh:remove", SSH, Path.OUT),
    *AI_CALLS,
)
SCRIPTS = tuple(m for call in CALLS if (m := call.match.removeprefix("ssh:")) in STAGES)
"""The stages that may have a script."""


def day(way: Way, path: Path, app_type: str, matches: Sequence[str]) -> BadDay:
    """Return a row: each of these calls fails so, some times, and yet it ends as a good day."""
    where = matches[0] if len(matches) == 1 else f"every call {path}"
    offer = EACH_TYPE[app_type]
    scripts = {**dict.fromkeys(SCRIPTS, "echo ran"), **offer.scripts}
    remove_at = {Path.OUT: "deploy-running", Path.LATE: CLAIMED}.get(path)
    is_in, is_claimed = path is Path.IN, path is not Path.OUT
    return BadDay(
        f"{app_type}, {where}: {way.what}",
        tuple(Trouble(match, way.kind, way.times, way.words) for match in matches),
        offer=replace(offer, scripts=scripts),
        is_upgraded=is_in,
        remove_at=remove_at,
        ends=REMOVED if remove_at else CLAIMED,
        builds=1 + is_in + (is_claimed and app_type in BUILT_AT_THE_CLAIM),
    )


def _lives(app_type: str) -> Iterator[BadDay]:
    """All calls of a path fail in one life, each when it is its turn: that is soon played."""
    mine = [call for call in CALLS if call.is_made_by(app_type)]
    ways = dict.fromkeys(way for call in mine for way in call.ways)
    for way, path in product(ways, Path):
        matches = [c.match for c in mine if c.path is path and way in c.ways]
        if matches:
            yield day(way, path, app_type, matches)


def _first_of(call: Call) -> str:
    """Return the app type on which a call has days of its own."""
    return call.app_types[0] if call.app_types else next(iter(EACH_TYPE))


CALL_DAYS = [one for app_type in EACH_TYPE for one in _lives(app_type)]
"""The product: every call, every way it can fail, every app type."""
LOST_ANSWERS = [
    day(way, call.path, app_type, [call.match])
    for app_type, call in product(EACH_TYPE, CALLS)
    for way in call.ways
    if way.kind == LOST.kind
    and way not in AI_READ
    and call.is_made_by(app_type)
    and app_type == _first_of(call)
]
"""What was done and nobody knows is the worst that can be: each call on a day of its own too."""
