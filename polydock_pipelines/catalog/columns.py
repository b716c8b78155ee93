"""The catalogue's names for values, the tables' names, and what an entry wants in each."""

from polydock_pipelines.catalog.diff import Plain
from polydock_pipelines.catalog.shapes import AppEntry, ScriptEntry, StoreEntry

STORE_COLUMNS = {
    "name": "name",
    "status": "status",
    "listed_in_marketplace": "is_listed_in_marketplace",
    "lagoon.organization_id": "organization_id",
    "lagoon.deploy_target_id": "deploy_target_id",
    "lagoon.project_prefix": "project_prefix",
    "lagoon.group_name": "group_name",
    "amazee_ai_region_id": "amazee_ai_region_id",
}
APP_COLUMNS = {
    "name": "name",
    "description": "description",
    "author": "author",
    "website": "website",
    "support_email": "support_email",
    "type": "app_type",
    "git_url": "git_url",
    "branch": "branch",
    "production_environment": "production_environment",
    "auto_idle": "auto_idle",
    "status": "status",
    "available_for_trials": "is_available_for_trials",
    "pool_target": "pool_target",
    "trial.days": "trial_days",
    "trial.extension_days": "trial_extension_days",
    "trial.max_days": "trial_max_days",
    "naming": "naming",
    "custom_route": "custom_route",
    "ai_budget_usd": "ai_budget_usd",
    "mails": "mails",
}
SCRIPT_COLUMNS = {"script": "script", "service": "service", "container": "container"}


def store_values(entry: StoreEntry) -> dict[str, Plain]:
    """Return what *entry* wants, by the names of STORE_COLUMNS."""
    lagoon = entry.lagoon
    return {
        "name": entry.name,
        "status": entry.status,
        "listed_in_marketplace": entry.listed_in_marketplace,
        "lagoon.organization_id": lagoon.organization_id,
        "lagoon.deploy_target_id": lagoon.deploy_target_id,
        "lagoon.project_prefix": lagoon.project_prefix,
        "lagoon.group_name": lagoon.group_name,
        "amazee_ai_region_id": entry.amazee_ai_region_id,
    }


def app_values(entry: AppEntry) -> dict[str, Plain]:
    """Return what *entry* wants, by the names of APP_COLUMNS."""
    plain = (name for name in APP_COLUMNS if name in AppEntry.model_fields)
    values: dict[str, Plain] = {name: getattr(entry, name) for name in plain}
    route, trial = entry.custom_route, entry.trial
    return values | {
        "trial.days": trial.days if trial else None,
        "trial.extension_days": trial.extension_days if trial else None,
        "trial.max_days": trial.max_days if trial else None,
        "naming": entry.naming.model_dump(mode="json", exclude_none=True),
        "custom_route": route.model_dump(mode="json") if route else None,
        "mails": entry.mails.model_dump(mode="json", exclude_none=True),
    }


def script_values(entry: ScriptEntry) -> dict[str, Plain]:
    """Return what *entry* wants, by the names of SCRIPT_COLUMNS."""
    return {"script": entry.script, "service": entry.service, "container": entry.container}
