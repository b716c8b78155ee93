"""What a fresh simulator holds: two organizations and two clusters, and amazee.ai's seeds.

A project of somebody else's stands in each organization, so that a client is never alone.
"""

import uuid

from polydock_pipelines.simulator import keys
from polydock_pipelines.simulator.addresses import AI_TOKEN
from polydock_pipelines.simulator.amazee_ai import seeds as amazee_ai_seeds
from polydock_pipelines.simulator.cluster import Wanted, deploy
from polydock_pipelines.simulator.model import DeployTarget, Group, Organization, Project
from polydock_pipelines.simulator.options import SimulatorOptions
from polydock_pipelines.simulator.world import World, empty_world

_TARGETS = (("eu-1", "eu-west-1"), ("us-1", "us-east-1"))
_ORGANIZATIONS = (
    ("polydock-trials", "Polydock Trials", "polydock-operators", "house-website"),
    ("polydock-partners", "Polydock Partners", "polydock-partners", "partner-website"),
)


def fresh_world(options: SimulatorOptions) -> World:
    """Return a world as it is after a start or a reset. The home's keys and token must exist."""
    world = empty_world(options)
    public_key = keys.public_key(options.home / keys.CLIENT_KEY)
    for name, region in _TARGETS:
        target_id = world.next_id("target")
        world.targets[target_id] = DeployTarget(target_id, name, "simulated", region)
    for name, friendly_name, group, website in _ORGANIZATIONS:
        organization = Organization(world.next_id("organization"), name, friendly_name)
        world.organizations[organization.id] = organization
        world.groups[group] = Group(
            id=str(uuid.uuid5(uuid.NAMESPACE_DNS, group)),
            name=group,
            organization=organization.id,
            is_seeded=True,
        )
        _add_website(world, organization, website, public_key)
    amazee_ai_seeds.sow(world, (options.home / AI_TOKEN).read_text().strip())
    world.settle()
    return world


def _add_website(world: World, organization: Organization, name: str, public_key: str) -> None:
    project = Project(
        id=world.next_id("project"),
        name=name,
        git_url=f"https://git.example.com/{name}.git",
        organization=organization.id,
        target=world.targets[1],
        created=world.clock(),
        production_environment="main",
        private_key="",
        public_key=public_key,
        metadata={"team": "website"},
    )
    world.projects[project.id] = project
    world.names[name] = project
    build = deploy(world, project, "main", Wanted())
    # The websites were there long before: their first build is done at once.
    build.environment.queue.clear()
    build.status, build.started, build.completed = "complete", build.created, build.created
    build.environment.running = build.variables
    build.environment.deployed_at = None
    build.environment.route = f"https://nginx.main.{name}.eu-1.lagoon.example"
    build.environment.routes = build.environment.route
