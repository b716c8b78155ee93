"""All app types. A new one adds its line here."""

from polydock_pipelines.apps.ai import AI_APP, AMAZEE_CLAW, ANYTHING_LLM, PRIVATE_GPT
from polydock_pipelines.apps.dependency_track import DEPENDENCY_TRACK
from polydock_pipelines.apps.generic import GENERIC

APP_TYPES = {
    app.key: app
    for app in (GENERIC, AI_APP, ANYTHING_LLM, AMAZEE_CLAW, DEPENDENCY_TRACK, PRIVATE_GPT)
}
