"""How operations find what their input names, and what Lagoon says when it is not there."""

from typing import TypedDict

from polydock_pipelines.simulator.model import Environment, Project
from polydock_pipelines.simulator.permissions import UNAUTHORIZED, RefusedError
from polydock_pipelines.simulator.schema import Context
from polydock_pipelines.simulator.world import World


class ProjectInput(TypedDict, total=False):
    """A project by its id or its name."""

    id: int | None
    name: str | None


class EnvironmentInput(TypedDict, total=False):
    """An environment by its id, or by its name and project."""

    id: int | None
    name: str | None
    project: ProjectInput | None


def project_of(world: World, given: ProjectInput | None) -> Project:
    """Return the project, or Lagoon's bare `Unauthorized`."""
    wanted = given or {}
    found = world.projects.get(wanted.get("id") or 0) or world.project(wanted.get("name"))
    if found is None:
        raise RefusedError(UNAUTHORIZED)
    return found


def project_named(context: Context, name: str) -> Project:
    """Return the project, or the sentence of the operations that do say what is missing."""
    found = context.world.project(name)
    if found is None:
        raise RefusedError(f"Not found: '{name}'")
    return found


def live_environment(world: World, given: EnvironmentInput) -> Environment:
    """Return an environment that was not removed, or Lagoon's bare `Unauthorized`."""
    by_id = world.environments.get(given.get("id") or 0)
    found = by_id if by_id and not by_id.deleted else None
    name = given.get("name")
    if by_id is None and name:
        found = project_of(world, given.get("project")).live.get(name.lower())
    if found is None:
        raise RefusedError(UNAUTHORIZED)
    return found
