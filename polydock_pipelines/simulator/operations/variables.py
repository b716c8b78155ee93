"""Variables of organizations, projects and environments, all addressed by names."""

from datetime import timedelta
from typing import Required, TypedDict

from graphql import FieldNode

from polydock_pipelines.simulator.model import Environment, Organization, Project, Variable
from polydock_pipelines.simulator.operations.lookup import project_of
from polydock_pipelines.simulator.permissions import RefusedError
from polydock_pipelines.simulator.schema import Context, resolves, timestamp

VALUE_COLUMN = 65_535
_SECOND = timedelta(seconds=1)
_NO_TARGET = (
    "Error determining type. Submit an organization name, a project name, "
    "or a project name and environment name."
)


class VariableInput(TypedDict, total=False):
    """A variable by its name and where it belongs."""

    name: Required[str]
    value: str
    scope: str | None
    project: str | None
    environment: str | None
    organization: str | None


@resolves("Mutation", "addOrUpdateEnvVariableByName")
def set_variable(_source: object, context: Context, given: VariableInput) -> Variable | None:
    """Set a variable. The same value again within a second changes no row, and answers null."""
    name = given["name"].strip()
    if not name:
        raise RefusedError("A variable name must be provided.")
    scope = (given.get("scope") or "GLOBAL").lower()
    if scope == "internal_container_registry":
        raise RefusedError(
            'Variable scope "internal_container_registry" is deprecated & can no longer be set.'
        )
    value = given.get("value", "")
    variables = _target(context, given, "add")
    if len(value.encode()) > VALUE_COLUMN:
        # The database's own words, the secret value included: clients must not log them.
        statement = f"insert into `env_vars` values ('{name}', '{value}')"  # noqa: S608 - never run
        raise RefusedError(
            "(conn:85, no: 1406, SQLState: 22001) Data too long for column 'value' at row 1\n"
            f"sql: {statement}"
        )
    return _upsert(context, variables, Variable(0, name, value, scope, context.world.clock()))


def _upsert(context: Context, variables: dict[str, Variable], wanted: Variable) -> Variable | None:
    known = variables.get(wanted.name)
    if known is None:
        wanted.id = context.world.next_id("variable")
        variables[wanted.name] = wanted
        return wanted
    is_same = (known.value, known.scope) == (wanted.value, wanted.scope)
    if is_same and wanted.written_at - known.written_at < _SECOND:
        return None
    wanted.id = known.id
    variables[wanted.name] = wanted
    return wanted


@resolves("Mutation", "deleteEnvVariableByName")
def delete_variable(_source: object, context: Context, given: VariableInput) -> str:
    """Delete a variable; one that is not there is a success too."""
    _target(context, given, "delete").pop(given["name"], None)
    return "success"


def _target(context: Context, given: VariableInput, verb: str) -> dict[str, Variable]:
    """Return the variables that *given* addresses, if the caller may change them."""
    organization, project = given.get("organization"), given.get("project")
    environment = given.get("environment")
    if organization and not project and not environment:
        return _organization_variables(context, organization, verb)
    if organization or not project:
        raise RefusedError(_NO_TARGET)
    found = project_of(context.world, {"name": project})
    if not environment:
        context.caller.require(context.world, f"project:{verb}", "env_var", found)
        return found.variables
    return _environment_variables(context, found, environment, verb)


def _organization_variables(context: Context, name: str, verb: str) -> dict[str, Variable]:
    organization = context.world.organization_named(name)
    if organization is None:
        raise RefusedError("Cannot read properties of undefined (reading 'id')")
    context.caller.require_organization(context.world, f"{verb}EnvVar", organization.id)
    return organization.variables


def _environment_variables(
    context: Context, project: Project, name: str, verb: str
) -> dict[str, Variable]:
    environment = project.environment(name, include_deleted=False)
    if environment is None and verb == "delete":
        raise RefusedError(f"environment {name} doesn't exist")
    if environment is None:
        raise RefusedError("Cannot read properties of undefined (reading 'environmentType')")
    scope = f"environment:{verb}:{environment.environment_type}"
    context.caller.require(context.world, scope, "env_var", project)
    return environment.variables


@resolves("Query", "getEnvVariablesByProjectEnvironmentName")
def list_variables(
    _source: object, context: Context, given: VariableInput, nodes: list[FieldNode]
) -> list[Variable]:
    """Return the variables of a project or of one of its environments."""
    project = project_of(context.world, {"name": given.get("project")})
    name = given.get("environment")
    if not name:
        return project_variables(project, context, nodes)
    environment = project.environment(name, include_deleted=False)
    if environment is None:
        raise RefusedError("Cannot read properties of undefined (reading 'environmentType')")
    return environment_variables(environment, context, nodes)


@resolves("Project", "envVariables")
def project_variables(project: Project, context: Context, nodes: list[FieldNode]) -> list[Variable]:
    """Return a project's variables; their values need more than their names."""
    context.caller.require(context.world, f"project:{_view(nodes)}", "env_var", project)
    return list(project.variables.values())


@resolves("Environment", "envVariables")
def environment_variables(
    environment: Environment, context: Context, nodes: list[FieldNode]
) -> list[Variable]:
    """Return an environment's variables; their values need more than their names."""
    scope = f"environment:{_view(nodes)}:{environment.environment_type}"
    context.caller.require(context.world, scope, "env_var", environment.project)
    return list(environment.variables.values())


@resolves("Organization", "envVariables")
def organization_variables(organization: Organization, context: Context) -> list[Variable]:
    """Return an organization's variables."""
    context.caller.require_organization(context.world, "viewEnvVar", organization.id)
    return list(organization.variables.values())


def _view(nodes: list[FieldNode]) -> str:
    """Return the scope that the selection needs; Lagoon looks at its first level only, too."""
    selected = nodes[0].selection_set
    names = (
        [s.name.value for s in selected.selections if isinstance(s, FieldNode)] if selected else []
    )
    return "viewValue" if "value" in names else "view"


@resolves("Environment", "pendingChanges")
def pending_changes(environment: Environment, _context: Context) -> list[dict[str, str | None]]:
    """List the variables that changed since the last deployment."""
    since = environment.builds[-1].created if environment.builds else environment.created
    variables = [*environment.project.variables.values(), *environment.variables.values()]
    return [
        {"type": "Variable", "details": v.name, "date": timestamp(v.written_at)}
        for v in variables
        if v.written_at > since
    ]


@resolves("EnvKeyValue", "updated")
def updated(_variable: Variable, _context: Context) -> None:
    """Return null, as Lagoon does."""


resolves("EnvironmentPendingChanges", "type")(lambda change, _context: change["type"])
resolves("EnvironmentPendingChanges", "details")(lambda change, _context: change["details"])
resolves("EnvironmentPendingChanges", "date")(lambda change, _context: change["date"])
