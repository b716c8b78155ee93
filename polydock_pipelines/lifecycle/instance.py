"""The frozen instance that a step sees: typed values, no row, no session, no status."""

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from polydock_pipelines.lifecycle.holding import Holding, HoldingKind
from polydock_pipelines.lifecycle.outcome import Facts
from polydock_pipelines.lifecycle.secret import Secret


class Scope(StrEnum):
    """Lagoon's variable scopes, as its input enum writes them."""

    GLOBAL = "GLOBAL"
    BUILD = "BUILD"
    RUNTIME = "RUNTIME"
    CONTAINER_REGISTRY = "CONTAINER_REGISTRY"


class Effect(StrEnum):
    """A call that creates something outside; its intent is committed before it."""

    CREATE_PROJECT = "create-project"
    DEPLOY = "deploy"
    BUILD_MISSED = "build-missed"
    """No effect: the first look that did not find a build whose start was meant."""


Intent = tuple[Effect, str]
"""An effect and what exactly: a project's name, a bulk id."""


@dataclass(frozen=True)
class EnvVariable:
    """One Lagoon variable of a project."""

    name: str
    value: Secret
    scope: Scope = Scope.GLOBAL


@dataclass(frozen=True)
class Target:
    """Where in Lagoon an instance lives; copied when it is made, so a store may change later."""

    git_url: str
    branch: str
    production_environment: str
    deploy_target_id: int
    organization_id: int
    group_name: str | None
    auto_idle: int = 0
    deploy_key: Secret | None = None
    ai_region_id: int | None = None
    """Where at amazee.ai its credentials are made."""


@dataclass(frozen=True)
class Person:
    """Whom an instance is for; empty strings for an instance of the pool."""

    email: str = ""
    first_name: str = ""
    last_name: str = ""
    company: str = ""


@dataclass(frozen=True)
class AdminLogin:
    """The generated administrator of the application."""

    username: str
    password: Secret


@dataclass(frozen=True)
class Script:
    """A script of the store app: what runs, and in which container."""

    text: str
    service: str = "cli"
    container: str | None = None


@dataclass(frozen=True)
class CustomRoute:
    """A route of our own, handed to the build as LAGOON_ROUTES_JSON."""

    domain_pattern: str
    """With the placeholders {project} and {environment}."""
    service: str
    annotations: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class AppSettings:
    """What the catalogue says about the app; read anew for each stage."""

    name: str
    product_type: str = "generic"
    is_production: bool = False
    """Whether metadata says `polydock-env: prod`."""
    custom_route: CustomRoute | None = None
    health_url: str = ""
    """The value of POLYDOCK_APP_INSTANCE_HEALTH_WEBHOOK_URL; empty when nothing listens."""
    store_name: str = ""
    store_id: int = 0
    ai_budget_usd: float | None = None
    """What the instance's AI key may spend a month; None: what amazee.ai allows by itself."""
    scripts: Mapping[str, Script] = field(default_factory=dict[str, Script])
    """By stage name; a stage without a script has no entry."""


@dataclass(frozen=True)
class Instance:
    """One instance of a store app, at one stage, held under a lease."""

    id: int
    uuid: str
    name: str
    """The Lagoon project name."""
    app_type: str
    stage: str
    attempt: int
    """1 for the first try of this stage."""
    generation: int
    """Rises when a known build ended or an operator retries; part of every bulk id."""
    deadline: datetime
    target: Target
    app: AppSettings
    admin: AdminLogin
    person: Person = field(default_factory=Person)
    variables: tuple[EnvVariable, ...] = ()
    """Of store, app and instance, nearest first, each name once."""
    facts: Facts = field(default_factory=Facts)
    intents: Mapping[Intent, datetime] = field(default_factory=dict[Intent, datetime])
    """Effects that may have happened, and when they were last meant."""
    holdings: tuple[Holding, ...] = ()
    """What stands outside because of it, or may; what was given back is not among them."""
    fields: Mapping[str, Secret] = field(default_factory=dict[str, Secret])
    """The app type's own fields: the instance's values before the store app's."""
    kept: Mapping[str, Secret] = field(default_factory=dict[str, Secret])
    """What steps generated or were told once, by name."""
    life: int = 1
    """More than 1 once it was restored after a removal."""
    most_attempts: int = 0
    """How often the stage may fail before the instance does, where settings say so."""
    neighbours: frozenset[int] = frozenset()
    """Lagoon project ids of other instances known to live in the same organization.

    Known to the stages alone that see them.
    """

    def holding(self, kind: HoldingKind, name: str) -> Holding | None:
        """Return the ledger's entry of *kind* and *name*."""
        return next((one for one in self.holdings if one.is_same(kind, name)), None)

    def field(self, name: str, default: str = "") -> str:
        """Return the clear value of a field; *default* when nobody set it."""
        return self.fields[name].reveal() if name in self.fields else default

    @property
    def bulk_id(self) -> str:
        """Return the id that finds this stage's build in Lagoon, the same for each repeat."""
        return bulk_id(self.uuid, self.stage, self.generation)


def bulk_id(instance_uuid: str, stage: str, generation: int) -> str:
    """Return the Lagoon bulk id of one stage and generation of an instance."""
    return str(uuid.uuid5(uuid.UUID(instance_uuid), f"{stage}:{generation}"))
