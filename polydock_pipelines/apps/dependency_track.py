"""`dependency-track`: an app that serves all projects of a Lagoon organization."""

from dataclasses import replace

from polydock_pipelines.apps.generic import GENERIC
from polydock_pipelines.lifecycle.fields import Field
from polydock_pipelines.steps import dependency_track

# From the street it could name any organization that our token reaches.
ORGANIZATION = Field(
    dependency_track.ORGANIZATION_FIELD, "Lagoon organization it serves", is_public=False
)
DEPENDENCY_TRACK = replace(
    GENERIC.variant(
        "dependency-track",
        "Dependency-Track",
        polydock_claim=dependency_track.claim_and_tell,
        pre_remove=dependency_track.withdraw_and_prepare,
    ),
    store_fields=(ORGANIZATION,),
    instance_fields=(ORGANIZATION,),
)
