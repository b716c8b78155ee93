"""All app types. A new one adds its line here."""

from polydock_pipelines.apps.generic import GENERIC

APP_TYPES = {app.key: app for app in (GENERIC,)}
