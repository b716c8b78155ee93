"""The app types that work with amazee.ai: `polydock-app-ai` and its relatives."""

from collections.abc import Mapping
from dataclasses import replace

from polydock_pipelines.apps.app_type import always
from polydock_pipelines.apps.generic import GENERIC
from polydock_pipelines.lifecycle.fields import Field
from polydock_pipelines.steps import (
    ai_app,
    amazee_claw,
    anything_llm,
    giving_back,
    private_gpt,
)
from polydock_pipelines.steps.amazee_claw import MODE_FIELD, MODEL_FIELD, KeyMode

HTTPS_URL = r"https://[^\s/]+(/\S*)?"
URL_HINT = "an https URL"
PORT = r"[1-9][0-9]{0,4}"

AI_APP = replace(
    GENERIC.variant(
        "polydock-app-ai",
        "Generic Lagoon App with AI credentials",
        pre_create=ai_app.check,
        post_create=ai_app.configure,
        post_remove=giving_back.give_back_and_record,
    ),
    needs_ai=always,
)

ANYTHING_LLM = AI_APP.variant(
    "anything-llm", "AnythingLLM", polydock_claim=anything_llm.claim_with_settings
)


def _makes_a_key(fields: Mapping[str, str]) -> bool:
    """Whether keys are made, rather than handed over in the request."""
    return fields.get(MODE_FIELD, KeyMode.INJECTED) != KeyMode.INJECTED


DEFAULT_MODEL = Field(MODEL_FIELD, "Default model")
AMAZEE_CLAW = replace(
    AI_APP.variant(
        "amazee-claw",
        "amazee.ai Claw",
        pre_create=amazee_claw.check,
        post_create=amazee_claw.configure,
        polydock_claim=amazee_claw.claim_with_key,
    ),
    needs_ai=_makes_a_key,
    store_fields=(
        DEFAULT_MODEL,
        Field(
            MODE_FIELD,
            "Whose AI key",
            options=tuple(KeyMode),
            default=KeyMode.INJECTED,
        ),
    ),
    instance_fields=(
        DEFAULT_MODEL,
        Field("llm_key", "LLM key", is_secret=True),
        Field("llm_url", "LLM URL", form=HTTPS_URL, hint=URL_HINT),
        Field("backend_token", "amazee.ai token", is_secret=True),
        Field("team_id", "amazee.ai team", form=r"[0-9]{1,18}", hint="a team's number"),
        Field("vector_db_host", "Vector database host"),
        Field("vector_db_port", "Vector database port", form=PORT, hint="a port"),
        Field("vector_db_user", "Vector database user"),
        Field("vector_db_pass", "Vector database password", is_secret=True),
        Field("vector_db_name", "Vector database name"),
    ),
    adjectives=(
        "armored", "briny", "clawed", "crusty", "deep", "feisty", "nimble", "pinching",
        "reefy", "rocky", "salty", "scuttling", "sideways", "snappy", "tidal",
    ),
    nouns=(
        "barnacle", "crab", "crayfish", "hermit", "isopod", "krill",
        "langoustine", "lobster", "mantis", "prawn", "shrimp", "yabby",
    ),
)  # fmt: skip

PRIVATE_GPT = replace(
    AI_APP.variant(
        "private-gpt",
        "PrivateGPT",
        pre_create=private_gpt.check,
        post_create=private_gpt.configure,
    ),
    store_fields=(
        Field(
            private_gpt.CLUSTER_FIELD,
            "Cluster in host names",
            form=r"[a-z0-9]([a-z0-9-]{0,18}[a-z0-9])?",
            hint="a part of a host name, such as ch4",
        ),
        Field("phoenix_api_key", "Phoenix API key", is_secret=True),
        Field("phoenix_collector_endpoint", "Phoenix collector", form=HTTPS_URL, hint=URL_HINT),
        Field("unleash_api_token", "Unleash API token", is_secret=True),
        Field("unleash_url", "Unleash URL", form=HTTPS_URL, hint=URL_HINT),
        Field("registry_ghcr_username", "User at ghcr.io"),
        Field("registry_ghcr_password", "Password at ghcr.io", is_secret=True),
    ),
    is_named_after_company=True,
    needs_person=True,
    has_own_routes=True,
    is_administered_by_person=True,
    longest_trial_days=30,
)
