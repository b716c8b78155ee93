"""`polydock-app`: any application that Lagoon can build from a git branch."""

from polydock_pipelines.apps.app_type import AppType
from polydock_pipelines.steps import build, claim, project, purge, removal, scripts, upgrade

GENERIC = AppType(
    "polydock-app",
    "Generic Lagoon App",
    {
        "pre-create": project.settle_name,
        "create": project.create,
        "post-create": project.configure,
        "pre-deploy": project.push_variables,
        "deploy": build.deploy,
        "post-deploy": scripts.run_stage_script,
        "polydock-claim": claim.claim,
        "pre-upgrade": upgrade.prepare,
        "upgrade": upgrade.deploy,
        "post-upgrade": upgrade.complete,
        "pre-remove": removal.prepare,
        "remove": removal.delete_environment,
        "post-remove": removal.record,
        "purge": purge.delete_project,
    },
)
