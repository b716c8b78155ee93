"""The table of bad days: a row says what goes wrong, and how the day must end all the same.

What can happen to every call alike is in `calls.py`.
"""

from polydock_pipelines.simulator.model import DeployTarget, Group, Organization
from polydock_pipelines.simulator.world import World
from tests.baddays.ai_days import AI
from tests.baddays.day import ALWAYS, CLAIMED, REMOVED, BadDay, Trouble
from tests.baddays.endings import ENDS, PURGES, RESTORES
from tests.baddays.offers import CLAIM, PLAIN, SCRIPTED, Offer


def _found_organization(world: World) -> None:
    world.organizations[99] = Organization(99, "late", "Founded late")


def _add_target(world: World) -> None:
    world.targets[9] = DeployTarget(9, "eu-9", "simulated", "eu-west-9")


def _add_group(world: World) -> None:
    world.groups["late"] = Group("g-late", "late", organization=1, is_seeded=True)


BUILDS = [
    BadDay(
        "the build fails",
        (Trouble("deployEnvironmentBranch", "build_failed"),),
        ends="deploy-failed",
        says=("ended failed", "read its log in Lagoon"),
        builds=2,
    ),
    BadDay(
        "somebody cancels the build",
        (Trouble("deployEnvironmentBranch", "build_cancelled"),),
        ends="deploy-failed",
        says=("ended cancelled",),
        builds=2,
    ),
    BadDay(
        "the build hangs",
        (Trouble("deployEnvironmentBranch", "build_hang"),),
        ends="deploy-failed",
        says=("at its deadline, so Lagoon was asked to cancel it",),
        builds=2,
    ),
    BadDay(
        "the organization may have no more environments",
        (Trouble("deployEnvironmentBranch", "quota", ALWAYS),),
        ends="deploy-failed",
        says=("Raise quotaEnvironment",),
    ),
]

CLAIMS = [
    BadDay(
        "the claim script prints no URL",
        offer=Offer(scripts={CLAIM: "echo all is well; echo http://plain.example.com"}),
        ends="polydock-claim-failed",
        says=("printed no https URL",),
        mended_scripts=SCRIPTED.scripts,
    ),
    BadDay(
        "the app is not ready to tell its address",
        (Trouble("ssh:polydock-claim", "ssh_no_url"),),
        ends="polydock-claim-failed",
        says=("printed no https URL",),
    ),
    BadDay(
        "the claim script fails and prints a password",
        offer=Offer(scripts={CLAIM: 'echo "$POLYDOCK_GENERATED_APP_ADMIN_PASSWORD"; exit 3'}),
        ends="polydock-claim-failed",
        says=("script exited with 3", "then retry"),
        mended_scripts=SCRIPTED.scripts,
    ),
    BadDay(
        "the post-deploy script fails",
        offer=Offer(scripts={"post-deploy": "exit 7", **SCRIPTED.scripts}),
        ends="post-deploy-failed",
        says=("post-deploy script exited with 7",),
        mended_scripts={"post-deploy": "true"},
    ),
    BadDay(
        "the routes are written minutes after the build",
        cluster={"route_seconds": 300},
        well={"route_seconds": 0.3},
        offer=PLAIN,
        says=("no https route",),
    ),
    BadDay(
        "the container sleeps",
        cluster={"wake_seconds": 0.3},
        well={"wake_seconds": 0},
    ),
]

OUTAGES = [
    BadDay(
        "Lagoon is away before anything began",
        (Trouble("POST /graphql", "http500", ALWAYS),),
        ends="pending-pre-create",
        says=("HTTP 500",),
    ),
    BadDay(
        "Lagoon is away while it builds, and has built when it is back",
        (Trouble("POST /graphql", "http500", ALWAYS),),
        strikes_at="deploy-running",
        ends="deploy-running",
        says=("HTTP 500",),
        minutes=75,
    ),
    BadDay(
        "Lagoon is away while it builds, and builds on when it is back",
        (Trouble("POST /graphql", "http500", ALWAYS),),
        cluster={"build_seconds": 132 * 60},
        strikes_at="deploy-running",
        ends="deploy-running",
        says=("HTTP 500",),
    ),
    BadDay(
        "Lagoon is away at the claim",
        (Trouble("addOrUpdateEnvVariableByName", "http500", ALWAYS),),
        strikes_at="deploy-running",
        ends="pending-polydock-claim",
        says=("HTTP 500",),
        minutes=45,
    ),
]

CREDENTIALS = [
    BadDay(
        "every token expires at once, forty times",
        (Trouble("POST /graphql", "expired_token", 40),),
        says=("refuses our token (HTTP 401)",),
    ),
    BadDay(
        "LAGOON_TOKEN is wrong",
        token="nobody's",
        ends="pending-pre-create",
        says=("refuses our token", "Check LAGOON_TOKEN"),
    ),
    BadDay(
        "the token host fails with exit 0",
        (Trouble("ssh:token", "ssh_error_exit0", 2),),
        says=("no token in the answer",),
    ),
    BadDay(
        "the token host has another host key",
        (Trouble("ssh:token", "ssh_host_key", 3),),
        says=("host key",),
    ),
    BadDay(
        "our user may not create projects in the organization",
        cluster={"organization_role": "MAINTAINER"},
        well={"organization_role": "OWNER"},
        ends="create-failed",
        says=("owner or admin",),
    ),
    BadDay(
        "the organization does not exist",
        offer=Offer(store={"organization_id": 99, "group_name": None}),
        ends="create-failed",
        says=("Check the store's organization id",),
        mend=_found_organization,
    ),
    BadDay(
        "the deploy target does not exist",
        offer=Offer(store={"deploy_target_id": 9}),
        ends="create-failed",
        says=("deploy target",),
        mend=_add_target,
    ),
    BadDay(
        "the store's group does not exist",
        offer=Offer(store={"group_name": "late"}),
        ends="post-create-failed",
        says=("Create the group",),
        mend=_add_group,
    ),
    BadDay(
        "the organization is full",
        (Trouble("addProject", "quota", ALWAYS),),
        ends="create-failed",
        says=("Raise quotaProject",),
    ),
    BadDay(
        "the deploy key is no key",
        offer=Offer(deploy_key="this is no key"),
        ends="create-failed",
        says=("Correct the store's deploy key",),
        mended_key=SCRIPTED.deploy_key,
    ),
]

STORES = [
    BadDay("the store has no deploy key, so Lagoon makes one", offer=Offer(deploy_key=None)),
    BadDay(
        "the store has no deploy key, and the answer to the creation is lost",
        (Trouble("addProject", "drop_after_commit"),),
        offer=Offer(deploy_key=None),
    ),
]

SHELLS = [
    BadDay(
        "SSH says exit 0 and means an error",
        (Trouble("ssh:polydock-claim", "ssh_error_exit0"),),
        says=("reports an error with exit 0",),
    ),
    BadDay(
        "SSH says exit 0 and means an error for ever",
        (Trouble("ssh:polydock-claim", "ssh_error_exit0", ALWAYS),),
        ends="polydock-claim-failed",
        says=("reports an error with exit 0", "gave up after 6 attempts"),
    ),
    BadDay(
        "the portal fails with 254",
        (Trouble("ssh:polydock-claim", "ssh_254", 2),),
        says=("exit 254",),
    ),
    BadDay(
        "the portal fails with 254 for ever",
        (Trouble("ssh:polydock-claim", "ssh_254", ALWAYS),),
        ends="polydock-claim-failed",
        says=("exit 254",),
    ),
    BadDay(
        "the portal ends the session with 255",
        (Trouble("ssh:polydock-claim", "ssh_255", 2),),
        says=("ended it with 255",),
    ),
    BadDay(
        "the portal ends the session with 255 for ever",
        (Trouble("ssh:polydock-claim", "ssh_255", ALWAYS),),
        ends="polydock-claim-failed",
        says=("ended it with 255", "gave up after 6 attempts"),
    ),
    BadDay("the portal cuts the connection", (Trouble("ssh:polydock-claim", "ssh_cut", 2),)),
    BadDay("the portal is silent", (Trouble("ssh:polydock-claim", "timeout", 1),)),
    BadDay(
        "the portal has another host key",
        (Trouble("ssh:polydock-claim", "ssh_host_key", 3),),
        says=("host key",),
    ),
    BadDay(
        "the portal has another host key for good",
        (Trouble("ssh:polydock-claim", "ssh_host_key", ALWAYS),),
        ends="pending-polydock-claim",
        says=("host key", "compare it with the server's"),
        minutes=45,
    ),
]

REMOVALS = [
    BadDay(
        "the pre-remove script always fails",
        offer=Offer(scripts={"pre-remove": "exit 9", **SCRIPTED.scripts}),
        remove_at=CLAIMED,
        ends=REMOVED,
        says=("script exited with 9",),
    ),
    BadDay(
        "the portal is gone when the remove script should run",
        (Trouble("ssh:remove", "ssh_254", ALWAYS),),
        offer=Offer(scripts={"remove": "true", **SCRIPTED.scripts}),
        remove_at=CLAIMED,
        ends=REMOVED,
        says=("going on without the remove script",),
    ),
    BadDay("removal is asked for while it waits", remove_at="pending-pre-create", ends=REMOVED,
           builds=0),
    BadDay("removal is asked for during a build", remove_at="deploy-running", ends=REMOVED,
           says=("asked Lagoon to cancel",)),
    BadDay(
        "removal is asked for during a build that hangs",
        (Trouble("deployEnvironmentBranch", "build_hang"),),
        remove_at="deploy-running",
        ends=REMOVED,
    ),
    BadDay(
        "removal is asked for after a build failed",
        (Trouble("deployEnvironmentBranch", "build_failed"),),
        remove_at="deploy-failed",
        ends=REMOVED,
    ),
    BadDay(
        "removal is asked for after the project was refused",
        (Trouble("addProject", "quota", ALWAYS),),
        remove_at="create-failed",
        ends=REMOVED,
        builds=0,
    ),
    BadDay(
        "removal is asked for after the claim failed",
        offer=Offer(scripts={CLAIM: "exit 1"}),
        remove_at="polydock-claim-failed",
        ends=REMOVED,
    ),
]  # fmt: skip

UPGRADING = Offer(
    scripts={
        "pre-upgrade": "echo old",
        "upgrade": "echo new",
        "post-upgrade": "echo done",
        **SCRIPTED.scripts,
    }
)
UPGRADES = [
    BadDay("nothing happens to an upgrade", offer=UPGRADING, is_upgrade=True, builds=2),
    BadDay(
        "the upgrade's build fails",
        (Trouble("deployEnvironmentBranch", "build_failed"),),
        offer=UPGRADING,
        is_upgrade=True,
        ends="upgrade-failed",
        says=("ended failed", "read its log in Lagoon"),
        builds=3,
    ),
    BadDay(
        "somebody cancels the upgrade's build",
        (Trouble("deployEnvironmentBranch", "build_cancelled"),),
        is_upgrade=True,
        ends="upgrade-failed",
        says=("ended cancelled",),
        builds=3,
    ),
    BadDay(
        "the upgrade's build hangs",
        (Trouble("deployEnvironmentBranch", "build_hang"),),
        is_upgrade=True,
        ends="upgrade-failed",
        says=("at its deadline, so Lagoon was asked to cancel it",),
        builds=3,
    ),
    BadDay(
        "the answer to the upgrade's deploy is lost",
        (Trouble("deployEnvironmentBranch", "drop_after_commit"),),
        is_upgrade=True,
        builds=2,
    ),
    BadDay(
        "the pre-upgrade script fails",
        offer=Offer(scripts={"pre-upgrade": "exit 4", **SCRIPTED.scripts}),
        is_upgrade=True,
        ends="pre-upgrade-failed",
        says=("pre-upgrade script exited with 4",),
        mended_scripts={"pre-upgrade": "true"},
        builds=2,
    ),
    BadDay(
        "the upgrade script fails, and its retry uses the build that is there",
        offer=Offer(scripts={"upgrade": "exit 4", **SCRIPTED.scripts}),
        is_upgrade=True,
        ends="upgrade-failed",
        says=("upgrade script exited with 4",),
        mended_scripts={"upgrade": "true"},
        builds=2,
    ),
    BadDay(
        "the post-upgrade script fails",
        offer=Offer(scripts={"post-upgrade": "exit 4", **SCRIPTED.scripts}),
        is_upgrade=True,
        ends="post-upgrade-failed",
        says=("post-upgrade script exited with 4",),
        mended_scripts={"post-upgrade": "true"},
        builds=2,
    ),
    BadDay(
        "the portal fails the upgrade script with 254 for ever",
        (Trouble("ssh:upgrade", "ssh_254", ALWAYS),),
        offer=UPGRADING,
        is_upgrade=True,
        ends="upgrade-failed",
        says=("exit 254",),
        builds=2,
    ),
    BadDay(
        "Lagoon is away while the upgrade builds",
        (Trouble("POST /graphql", "http500", ALWAYS),),
        is_upgrade=True,
        strikes_at="upgrade-running",
        ends="upgrade-running",
        says=("HTTP 500",),
        minutes=75,
        builds=2,
    ),
    BadDay(
        "removal is asked for during an upgrade's build",
        is_upgrade=True,
        remove_at="upgrade-running",
        ends=REMOVED,
        says=("asked Lagoon to cancel",),
        builds=2,
    ),
]

NAMED = [*BUILDS, *CLAIMS, *OUTAGES, *CREDENTIALS, *STORES, *SHELLS, *REMOVALS, *UPGRADES]
NAMED += [*ENDS, *PURGES, *RESTORES, *AI]
