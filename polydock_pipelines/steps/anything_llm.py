"""`anything-llm`: its settings come as variables, and its pods learn them from a build.

A build with LAGOON_VARIABLES_ONLY takes seconds; the claim goes on when it has ended.
"""

import secrets
from dataclasses import replace

from polydock_pipelines.lifecycle.instance import Effect, Instance
from polydock_pipelines.lifecycle.outcome import Done, Failed, Outcome, Waiting
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import StepPorts
from polydock_pipelines.ports.amazee_ai import AiKey
from polydock_pipelines.steps import build, claim, credentials
from polydock_pipelines.steps.ai_app import as_variables

JWT_SECRET = "anythingllm-jwt-secret"  # noqa: S105 - a name  # pragma: allowlist secret
AUTH_TOKEN = "anythingllm-auth-token"  # noqa: S105 - a name
VARIABLES_ONLY = {"LAGOON_VARIABLES_ONLY": "true"}


def claim_with_settings(instance: Instance, ports: StepPorts) -> Outcome:
    """Write the settings, await the build that hands them to the pods, then claim as usual."""
    if (Effect.DEPLOY, instance.bulk_id) not in instance.intents:
        bad = _write_settings(instance, ports)
        if bad is not None:
            return bad
    built = build.deploy(instance, ports, build_variables=VARIABLES_ONLY)
    if not isinstance(built, Done):
        return built
    ports.journal.record(built.facts)
    claimed = claim.claim(instance, ports)
    return (
        replace(claimed, note=claimed.note or built.note) if isinstance(claimed, Done) else claimed
    )


def _write_settings(instance: Instance, ports: StepPorts) -> Failed | Waiting | None:
    key = credentials.own_key(instance, ports)
    if not isinstance(key, AiKey):
        return key
    jwt_secret = credentials.kept(instance, ports, JWT_SECRET, lambda: _hexadecimal(32))
    auth_token = credentials.kept(instance, ports, AUTH_TOKEN, lambda: _hexadecimal(16))
    values = settings(key, jwt_secret=jwt_secret, auth_token=auth_token)
    ports.lagoon.projects.set_variables(instance.name, as_variables(values))
    return None


def settings(key: AiKey, *, jwt_secret: Secret, auth_token: Secret) -> dict[str, Secret]:
    """Return the variables that AnythingLLM reads; the names are its own."""
    values = {
        "JWT_SECRET": jwt_secret,
        "AUTH_TOKEN": auth_token,
        "LLM_PROVIDER": Secret("litellm"),
        "LLM_URL": Secret(key.llm_url),
        "LLM_AI_KEY": key.llm_token,
        "LITE_LLM_MODEL_PREF": Secret("chat"),
        "LITE_LLM_MODEL_TOKEN_LIMIT": Secret("8192"),
        "EMBEDDING_ENGINE": Secret("litellm"),
        "EMBEDDING_MODEL_PREF": Secret("embeddings"),
        "EMBEDDING_MODEL_MAX_CHUNK_LENGTH": Secret("8192"),
        "VECTOR_DB": Secret("lancedb"),
    }
    if key.database is not None:
        values |= {
            "DB_HOST": Secret(key.database.host),
            "DB_USER": Secret(key.database.username),
            "DB_PASS": key.database.password,
            "DB_NAME": Secret(key.database.name),
            "DB_PORT": Secret(credentials.POSTGRES_PORT),
        }
    return values


def _hexadecimal(count: int) -> Secret:
    """Return *count* random bytes in hexadecimal."""
    return Secret(secrets.token_hex(count))
