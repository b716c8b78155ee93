"""`private-gpt`: a team of its own at amazee.ai, with a user, that user's token and the team's key.

Everything there carries the instance's own address and name. The token belongs to the team's user,
never to our administrator, and ends with that user.
"""

import secrets
import string
from contextlib import suppress
from dataclasses import replace

from polydock_pipelines.lifecycle.holding import Holding, HoldingKind
from polydock_pipelines.lifecycle.instance import EnvVariable, Instance, Scope
from polydock_pipelines.lifecycle.outcome import Done, Failed, Outcome, Waiting
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.ports import AlreadyExistsError, NotFoundError, StepPorts
from polydock_pipelines.ports.amazee_ai import AiKey, AiTeam, AiUser, NewAiKey, NewAiTeam
from polydock_pipelines.steps import ai_app, credentials, project
from polydock_pipelines.steps.ai_app import as_variables
from polydock_pipelines.steps.credentials import KeyPlan, own_address
from polydock_pipelines.steps.variables import encoded_routes

CLUSTERS = {1: "test", 131: "ch4", 115: "de3", 132: "au2", 126: "us2", 122: "uk3", 2001: "local"}
"""The short name of a deploy target, as the apps' host names have it."""
CLUSTER_FIELD = "cluster"
TOKEN = "amazee-ai-backend-token"  # noqa: S105 - a name
GENERATED = ("OAUTH_DRUPAL_CLIENT_SECRET", "CHAINLIT_AUTH_SECRET", "MCP_AUTH_SECRET")
GENERATED_LENGTH = 64
STORE_FIELDS = {
    "phoenix_api_key": "PHOENIX_API_KEY",  # pragma: allowlist secret
    "phoenix_collector_endpoint": "PHOENIX_COLLECTOR_ENDPOINT",
    "unleash_api_token": "UNLEASH_API_TOKEN",
    "unleash_url": "UNLEASH_URL",
}
"""A store app's field, and the variable that it becomes."""
REGISTRY_FIELDS = {
    "registry_ghcr_username": "REGISTRY_ghcr_USERNAME",
    "registry_ghcr_password": "REGISTRY_ghcr_PASSWORD",  # pragma: allowlist secret
}


def check(instance: Instance, ports: StepPorts) -> Outcome:
    """Make sure of amazee.ai, its region and the cluster's name before anything is made."""
    if _cluster(instance) is None:
        return Failed(
            f"no host names are known for deploy target {instance.target.deploy_target_id}; set "
            f"the app's field `{CLUSTER_FIELD}` in the catalogue, apply it, then retry",
            is_final=True,
        )
    return ai_app.check(instance, ports)


def configure(instance: Instance, ports: StepPorts) -> Outcome:
    """Configure the project; then team, user, token and key, and what the app must know of them."""
    done = project.configure(instance, ports)
    bad = credentials.region_problem(instance, ports) if isinstance(done, Done) else done
    if bad is not None:
        return bad
    team = _ensure_team(instance, ports)
    if isinstance(team, Failed):
        return team
    user = _ensure_tenant(instance, ports, team)
    if isinstance(user, Failed):
        return user
    token = _ensure_token(instance, ports, team, user)
    key = _ensure_key(instance, ports, team)
    if not isinstance(key, AiKey):
        return key
    ports.lagoon.projects.set_variables(
        instance.name, _variables(instance, ports, team, token, key)
    )
    return done


def team_name(instance: Instance) -> str:
    """Return what the instance's team is called."""
    return f"gpt-{instance.name}"


def _ensure_team(instance: Instance, ports: StepPorts) -> AiTeam | Failed:
    """Return the team; ours by its address, since nobody else would have taken that."""
    teams, name = ports.amazee_ai.teams, team_name(instance)
    entry = Holding(HoldingKind.AI_TEAM, name)
    known = instance.holding(entry.kind, name)
    team = teams.by_name(name)
    if team is None:
        region = credentials.region_of(instance, ports)
        try:
            with credentials.meant(ports, entry, known):
                team = teams.create(NewAiTeam(name, own_address(instance), region.id))
        except AlreadyExistsError:
            team = teams.by_name(name)  # an earlier call of ours may have come through only now
            if team is None:
                raise
    if team.is_deleted or team.admin_email.lower() != own_address(instance):
        return _not_usable(team)
    if known is None or known.external_id != team.id:
        ports.journal.hold(replace(entry, external_id=team.id))
    return team


def _not_usable(team: AiTeam) -> Failed:
    why = "was soft-deleted there" if team.is_deleted else "belongs to somebody else"
    return Failed(
        f"amazee.ai has a team {team.name}, and it {why}; remove this instance and make another",
        is_final=True,
    )


def _ensure_tenant(instance: Instance, ports: StepPorts, team: AiTeam) -> AiUser | Failed:
    """Return the team's user. Ours that is in it no more is made anew: we cannot put it there."""
    user = _tenant(instance, ports, team)
    if user.team_id == team.id:
        return user
    if instance.holding(HoldingKind.AI_USER, user.email) is None:
        return Failed(
            f"amazee.ai has a user {user.email} who is not in team {team.name}; delete that user "
            "there, then retry",
            is_final=True,
        )
    return _another_tenant(instance, ports, team, user)


def _tenant(instance: Instance, ports: StepPorts, team: AiTeam) -> AiUser:
    new = credentials.new_user(own_address(instance), team_id=team.id, role="admin")
    return credentials.ensure_user(instance, ports, new)


def _another_tenant(instance: Instance, ports: StepPorts, team: AiTeam, user: AiUser) -> AiUser:
    """Delete the tenant, which ends its tokens, and make it anew."""
    with suppress(NotFoundError):
        ports.amazee_ai.users.delete(user.id)
    return _tenant(instance, ports, team)


def _ensure_token(instance: Instance, ports: StepPorts, team: AiTeam, user: AiUser) -> Secret:
    """Return the text of the tenant's token, which is told only once.

    One whose text was lost cannot be revoked by us, but by deleting its user: so we begin again.
    A text that is kept is good only while its token stands: somebody may have deleted its user.
    """
    users, name = ports.amazee_ai.users, f"private-gpt-backend-{team.name}"
    entry = Holding(HoldingKind.AI_TOKEN, name, owner=user.email)
    known = instance.holding(entry.kind, name)
    standing = {token.id for token in users.tokens(user.id) if token.name == name}
    if TOKEN in instance.kept and known is not None and known.external_id in standing:
        return instance.kept[TOKEN]
    if standing:
        user = _another_tenant(instance, ports, team, user)
    ports.journal.hold(entry)
    made = users.create_token(user.id, name)
    assert made.token is not None  # noqa: S101 - told when it is made, as the port says
    ports.journal.keep(TOKEN, made.token)
    ports.journal.hold(replace(entry, external_id=made.id))
    return made.token


def _ensure_key(instance: Instance, ports: StepPorts, team: AiTeam) -> AiKey | Waiting | Failed:
    region, keys = credentials.region_of(instance, ports), ports.amazee_ai.keys
    new = NewAiKey(region.id, f"llm-{region.name}-{team.name}", team_id=team.id, has_database=False)
    plan = KeyPlan(new, team.name, lambda: keys.of_team(team.id), region.name)
    return credentials.ensure_key(instance, ports, plan)


def _variables(
    instance: Instance, ports: StepPorts, team: AiTeam, token: Secret, key: AiKey
) -> list[EnvVariable]:
    login, chat = hosts(instance)
    generated = {name: credentials.kept(instance, ports, name, _random_word) for name in GENERATED}
    values = {
        "POLYDOCK_USER_SELECTED_REGION_NAME": Secret(instance.app.store_name),
        "POLYDOCK_USER_SELECTED_REGION_ID": Secret(str(instance.app.store_id)),
        "AMAZEE_AI_TEAM_ID": Secret(str(team.id)),
        "AMAZEE_AI_DEFAULT_REGION_ID": Secret(str(instance.target.ai_region_id)),
        "AMAZEEAI_API_KEY": key.llm_token,
        "AMAZEEAI_BASE_URL": Secret(key.llm_url),
        "AMAZEE_AI_BACKEND_TOKEN": token,
        "OAUTH_DRUPAL_CLIENT_ID": Secret("chainlit"),
        **generated,
        **{name: Secret(instance.field(field)) for field, name in STORE_FIELDS.items()},
        "PHOENIX_PROJECT_NAME": Secret(instance.name),
        "LAGOON_ROUTES_JSON": Secret(_routes_json(login, chat)),
        "DRUPAL_URL": Secret(f"https://{login}"),
        "CHAINLIT_URL": Secret(f"https://{chat}"),
        "DRUPAL_ADMIN_USER": Secret(instance.admin.username),
        "DRUPAL_ADMIN_PASSWORD": instance.admin.password,
        "POLYDOCK_COMPANY_NAME": Secret(instance.person.company),
    }
    registry = {name: instance.field(field) for field, name in REGISTRY_FIELDS.items()}
    return as_variables(values) + [
        EnvVariable(name, Secret(value), Scope.CONTAINER_REGISTRY)
        for name, value in registry.items()
        if value
    ]


def hosts(instance: Instance) -> tuple[str, str]:
    """Return the host names of the login and of the chat."""
    zone = f"{_cluster(instance)}.private.amazee.ai"
    return f"{instance.name}.login.{zone}", f"{instance.name}.{zone}"


def _cluster(instance: Instance) -> str | None:
    return instance.field(CLUSTER_FIELD) or CLUSTERS.get(instance.target.deploy_target_id)


def _routes_json(login: str, chat: str) -> str:
    """Return both routes as a build reads them."""
    return encoded_routes(
        [
            {"domain": domain, "service": service, "tls-acme": True}
            for domain, service in ((login, "nginx"), (chat, "chat"))
        ]
    )


def _random_word() -> Secret:
    letters = string.ascii_letters + string.digits
    return Secret("".join(secrets.choice(letters) for _ in range(GENERATED_LENGTH)))
