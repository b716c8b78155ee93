"""`polydock-app-ai`: the generic app with a private key and a vector database of amazee.ai."""

from urllib.parse import urlsplit

from polydock_pipelines.lifecycle.instance import EnvVariable, Instance
from polydock_pipelines.lifecycle.outcome import Done, Outcome
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import StepPorts
from polydock_pipelines.ports.amazee_ai import AiKey
from polydock_pipelines.steps import credentials, project


def check(instance: Instance, ports: StepPorts) -> Outcome:
    """Make sure of amazee.ai and its region before anything is made, then settle the name."""
    return credentials.region_problem(instance, ports) or project.settle_name(instance, ports)


def configure(instance: Instance, ports: StepPorts) -> Outcome:
    """Configure the project as any other, then hand it its credentials."""
    done = project.configure(instance, ports)
    if not isinstance(done, Done):
        return done
    key = credentials.own_key(instance, ports)
    if not isinstance(key, AiKey):
        return key
    ports.lagoon.projects.set_variables(instance.name, ai_variables(key))
    return done


def ai_variables(key: AiKey) -> list[EnvVariable]:
    """Return the AI_* variables; a key without a database leaves out those of the database."""
    host = Secret(urlsplit(key.llm_url).netloc)
    values = {"AI_REGION": Secret(key.region)}
    if key.database is not None:
        values |= {
            "AI_DB_HOST_NAME": Secret(key.database.host),
            "AI_DB_NAME": Secret(key.database.name),
            "AI_DB_USERNAME": Secret(key.database.username),
            "AI_DB_PASSWORD": key.database.password,
        }
    values |= {
        "AI_LLM_API_URL": Secret(key.llm_url),
        "AI_LLM_API_HOSTNAME": host,
        "AI_LLM_API_HOST_NAME": host,
        "AI_LLM_API_TOKEN": key.llm_token,
    }
    return as_variables(values)


def as_variables(values: dict[str, Secret]) -> list[EnvVariable]:
    """Return GLOBAL variables of those *values* that are not empty."""
    return [EnvVariable(name, value) for name, value in values.items() if value.reveal()]
