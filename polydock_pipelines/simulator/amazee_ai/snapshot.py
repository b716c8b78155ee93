"""The state of amazee.ai as JSON, without a secret in it."""

from polydock_pipelines.simulator.amazee_ai.model import AiKey, AmazeeAi
from polydock_pipelines.simulator.amazee_ai.shapes import Json, stamp


def snapshot(ai: AmazeeAi) -> Json:
    """Return the rows, the locked aliases and the settings."""
    return {
        "settings": ai.settings.model_dump(),
        "regions": [
            {"id": r.id, "name": r.name, "is_active": r.is_active} for r in ai.regions.values()
        ],
        "users": [
            {"id": u.id, "email": u.email, "is_active": u.is_active, "team_id": u.team_id}
            for u in ai.users.values()
        ],
        "keys": [_key(key) for key in ai.keys.values()],
        "tokens": [{"id": t.id, "name": t.name, "user_id": t.user_id} for t in ai.tokens.values()],
        "teams": [
            {
                "id": t.id,
                "name": t.name,
                "admin_email": t.admin_email,
                "deleted_at": stamp(t.deleted_at),
            }
            for t in ai.teams.values()
        ],
        "locked_aliases": [
            {"region": ai.regions[region_id].name, "alias": alias}
            for region_id, alias in ai.locked_aliases()
        ],
        "requests": dict(ai.requests),
    }


def _key(key: AiKey) -> Json:
    return {
        "id": key.id,
        "name": key.name,
        "owner_id": key.owner_id,
        "team_id": key.team_id,
        "region": key.region.name,
        "alias": key.llm.alias if key.llm else None,
        "max_budget": key.llm.max_budget if key.llm else key.cap,
        "has_vector_db": key.vector_db is not None,
    }
