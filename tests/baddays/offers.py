"""What is on offer on a bad day: the store, its app, and the secrets that must stay secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import asyncssh

from polydock_pipelines.db.database import Database
from tests.makers import make_fields, make_store, make_store_app, make_variable

DEPLOY_KEY = (
    asyncssh.generate_private_key("ssh-ed25519", "canary").export_private_key("openssh").decode()
)
VARIABLE_VALUE = "canary-of-a-variable-8c1f"
LOGIN_TOKEN = "canary-of-a-login-77ab"
LOGIN_URL = f"https://app.example.com/login?token={LOGIN_TOKEN}"
API_KEY = "canary-of-an-api-key-93d0"  # pragma: allowlist secret
FIELD_VALUE = "canary-of-a-field-5e6f"
CANARIES = (VARIABLE_VALUE, LOGIN_TOKEN, API_KEY, FIELD_VALUE, DEPLOY_KEY.splitlines()[2])

CLAIM = "polydock-claim"
TELLS_URL = f'echo "$POLYDOCK_GENERATED_APP_ADMIN_PASSWORD" >&2; echo {LOGIN_URL}'
"""A claim script that works, and speaks of what is nobody's business."""


@dataclass(frozen=True)
class Offer:
    """A store with one app; only what differs from one that works."""

    scripts: Mapping[str, str] = field(default_factory=lambda: {CLAIM: TELLS_URL})
    store: Mapping[str, Any] = field(default_factory=dict[str, Any])
    deploy_key: str | None = DEPLOY_KEY
    app_type: str = "polydock-app"
    app: Mapping[str, Any] = field(default_factory=dict[str, Any])
    fields: Mapping[str, str] = field(default_factory=dict[str, str])
    """Of the app; the type says which are secret."""

    def in_store(self, **changes: Any) -> "Offer":
        """Return the same app in a store that differs."""
        return replace(self, store={**self.store, **changes})


SCRIPTED = Offer()
PLAIN = Offer(scripts={})
"""Without a claim script the login URL is the environment's route."""
ORGANIZATION = "polydock-trials"
SERVES = {
    "custom_route": {"domain_pattern": "apiserver.{project}.example.com", "service": "apiserver"}
}
TELLS_KEY = f"echo API_KEY:{API_KEY}; {TELLS_URL}"
EACH_TYPE = {
    "polydock-app": SCRIPTED,
    "polydock-app-ai": Offer(app_type="polydock-app-ai", app={"ai_budget_usd": 5.0}),
    "anything-llm": Offer(app_type="anything-llm"),
    "amazee-claw": Offer(app_type="amazee-claw", fields={"amazeeai_key_mode": "anonymous"}),
    "dependency-track": Offer(
        scripts={CLAIM: TELLS_KEY},
        app_type="dependency-track",
        app=SERVES,
        fields={"lagoon_organisation": ORGANIZATION},
    ),
    "private-gpt": Offer(
        app_type="private-gpt", fields={"phoenix_api_key": FIELD_VALUE, "cluster": "test"}
    ),
}
"""An offer of each app type, on which everything may happen; a later type joins by a line."""


def put_on_offer(database: Database, offer: Offer) -> str:
    """Write the store and the app; return the app's uuid."""
    place = {
        "organization_id": 1,
        "deploy_target_id": 1,
        "group_name": "polydock-operators",
        "amazee_ai_region_id": 1,
    }
    with database.write() as session:
        store = make_store(session, deploy_key=offer.deploy_key, **(place | dict(offer.store)))
        app = make_store_app(
            session, store, scripts=offer.scripts, app_type=offer.app_type, **offer.app
        )
        make_fields(session, app, offer.fields)
        make_variable(session, app, "API_KEY", VARIABLE_VALUE, is_secret=True)
        return app.uuid
