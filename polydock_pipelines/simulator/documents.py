"""GraphQL documents: parsed and validated once, judged as Lagoon's server judges them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from importlib import import_module

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    OperationDefinitionNode,
    SelectionSetNode,
    get_operation_ast,
    parse,
    validate,
)
from graphql.execution.values import get_variable_values

from polydock_pipelines.simulator.schema import executable_schema

MAX_TOKENS = 50_000


@dataclass(frozen=True)
class RootField:
    """A field that a request asks for, and the key under which it is answered."""

    key: str
    name: str


class RefusedDocumentError(Exception):
    """A document that is never executed: an HTTP status other than 200, and no data."""

    def __init__(self, status: int, errors: list[GraphQLError]) -> None:
        super().__init__(errors[0].message)
        self.status = status
        self.errors = [plain(error) for error in errors]


@dataclass(frozen=True)
class Prepared:
    """A document fit to be executed."""

    document: DocumentNode
    fragments: Mapping[str, FragmentDefinitionNode] = field(default_factory=dict)

    def operation(self, name: str | None) -> OperationDefinitionNode:
        """Return the operation to run, which must be named when there are several."""
        found = get_operation_ast(self.document, name)
        if found is None:
            text = f'Unknown operation named "{name}".' if name else "Must provide operation name."
            raise RefusedDocumentError(400, [GraphQLError(text)])
        return found

    def root_fields(self, operation: OperationDefinitionNode) -> list[RootField]:
        """Return the fields at the root of an operation, named fragments looked through."""
        return list(self._fields(operation.selection_set))

    def _fields(self, selections: SelectionSetNode) -> Iterator[RootField]:
        for node in selections.selections:
            if isinstance(node, FieldNode):
                yield RootField((node.alias or node.name).value, node.name.value)
            elif isinstance(node, FragmentSpreadNode) and node.name.value in self.fragments:
                yield from self._fields(self.fragments[node.name.value].selection_set)


# The import of a module of operations binds its resolvers.
for _noun in (
    "builds",
    "deployments",
    "environments",
    "groups",
    "identity",
    "new_project",
    "projects",
    "variables",
):
    import_module(f"polydock_pipelines.simulator.operations.{_noun}")

SCHEMA = executable_schema()


def prepare(text: str) -> Prepared:
    """Return the document, or raise as Lagoon refuses it."""
    found = _prepare(text)
    if isinstance(found, RefusedDocumentError):
        raise found
    return found


def check_variables(operation: OperationDefinitionNode, values: Mapping[str, object]) -> None:
    """Refuse variables that the operation does not take."""
    definitions = operation.variable_definitions
    if definitions:
        found = get_variable_values(SCHEMA, definitions, dict(values))
        if isinstance(found, list):
            raise RefusedDocumentError(400, found)


def plain(error: GraphQLError) -> dict[str, object]:
    """Return an error as Lagoon shows it: no extensions, double quotes."""
    shown: dict[str, object] = {"message": error.message}
    if error.locations:
        shown["locations"] = [{"line": at.line, "column": at.column} for at in error.locations]
    if error.path is not None:
        shown["path"] = error.path
    return shown


@lru_cache(maxsize=512)
def _prepare(text: str) -> Prepared | RefusedDocumentError:
    try:
        document = parse(text, max_tokens=MAX_TOKENS)
    except GraphQLError as error:
        return RefusedDocumentError(500, [error])
    for definition in document.definitions:
        # A plugin of the server reads the root fields before validation, and trips over these.
        if isinstance(definition, OperationDefinitionNode) and any(
            isinstance(node, InlineFragmentNode) for node in definition.selection_set.selections
        ):
            text = "Cannot read properties of undefined (reading 'value')"
            return RefusedDocumentError(500, [GraphQLError(text)])
    errors = validate(SCHEMA, document)
    if errors:
        return RefusedDocumentError(400, [_quoted(error) for error in errors])
    fragments = {
        d.name.value: d for d in document.definitions if isinstance(d, FragmentDefinitionNode)
    }
    return Prepared(document, fragments)


def _quoted(error: GraphQLError) -> GraphQLError:
    """Return the error in the quotes of graphql-js."""
    return GraphQLError(error.message.replace("'", '"'), nodes=error.nodes)
