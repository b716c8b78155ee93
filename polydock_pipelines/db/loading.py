"""Rows to the frozen `Instance` that a step sees."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import or_, select
from sqlalchemy.orm import Session

from polydock_pipelines.db.holdings import holdings_of
from polydock_pipelines.db.models.instances import (
    AppInstance,
    InstanceIntent,
    KeptValue,
    PushedVariable,
)
from polydock_pipelines.db.models.offers import (
    FieldValue,
    ProductType,
    Store,
    StoreApp,
    StoreAppScript,
    Variable,
)
from polydock_pipelines.db.places import (
    admin_password,
    deploy_key,
    field_value,
    health_door,
    kept_value,
    login_url,
    variable_value,
)
from polydock_pipelines.db.vault import Vault
from polydock_pipelines.lifecycle.instance import (
    AdminLogin,
    AppSettings,
    CustomRoute,
    Effect,
    EnvVariable,
    Instance,
    Intent,
    Person,
    Scope,
    Script,
    Target,
)
from polydock_pipelines.lifecycle.outcome import Facts
from polydock_pipelines.lifecycle.secret import Secret
from polydock_pipelines.lifecycle.table import LIVING, STAGES

NEAREST_FIRST = ("app_instance", "store_app", "store")
MOST_NEIGHBOURS = 50


def load_instance(
    session: Session, row: AppInstance, stage: str, vault: Vault, public_url: str
) -> Instance:
    """Return what a step at *stage* may know of *row*. VaultError when a secret cannot be read."""
    app = session.get_one(StoreApp, row.store_app_id)
    store = session.get_one(Store, app.store_id)
    assert row.deadline is not None  # noqa: S101 - every stage has one
    return Instance(
        id=row.id,
        uuid=row.uuid,
        name=row.name,
        app_type=row.app_type,
        stage=stage,
        attempt=row.attempt,
        generation=row.generation,
        deadline=row.deadline,
        target=_target(row, store, vault),
        app=_settings(session, app, store, _health_url(row, vault, public_url)),
        admin=AdminLogin(row.admin_username, vault.open(admin_password(row), row.admin_password)),
        person=Person(row.user_email, row.user_first_name, row.user_last_name, row.company_name),
        variables=_variables(session, row, app, vault),
        facts=_facts(session, row, vault),
        intents=_intents(session, row),
        holdings=holdings_of(session, row.id),
        fields=_fields(session, row, vault),
        kept=_kept(session, row, vault),
        life=row.life,
        neighbours=_neighbours(session, row) if STAGES[stage].sees_neighbours else frozenset(),
    )


def _target(row: AppInstance, store: Store, vault: Vault) -> Target:
    key = vault.open(deploy_key(store), store.deploy_key) if store.deploy_key else None
    return Target(
        git_url=row.git_url,
        branch=row.branch,
        production_environment=row.production_environment,
        deploy_target_id=row.deploy_target_id,
        organization_id=row.organization_id,
        group_name=row.group_name,
        auto_idle=row.auto_idle,
        deploy_key=key,
        ai_region_id=row.ai_region_id,
    )


def _health_url(row: AppInstance, vault: Vault, public_url: str) -> str:
    token = vault.token(health_door(row.uuid))
    return f"{public_url.rstrip('/')}/api/instance/{row.uuid}.{token}/health/"


def _settings(session: Session, app: StoreApp, store: Store, health_url: str) -> AppSettings:
    product = session.get(ProductType, app.product_type_id) if app.product_type_id else None
    scripts = session.scalars(select(StoreAppScript).where(StoreAppScript.store_app_id == app.id))
    return AppSettings(
        name=app.name,
        product_type=product.slug if product else "generic",
        is_production=app.is_production,
        custom_route=_route(app.custom_route),
        health_url=health_url,
        store_name=store.name,
        store_id=store.id,
        ai_budget_usd=app.ai_budget_usd,
        scripts={s.stage: Script(s.script, s.service, s.container) for s in scripts},
    )


def _route(stored: dict[str, Any] | None) -> CustomRoute | None:
    if not stored:
        return None
    return CustomRoute(
        domain_pattern=stored["domain_pattern"],
        service=stored["service"],
        annotations=stored.get("annotations", {}),
    )


def _neighbours(session: Session, row: AppInstance) -> frozenset[int]:
    """Return the projects of the newest others that live where *row* does."""
    found = session.scalars(
        select(AppInstance.lagoon_project_id)
        .where(
            AppInstance.organization_id == row.organization_id,
            AppInstance.lagoon_project_id.is_not(None),
            AppInstance.status.in_(LIVING),
            AppInstance.id != row.id,
        )
        .order_by(AppInstance.id.desc())
        .limit(MOST_NEIGHBOURS)
    )
    return frozenset(number for number in found if number is not None)


def _fields(session: Session, row: AppInstance, vault: Vault) -> dict[str, Secret]:
    """Return the fields that somebody filled: the app's, and over them the instance's."""
    is_apps = (FieldValue.owner_type == "store_app") & (FieldValue.owner_id == row.store_app_id)
    is_own = (FieldValue.owner_type == "app_instance") & (FieldValue.owner_id == row.id)
    rows = session.scalars(
        select(FieldValue).where(or_(is_apps, is_own)).order_by(FieldValue.owner_type.desc())
    )
    return {one.name: open_field(one, vault) for one in rows}


def open_field(row: FieldValue, vault: Vault) -> Secret:
    """Return the clear value of a field."""
    return vault.open(field_value(row), row.value) if row.is_secret else Secret(row.value)


def _kept(session: Session, row: AppInstance, vault: Vault) -> dict[str, Secret]:
    rows = session.scalars(select(KeptValue).where(KeptValue.instance_id == row.id))
    return {one.name: vault.open(kept_value(one), one.value) for one in rows}


def _variables(
    session: Session, row: AppInstance, app: StoreApp, vault: Vault
) -> tuple[EnvVariable, ...]:
    owners = {"app_instance": row.id, "store_app": app.id, "store": app.store_id}
    belongs = [
        (Variable.owner_type == kind) & (Variable.owner_id == owner)
        for kind, owner in owners.items()
    ]
    rows = session.scalars(select(Variable).where(or_(*belongs))).all()
    return tuple(
        EnvVariable(v.name, open_variable(v, vault), Scope(v.scope)) for v in nearest(rows)
    )


def nearest(rows: Sequence[Variable]) -> list[Variable]:
    """Return each name once, from the owner closest to the instance, in the order of names."""
    ordered = sorted(rows, key=lambda v: NEAREST_FIRST.index(v.owner_type), reverse=True)
    chosen = {v.name: v for v in ordered}
    return [chosen[name] for name in sorted(chosen)]


def open_variable(row: Variable, vault: Vault) -> Secret:
    """Return the clear value of a variable."""
    return vault.open(variable_value(row), row.value) if row.is_secret else Secret(row.value)


def _facts(session: Session, row: AppInstance, vault: Vault) -> Facts:
    pushed = session.scalars(
        select(PushedVariable.name).where(PushedVariable.instance_id == row.id)
    )
    return Facts(
        name=row.name,
        lagoon_project_id=row.lagoon_project_id,
        build_name=row.build_name,
        build_status=row.build_status,
        build_bulk_id=row.build_bulk_id,
        namespace=row.namespace,
        app_url=row.app_url,
        login_url=vault.open(login_url(row), row.login_url) if row.login_url else None,
        login_valid_until=row.login_valid_until,
        pushed_variables=frozenset(pushed),
    )


def _intents(session: Session, row: AppInstance) -> dict[Intent, Any]:
    rows = session.scalars(select(InstanceIntent).where(InstanceIntent.instance_id == row.id))
    return {(Effect(i.effect), i.key): i.intended_at for i in rows}
