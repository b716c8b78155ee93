"""The shapes of a catalogue's YAML: strict, frozen, and closed to unknown keys.

Values that depend on each other are checked by the later of the two, so that all problems of a
file come up at once.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal, cast

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    InstanceOf,
    ValidationInfo,
    field_validator,
)

from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.catalog import references, texts
from polydock_pipelines.catalog.fields import plain_fields, read_fields
from polydock_pipelines.catalog.problems import Finding, FindingsError
from polydock_pipelines.catalog.script_text import fit_to_run, read_script
from polydock_pipelines.catalog.strict import Shape
from polydock_pipelines.catalog.trial_shapes import TRIAL_MAILS, Mails, Trial
from polydock_pipelines.lifecycle.naming import LONGEST
from polydock_pipelines.lifecycle.secret import Secret

LONGEST_PREFIX = 30
HOST_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")

SCRIPT_STAGES = {
    "post_deploy": "post-deploy",
    "pre_upgrade": "pre-upgrade",
    "upgrade": "upgrade",
    "post_upgrade": "post-upgrade",
    "claim": "polydock-claim",
    "pre_remove": "pre-remove",
    "remove": "remove",
}
"""The catalogue's word for a script, and the lifecycle's stage that runs it."""


@dataclass(frozen=True)
class Surroundings:
    """What a file is read in: the folder of its scripts, and the environment of its secrets."""

    folder: Path = Path()
    env: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)


def _surroundings(info: ValidationInfo) -> Surroundings:
    return info.context if isinstance(info.context, Surroundings) else Surroundings()


def _script(value: object, info: ValidationInfo) -> str:
    return read_script(value, _surroundings(info).folder)


class VariableEntry(Shape):
    """A Lagoon variable of a store or an app."""

    name: texts.VariableName
    scope: Literal["global", "build", "runtime", "container_registry"] = "global"
    secret: bool = False
    value: InstanceOf[Secret]

    @field_validator("value", mode="before")
    @classmethod
    def _resolved(cls, value: object, info: ValidationInfo) -> Secret:
        if info.data.get("secret", True):
            return references.resolve(value, _surroundings(info).env)
        if not isinstance(value, str):
            raise ValueError("expected text; put numbers, true and false in quotes")  # noqa: TRY004 - pydantic collects ValueErrors only
        if references.is_reference(value):
            raise ValueError("refers to the environment; that is for `secret: true` only")
        return Secret(texts.clean_text(value))


Variables = Annotated[tuple[VariableEntry, ...], Field(strict=False)]


class ScriptEntry(Shape):
    """A script, and the container it runs in."""

    script: Annotated[str, BeforeValidator(_script), AfterValidator(fit_to_run)]
    service: texts.ContainerName = "cli"
    container: texts.ContainerName | None = None


class Scripts(Shape):
    """The scripts of an app, by the catalogue's words for the stages."""

    post_deploy: ScriptEntry | None = None
    pre_upgrade: ScriptEntry | None = None
    upgrade: ScriptEntry | None = None
    post_upgrade: ScriptEntry | None = None
    claim: ScriptEntry | None = None
    pre_remove: ScriptEntry | None = None
    remove: ScriptEntry | None = None

    def by_stage(self) -> dict[str, ScriptEntry]:
        """Return the scripts there are, by the lifecycle's stage."""
        found = {stage: getattr(self, word) for word, stage in SCRIPT_STAGES.items()}
        return {stage: entry for stage, entry in found.items() if entry is not None}


class NamingEntry(Shape):
    """How projects are named."""

    mode: Literal["pattern", "custom"] = "pattern"
    """custom: the person chooses the name."""
    prefix: texts.ProjectPrefix | None = None
    adjectives: Annotated[tuple[texts.NameWord, ...], Field(strict=False)] = ()
    nouns: Annotated[tuple[texts.NameWord, ...], Field(strict=False)] = ()


class RouteEntry(Shape):
    """A route of our own for each instance."""

    domain_pattern: Annotated[texts.Line, Field(max_length=253)]
    service: texts.ContainerName
    annotations: dict[texts.AnnotationKey, texts.Line] = Field(default_factory=dict[str, str])

    @field_validator("domain_pattern")
    @classmethod
    def _for_each_project(cls, value: str) -> str:
        if "{project}" not in value:
            raise ValueError("lacks {project}; without it all instances would share one host name")
        if set(re.findall(r"\{[^{}]*\}", value)) - {"{project}", "{environment}"}:
            raise ValueError("knows the placeholders {project} and {environment} only")
        return value


def _host_of(pattern: str, environment: str) -> str:
    longest = pattern.replace("{project}", "a" * LONGEST)
    return longest.replace("{environment}", environment).lower()


def is_host(name: str) -> bool:
    """Whether *name* could be a host in DNS: two labels or more, none too long."""
    labels = name.split(".")
    return (
        len(name) <= 253
        and len(labels) > 1
        and all(HOST_LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdigit()
    )


class AppEntry(Shape):
    """An application on offer."""

    key: texts.Key
    uuid: texts.Uuid | None = None
    """None: made from the keys of store and app, the same everywhere."""
    name: texts.Line
    description: texts.Text = ""
    author: texts.LineOrNothing = ""
    website: texts.Website | None = None
    support_email: texts.Email | None = None
    product_type: texts.ProductType | None = None
    type: str = "polydock-app"
    git_url: texts.GitUrl
    branch: texts.Branch = "main"
    production_environment: texts.Branch = "main"
    auto_idle: Annotated[int, Field(ge=0, le=1)] = 0
    environment_type: Literal["production", "development"] = "development"
    status: Literal["available", "unavailable"] = "available"
    available_for_trials: bool = False
    trial: Trial | None = None
    naming: NamingEntry = NamingEntry()
    pool_target: Annotated[int, Field(ge=0, le=1000)] = 0
    custom_route: RouteEntry | None = None
    fields: dict[str, str | InstanceOf[Secret]] = Field(default_factory=dict[str, str | Secret])
    """Those that the type declares; secret ones are references to the environment."""
    ai_budget_usd: Annotated[float, Field(ge=0, le=100_000)] | None = None
    """What the AI key of each instance may spend a month."""
    scripts: Scripts = Scripts()
    mails: Mails = Mails()
    variables: Variables = ()

    @field_validator("type")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in APP_TYPES:
            raise ValueError(f"is no app type; expected one of {', '.join(sorted(APP_TYPES))}")
        return value

    @field_validator("fields", mode="before")
    @classmethod
    def _declared(cls, value: object, info: ValidationInfo) -> object:
        app_type = APP_TYPES.get(info.data.get("type", ""))
        if not isinstance(value, Mapping):
            return value
        if app_type is None:
            return {}  # the type is wrong, and what it would take is not known
        return read_fields(app_type, cast("Mapping[str, object]", value), _surroundings(info).env)

    @field_validator("ai_budget_usd")
    @classmethod
    def _has_a_key(cls, value: float | None, info: ValidationInfo) -> float | None:
        app_type = APP_TYPES.get(info.data.get("type", ""))
        fields = info.data.get("fields")  # None: something is wrong with them already
        if value is None or app_type is None or fields is None:
            return value
        if not app_type.needs_ai(plain_fields(fields)):
            raise ValueError(f"no key is made for an app of the type {app_type.key}")
        return value

    @property
    def needs_ai(self) -> bool:
        """Whether amazee.ai makes something for each instance."""
        return APP_TYPES[self.type].needs_ai(plain_fields(self.fields))

    @field_validator("trial")
    @classmethod
    def _lasts(cls, value: Trial | None, info: ValidationInfo) -> Trial | None:
        app_type = APP_TYPES.get(info.data.get("type", ""))
        if value and app_type and app_type.longest_trial_days:
            found = value.beyond(app_type.longest_trial_days, f"the type {app_type.key}")
            if found:
                raise FindingsError(found)
        return value

    @field_validator("pool_target")
    @classmethod
    def _poolable(cls, value: int, info: ValidationInfo) -> int:
        app_type = APP_TYPES.get(info.data.get("type", ""))
        if value and app_type and app_type.needs_person:
            raise ValueError(
                f"expected 0: an app of the type {app_type.key} is made for a person, so none can "
                "be made beforehand"
            )
        naming = info.data.get("naming")
        if value and naming and naming.mode == "custom":
            raise ValueError(
                "expected 0: with `naming.mode: custom` people choose the name, so none can be "
                "made beforehand"
            )
        return value

    @field_validator("custom_route")
    @classmethod
    def _renders(cls, value: RouteEntry | None, info: ValidationInfo) -> RouteEntry | None:
        app_type = APP_TYPES.get(info.data.get("type", ""))
        if value and app_type and app_type.has_own_routes:
            raise ValueError(f"expected none: the type {app_type.key} makes its routes itself")
        if value and not is_host(_host_of(value.domain_pattern, info.data.get("branch", "main"))):
            reason = (
                f"gives no host name for a project of {LONGEST} characters; expected a pattern "
                "such as {project}.trials.example.com"
            )
            raise FindingsError([Finding(["domain_pattern"], reason)])
        return value

    @field_validator("mails")
    @classmethod
    def _due_some_day(cls, value: Mails, info: ValidationInfo) -> Mails:
        if info.data.get("trial", True) is not None:
            return value
        reason = "is never due: the app has no `trial.days`; expected both or neither"
        sent = [kind for kind in TRIAL_MAILS if (m := getattr(value, kind)) and m.enabled]
        if sent:
            raise FindingsError([Finding([kind], reason) for kind in sent])
        return value


class LagoonEntry(Shape):
    """Where in Lagoon a store's instances live."""

    organization_id: texts.Identifier
    deploy_target_id: texts.Identifier
    project_prefix: texts.ProjectPrefix
    group_name: texts.Line | None = None
    deploy_key: InstanceOf[Secret] | None = None
    """None: Lagoon makes one for each project."""

    @field_validator("deploy_key", mode="before")
    @classmethod
    def _resolved(cls, value: object, info: ValidationInfo) -> Secret | None:
        return None if value is None else references.deploy_key(value, _surroundings(info).env)


class StoreEntry(Shape):
    """A region of Lagoon and an organization there, with the apps on offer."""

    key: texts.Key
    name: texts.Line
    status: Literal["public", "private", "unavailable"] = "private"
    listed_in_marketplace: bool = False
    lagoon: LagoonEntry
    amazee_ai_region_id: texts.Identifier | None = None
    variables: Variables = ()
    apps: Annotated[tuple[AppEntry, ...], Field(strict=False)] = ()

    @field_validator("apps")
    @classmethod
    def _where_keys_are_made(
        cls, value: tuple[AppEntry, ...], info: ValidationInfo
    ) -> tuple[AppEntry, ...]:
        if info.data.get("amazee_ai_region_id", True) is not None:
            return value
        reason = "works with amazee.ai, and its store has no amazee_ai_region_id; expected both"
        found = [Finding([at, "type"], reason) for at, app in enumerate(value) if app.needs_ai]
        if found:
            raise FindingsError(found)
        return value

    @field_validator("apps")
    @classmethod
    def _room_for_a_name(
        cls, value: tuple[AppEntry, ...], info: ValidationInfo
    ) -> tuple[AppEntry, ...]:
        lagoon = info.data.get("lagoon")
        if lagoon is None:
            return value
        reason = (
            f"is too long: with the store's prefix expected at most {LONGEST_PREFIX} characters, "
            f"so that words fit into a project's name of {LONGEST}"
        )
        found = [
            Finding([position, "naming", "prefix"], reason)
            for position, app in enumerate(value)
            if app.naming.prefix
            and len(f"{app.naming.prefix}-{lagoon.project_prefix}") > LONGEST_PREFIX
        ]
        if found:
            raise FindingsError(found)
        return value


class CatalogFile(Shape):
    """One file."""

    stores: Annotated[tuple[StoreEntry, ...], Field(strict=False)]
