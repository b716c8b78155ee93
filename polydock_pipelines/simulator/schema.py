"""The schema, and the registry by which resolvers are bound to its fields.

A field without a resolver of its own reads the attribute of the same name in snake case.
"""

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from importlib import resources
from operator import attrgetter
from typing import TypeVar

from graphql import (
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLObjectType,
    GraphQLResolveInfo,
    GraphQLSchema,
    build_schema,
)

from polydock_pipelines.simulator.faults import Fault
from polydock_pipelines.simulator.permissions import Caller, RefusedError
from polydock_pipelines.simulator.world import World

# Resolvers differ in their keyword arguments, which the schema has checked before they are called.
Resolver = Callable[..., object]
Bound = TypeVar("Bound", bound=Resolver)

_KEYWORDS = {"input": "given", "id": "id_", "type": "type_"}
"""Arguments whose names are builtins of Python."""

_RESOLVERS: dict[tuple[str, str], Resolver] = {}


@dataclass
class Context:
    """What every resolver may look at: the world, who asks, and faults on order for root fields."""

    world: World
    caller: Caller
    faults: dict[str, Fault] = field(default_factory=dict)
    """By response key."""


def resolves(type_name: str, field_name: str) -> Callable[[Bound], Bound]:
    """Bind a function `(source, context, **arguments)` to a field.

    A function with an argument *nodes* is shown the selection, too.
    """

    def bind(function: Bound) -> Bound:
        _RESOLVERS[type_name, field_name] = function
        return function

    return bind


def executable_schema() -> GraphQLSchema:
    """Return the schema with all resolvers that were bound so far."""
    sdl = resources.files("polydock_pipelines.simulator").joinpath("schema.graphql").read_text()
    schema = build_schema(sdl)
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLObjectType) and not type_.name.startswith("__"):
            _bind_fields(type_)
        elif isinstance(type_, GraphQLInputObjectType):
            for name, input_field in type_.fields.items():
                input_field.out_name = snake(name)
        elif isinstance(type_, GraphQLInterfaceType):
            type_.resolve_type = _group_type
    return schema


def snake(name: str) -> str:
    """Return a GraphQL name as an attribute's."""
    return re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name).lower()


def timestamp(moment: datetime | None) -> str | None:
    """Return a time as Lagoon's database writes it, in UTC."""
    return None if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S")


def _bind_fields(type_: GraphQLObjectType) -> None:
    is_root = type_.name in ("Query", "Mutation")
    for name, field_ in type_.fields.items():
        bound = _RESOLVERS.get((type_.name, name))
        if is_root and bound is None:
            raise LookupError(f"no resolver for {type_.name}.{name}")
        field_.resolve = _adapt(bound, name, is_root=is_root)
        for argument_name, argument in field_.args.items():
            argument.out_name = _KEYWORDS.get(argument_name) or snake(argument_name)


def _group_type(_value: object, _info: GraphQLResolveInfo, _type: object) -> str:
    return "Group"


def _adapt(bound: Resolver | None, name: str, *, is_root: bool) -> Resolver:
    if bound is None:
        return _attribute(name)
    sees_nodes = "nodes" in inspect.signature(bound).parameters

    def call(source: object, info: GraphQLResolveInfo, **arguments: object) -> object:
        if sees_nodes:
            arguments["nodes"] = info.field_nodes
        return bound(source, info.context, **arguments)

    if not is_root:
        return call

    def resolve(source: object, info: GraphQLResolveInfo, **arguments: object) -> object:
        context: Context = info.context
        fault = context.faults.get(str(info.path.key))
        if fault is not None and fault.kind != "partial_data":
            raise RefusedError(fault.message or _FAULT_WORDS[fault.kind](name))
        context.world.ledger.executed[name] += 1
        return call(source, info, **arguments)

    return resolve


def _attribute(name: str) -> Resolver:
    read = attrgetter(snake(name))

    def resolve(source: object, _info: GraphQLResolveInfo) -> object:
        value = read(source)
        return timestamp(value) if isinstance(value, datetime) else value

    return resolve


def _quota(name: str) -> str:
    if name == "addProject":
        return "This would exceed this organizations project quota; 3/3"
    return "Error deploying main: unable to create deploy task: exceed environment quota"


_FAULT_WORDS: dict[str, Callable[[str], str]] = {
    "graphql_error": lambda _: "Cannot read properties of undefined (reading 'id')",
    "quota": _quota,
}
