"""What is on offer on a bad day: the store, its app, and the secrets that must stay secret."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import asyncssh

from polydock_pipelines.db.database import Database
from tests.makers import make_store, make_store_app, make_variable

DEPLOY_KEY = (
    asyncssh.generate_private_key("ssh-ed25519", "canary").export_private_key("openssh").decode()
)
VARIABLE_VALUE = "canary-of-a-variable-8c1f"
LOGIN_TOKEN = "canary-of-a-login-77ab"
LOGIN_URL = f"https://app.example.com/login?token={LOGIN_TOKEN}"
CANARIES = (VARIABLE_VALUE, LOGIN_TOKEN, DEPLOY_KEY.splitlines()[2])

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


SCRIPTED = Offer()
PLAIN = Offer(scripts={})
"""Without a claim script the login URL is the environment's route."""
EACH_TYPE = {"polydock-app": SCRIPTED}
"""An offer of each app type, on which everything may happen; a later type joins by a line."""


def put_on_offer(database: Database, offer: Offer) -> str:
    """Write the store and the app; return the app's uuid."""
    place = {"organization_id": 1, "deploy_target_id": 1, "group_name": "polydock-operators"}
    with database.write() as session:
        store = make_store(session, deploy_key=offer.deploy_key, **(place | dict(offer.store)))
        app = make_store_app(session, store, scripts=offer.scripts, app_type=offer.app_type)
        make_variable(session, app, "API_KEY", VARIABLE_VALUE, is_secret=True)
        return app.uuid
