"""What a fresh amazee.ai holds: an administrator with a token, and three regions."""

from polydock_pipelines.simulator.amazee_ai.model import ADMIN_ID, AiRegion, AiToken, AiUser
from polydock_pipelines.simulator.world import World

ADMIN_EMAIL = "polydock@example.com"
_REGIONS = (
    ("eu-central", "Europe (Frankfurt)", True),
    ("us-east", "United States (Virginia)", True),
    ("ap-old", "Asia Pacific (closed)", False),
)


def sow(world: World, admin_token: str) -> None:
    """Put the seeds into *world*."""
    ai, now = world.amazee_ai, world.clock()
    for name, label, is_active in _REGIONS:
        region_id = world.next_id("ai_region")
        ai.regions[region_id] = AiRegion(region_id, name, label, now, is_active=is_active)
    admin = AiUser(world.next_id("ai_user"), ADMIN_EMAIL, is_admin=True)
    token = AiToken(world.next_id("ai_token"), "polydock", admin.id, admin_token, now)
    assert (admin.id, token.id) == (ADMIN_ID, ADMIN_ID)  # noqa: S101 - a fresh world counts from 1
    ai.users[admin.id] = admin
    ai.tokens[token.id] = token
