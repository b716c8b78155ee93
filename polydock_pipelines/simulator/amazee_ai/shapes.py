"""The backend's records as its answers show them, secrets included where it tells them."""

from datetime import UTC, datetime

from polydock_pipelines.simulator.amazee_ai.model import (
    AiKey,
    AiRegion,
    AiTeam,
    AiToken,
    AiUser,
)

Json = dict[str, object]


def stamp(moment: datetime | None) -> str | None:
    """Return a time as the backend writes it."""
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def user_shape(user: AiUser, team: AiTeam | None = None) -> Json:
    """Return a user; most answers leave the team's name out."""
    return {
        "email": user.email,
        "id": user.id,
        "is_active": user.is_active,
        "is_admin": user.is_admin,
        "team_id": user.team_id,
        "team_name": team.name if team else None,
        "role": user.role,
        "receive_marketing_updates": user.receive_marketing_updates,
    }


def token_shape(token: AiToken) -> Json:
    """Return an API token without its text, which is told once."""
    return {
        "name": token.name,
        "id": token.id,
        "created_at": stamp(token.created_at),
        "last_used_at": stamp(token.last_used_at),
        "user_id": token.user_id,
    }


def region_shape(region: AiRegion) -> Json:
    """Return a region; no answer of this kind names a port."""
    return {
        "id": region.id,
        "name": region.name,
        "label": region.label,
        "description": None,
        "postgres_host": region.postgres_host,
        "litellm_api_url": region.litellm_api_url,
        "is_active": region.is_active,
        "is_dedicated": region.is_dedicated,
        "created_at": stamp(region.created_at),
    }


def token_key_shape(key: AiKey) -> Json:
    """Return a key as its creation without a database answers."""
    return {
        "id": key.id,
        "litellm_token": key.llm.token if key.llm else None,
        "litellm_api_url": key.region.litellm_api_url if key.llm else None,
        "owner_id": key.owner_id,
        "team_id": key.team_id,
        "region": key.region.name,
        "name": key.name,
    }


def vector_db_shape(key: AiKey) -> Json:
    """Return a key as the creation of a database alone answers."""
    database = key.vector_db
    return {
        "id": key.id,
        "database_name": database.name if database else None,
        "database_host": key.region.postgres_host if database else None,
        "database_username": database.username if database else None,
        "database_password": database.password if database else None,
        "owner_id": key.owner_id,
        "team_id": key.team_id,
        "region": key.region.name,
        "name": key.name,
    }


def key_shape(key: AiKey) -> Json:
    """Return a key as lists show it, with its secrets."""
    return {
        **token_key_shape(key),
        **vector_db_shape(key),
        "region_label": key.region.label,
        "created_at": stamp(key.created_at),
    }


def detail_shape(key: AiKey) -> Json:
    """Return a key with what the key service adds, if that knows it."""
    if key.llm is None:
        return key_shape(key)
    return {
        **key_shape(key),
        "spend": 0.0,
        "key_alias": key.llm.alias,
        "models": ["all-team-models"],
        "rpm_limit": key.llm.rpm_limit,
        "max_budget": key.llm.max_budget,
        "budget_duration": key.llm.budget_duration,
        "expires": stamp(key.llm.expires),
        "metadata": {"amazeeai_private_ai_key_name": key.name},
    }


def spend_shape(key: AiKey) -> Json:
    """Return what a key has spent. Its budget here is only one that was asked for."""
    llm = key.llm
    return {
        "spend": 0.0,
        "expires": stamp(llm.expires) if llm else None,
        "created_at": stamp(key.created_at),
        "updated_at": stamp(key.updated_at),
        "max_budget": key.cap,
        "budget_duration": llm.budget_duration if llm else None,
        "budget_reset_at": stamp(llm.budget_reset_at) if llm else None,
    }


def team_shape(team: AiTeam) -> Json:
    """Return a team."""
    return {
        "name": team.name,
        "admin_email": team.admin_email,
        "phone": team.phone,
        "billing_address": team.billing_address,
        "id": team.id,
        "is_active": team.is_active,
        "is_always_free": False,
        "force_user_keys": team.force_user_keys,
        "hide_public_regions": team.hide_public_regions,
        "budget_type": team.budget_type,
        "require_purchase_for_requests": team.require_purchase_for_requests,
        "last_pool_purchase": None,
        "created_at": stamp(team.created_at),
        "updated_at": stamp(team.updated_at),
        "last_payment": None,
        "deleted_at": stamp(team.deleted_at),
        "retention_warning_sent_at": None,
        "region_id": team.region_id,
        "products": [],
        "allowed_regions": [],
    }
