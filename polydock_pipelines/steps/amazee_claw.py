"""`amazee-claw`: its AI credentials are handed over, made for it, or the person's own."""

from enum import StrEnum

from polydock_pipelines.lifecycle.instance import Instance
from polydock_pipelines.lifecycle.outcome import Done, Failed, Outcome, Waiting
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import StepPorts
from polydock_pipelines.ports.amazee_ai import AiKey
from polydock_pipelines.steps import ai_app, claim, credentials, project
from polydock_pipelines.steps.ai_app import as_variables


class KeyMode(StrEnum):
    """Whose credentials an instance works with; the field `amazeeai_key_mode`."""

    INJECTED = "injected"
    """The requester's, handed over in the request."""
    ANONYMOUS = "anonymous"
    """Made for the instance, before its first build."""
    USER = "user"
    """The person's own account at amazee.ai, when they claim it."""


MODE_FIELD = "amazeeai_key_mode"
MODEL_FIELD = "openclaw_default_model"
INJECTED = {
    "llm_key": "AMAZEEAI_API_KEY",
    "llm_url": "AMAZEEAI_BASE_URL",
    "vector_db_host": "AMAZEEAI_VECTOR_DB_HOST",
    "vector_db_port": "AMAZEEAI_VECTOR_DB_PORT",
    "vector_db_user": "AMAZEEAI_VECTOR_DB_USER",
    "vector_db_pass": "AMAZEEAI_VECTOR_DB_PASS",  # pragma: allowlist secret
    "vector_db_name": "AMAZEEAI_VECTOR_DB_NAME",
    "backend_token": "AMAZEEAI_BACKEND_API_TOKEN",
    "team_id": "AMAZEE_AI_TEAM_ID",
}
"""The field that a request fills, and the variable that it becomes."""


def mode_of(instance: Instance) -> KeyMode:
    """Return the mode that the store app had chosen when the instance began."""
    begun = instance.kept.get(MODE_FIELD)
    return KeyMode(begun.reveal() if begun else instance.field(MODE_FIELD, KeyMode.INJECTED))


def check(instance: Instance, ports: StepPorts) -> Outcome:
    """Settle whose key it is, for good; look at amazee.ai only when one will be made there."""
    mode = mode_of(instance)
    credentials.kept(instance, ports, MODE_FIELD, lambda: Secret(mode.value))
    if mode is KeyMode.INJECTED:
        return project.settle_name(instance, ports)
    return ai_app.check(instance, ports)


def configure(instance: Instance, ports: StepPorts) -> Outcome:
    """Configure the project, with the credentials that can be had before there is a person."""
    done = project.configure(instance, ports)
    if not isinstance(done, Done) or mode_of(instance) is KeyMode.USER:
        return done
    values = _values(instance, ports)
    if not isinstance(values, dict):
        return values
    ports.lagoon.projects.set_variables(instance.name, as_variables(values))
    return done


def claim_with_key(instance: Instance, ports: StepPorts) -> Outcome:
    """Write the credentials once more, now that there is a person, and hand them to the script."""
    if mode_of(instance) is KeyMode.USER and not instance.person.email:
        return Failed(
            "the app gives the person's own AI key, and this instance has no person's address",
            is_final=True,
        )
    values = _values(instance, ports)
    if not isinstance(values, dict):
        return values
    variables = as_variables(values)
    ports.lagoon.projects.set_variables(instance.name, variables)
    return claim.claim(instance, ports, env={v.name: v.value for v in variables})


def _values(instance: Instance, ports: StepPorts) -> dict[str, Secret] | Waiting | Failed:
    """Return the variables by name; they may be empty."""
    model = {"AMAZEEAI_DEFAULT_MODEL": Secret(instance.field(MODEL_FIELD))}
    mode = mode_of(instance)
    if mode is KeyMode.INJECTED:
        return model | _injected(instance)
    key = _persons_key(instance, ports) if mode is KeyMode.USER else None
    key = key or credentials.own_key(instance, ports)
    return model | variables_of(key) if isinstance(key, AiKey) else key


def _injected(instance: Instance) -> dict[str, Secret]:
    """Return the variables that the request filled; a database's port may go without saying."""
    given = {
        name: instance.fields[field] for field, name in INJECTED.items() if field in instance.fields
    }
    if "AMAZEEAI_VECTOR_DB_HOST" in given:
        given.setdefault("AMAZEEAI_VECTOR_DB_PORT", Secret(credentials.POSTGRES_PORT))
    return given


def _persons_key(instance: Instance, ports: StepPorts) -> AiKey | Waiting | Failed:
    """Return a key of the person's own user, whom we never delete."""
    bad = credentials.region_problem(instance, ports)
    if bad is not None:
        return bad
    email = instance.person.email.lower()
    if credentials.is_own(email):
        return Failed(f"{email} is the address of an instance, and of no person", is_final=True)
    user = credentials.ensure_user(instance, ports, credentials.new_user(email), is_own=False)
    return credentials.key_of_user(instance, ports, user)


def variables_of(key: AiKey) -> dict[str, Secret]:
    """Return the AMAZEEAI_* variables of a key that was made."""
    values = {"AMAZEEAI_API_KEY": key.llm_token, "AMAZEEAI_BASE_URL": Secret(key.llm_url)}
    if key.database is None:
        return values
    return values | {
        "AMAZEEAI_VECTOR_DB_HOST": Secret(key.database.host),
        "AMAZEEAI_VECTOR_DB_PORT": Secret(credentials.POSTGRES_PORT),
        "AMAZEEAI_VECTOR_DB_USER": Secret(key.database.username),
        "AMAZEEAI_VECTOR_DB_PASS": key.database.password,
        "AMAZEEAI_VECTOR_DB_NAME": Secret(key.database.name),
    }
