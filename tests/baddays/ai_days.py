"""Bad days with amazee.ai; what any single call may do is in `calls.py`."""

from datetime import UTC, datetime

from polydock_pipelines.simulator.amazee_ai import key_service
from polydock_pipelines.simulator.amazee_ai.control import change_settings
from polydock_pipelines.simulator.amazee_ai.model import AiUser
from polydock_pipelines.simulator.world import World
from tests.baddays.day import ALWAYS, CLAIMED, REMOVED, BadDay, Befalls, Trouble
from tests.baddays.offers import EACH_TYPE

WITH_KEY = EACH_TYPE["polydock-app-ai"]
WITH_TEAM = EACH_TYPE["private-gpt"]
OWN_DOMAIN = "@autogen.null"


def switch_region(*, is_active: bool) -> Befalls:
    """Let somebody switch the store's region on or off."""

    def befall(world: World) -> None:
        world.amazee_ai.regions[1].is_active = is_active

    return befall


def revoke(*, is_revoked: bool) -> Befalls:
    """Let somebody revoke our administrator's token, or take that back."""
    return lambda world: change_settings(world.amazee_ai, {"revoked": is_revoked})


def demote(*, is_admin: bool) -> Befalls:
    """Let somebody take the flag from our administrator, or give it back."""
    return lambda world: change_settings(world.amazee_ai, {"admin_is_admin": is_admin})


def delete_keys(world: World) -> None:
    """Let somebody delete all keys by hand."""
    for key in list(world.amazee_ai.keys.values()):
        key_service.forget(world.amazee_ai, key)


def soft_delete_teams(world: World) -> None:
    """Let somebody soft-delete all teams by hand, as `POST /teams/{id}/soft-delete` does."""
    for team in world.amazee_ai.teams.values():
        team.deleted_at, team.is_active = datetime.now(UTC), False
        for user in world.amazee_ai.members(team.id):
            user.is_active = False


def switch_off_users(world: World) -> None:
    """Let somebody switch off the users that were made for instances."""
    for user in world.amazee_ai.users.values():
        user.is_active = not user.email.endswith(OWN_DOMAIN)


def add_similar_users(world: World) -> None:
    """Let there be people whose addresses hold or resemble everybody's."""
    for address in ("trial@autogen.null", "a%@autogen.null", "_@autogen.null", "n@autogen.null"):
        number = world.next_id("ai_user")
        world.amazee_ai.users[number] = AiUser(number, address)


AI = [
    BadDay(
        "amazee.ai is away for two hours",
        (Trouble("GET /amazee-ai/health", "http500", ALWAYS),),
        offer=WITH_KEY,
        ends="pending-pre-create",
        says=("amazee-ai is away since", "HTTP 500"),
        builds=1,
    ),
    BadDay(
        "our token of amazee.ai is revoked",
        offer=WITH_KEY,
        befalls=revoke(is_revoked=True),
        mend=revoke(is_revoked=False),
        ends="pending-pre-create",
        says=("amazee-ai is away since", "AMAZEE_AI_TOKEN"),
        minutes=60,
    ),
    BadDay(
        "our user at amazee.ai is no administrator any more",
        offer=WITH_KEY,
        befalls=demote(is_admin=False),
        mend=demote(is_admin=True),
        ends="pending-pre-create",
        says=("amazee-ai is away since", "no administrator"),
        minutes=60,
    ),
    BadDay(
        "the token is refused between the user and the key",
        (Trouble("POST /amazee-ai/private-ai-keys", "expired_token", 8),),
        offer=WITH_KEY,
    ),
    BadDay(
        "the store's region is switched off",
        offer=WITH_KEY,
        befalls=switch_region(is_active=False),
        mend=switch_region(is_active=True),
        ends="pre-create-failed",
        says=("amazee.ai has switched off region 1", "choose another in the catalogue"),
    ),
    BadDay(
        "the store has no region",
        offer=EACH_TYPE["private-gpt"].in_store(amazee_ai_region_id=None),
        ends="pre-create-failed",
        says=("the store has no amazee.ai region",),
        mended_store={"amazee_ai_region_id": 1},
    ),
    BadDay(
        "a limit of amazee.ai is reached",
        (Trouble("POST /amazee-ai/private-ai-keys", "ai_limit", ALWAYS),),
        offer=WITH_KEY,
        ends="post-create-failed",
        says=("HTTP 402",),
    ),
    BadDay(
        "people have addresses that hold or resemble the instance's",
        offer=WITH_KEY,
        befalls=add_similar_users,
        remove_at=CLAIMED,
        ends=REMOVED,
    ),
    BadDay(
        "the key is deleted by hand, and the trial removed later",
        offer=WITH_KEY,
        strikes_at=CLAIMED,
        befalls=delete_keys,
        remove_at=CLAIMED,
        ends=REMOVED,
    ),
    BadDay(
        "the instance's user is switched off by hand, and the trial removed later",
        offer=WITH_KEY,
        strikes_at=CLAIMED,
        befalls=switch_off_users,
        remove_at=CLAIMED,
        ends=REMOVED,
    ),
    BadDay(
        "the team is soft-deleted by hand, and the trial removed later",
        offer=WITH_TEAM,
        strikes_at=CLAIMED,
        befalls=soft_delete_teams,
        remove_at=CLAIMED,
        ends=REMOVED,
    ),
    BadDay(
        "amazee.ai is away for the whole removal",
        (Trouble("GET /amazee-ai/users/by-email", "http500", ALWAYS),),
        offer=WITH_KEY,
        strikes_at=CLAIMED,
        remove_at=CLAIMED,
        ends=REMOVED,
        says=("at amazee.ai are owed",),
        owes=True,
    ),
    BadDay(
        "our token is revoked before a removal",
        offer=WITH_TEAM,
        strikes_at=CLAIMED,
        befalls=revoke(is_revoked=True),
        mend=revoke(is_revoked=False),
        remove_at=CLAIMED,
        ends=REMOVED,
        says=("at amazee.ai are owed",),
        owes=True,
    ),
    BadDay(
        "the key service refuses to delete a key",
        (Trouble("DELETE /amazee-ai/private-ai-keys/*", "http500", ALWAYS),),
        offer=WITH_TEAM,
        strikes_at=CLAIMED,
        remove_at=CLAIMED,
        ends=REMOVED,
        says=("at amazee.ai are owed",),
        owes=True,
    ),
    BadDay(
        "the organization's variables cannot be withdrawn at the first try",
        (Trouble("deleteEnvVariableByName", "graphql_error", 2),),
        offer=EACH_TYPE["dependency-track"],
        strikes_at=CLAIMED,
        remove_at=CLAIMED,
        ends=REMOVED,
    ),
]
