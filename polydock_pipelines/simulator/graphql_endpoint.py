"""`/graphql`: one request or an array of them, with Lagoon's status codes."""

import asyncio
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from graphql import OperationDefinitionNode
from graphql.execution import execute_sync
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response

from polydock_pipelines.simulator.documents import (
    SCHEMA,
    Prepared,
    RefusedDocumentError,
    RootField,
    check_variables,
    plain,
    prepare,
)
from polydock_pipelines.simulator.faults import FIELD, Fault
from polydock_pipelines.simulator.model import Post
from polydock_pipelines.simulator.permissions import Caller
from polydock_pipelines.simulator.schema import Context
from polydock_pipelines.simulator.tokens import TokenRefusedError, judge
from polydock_pipelines.simulator.trouble import Trouble
from polydock_pipelines.simulator.world import World

MAX_BODY = 100 * 1024


@dataclass(frozen=True)
class Ask:
    """One request, parsed: its document, operation, variables and root fields."""

    prepared: Prepared
    operation: OperationDefinitionNode
    variables: Mapping[str, object]
    fields: Sequence[RootField]


class BadBodyError(Exception):
    """A body that holds no GraphQL request."""


async def graphql_endpoint(request: Request) -> Response:
    """Answer a request to `/graphql`."""
    world: World = request.app.state.world
    body = await request.body()
    if len(body) > MAX_BODY:
        return HTMLResponse("<pre>PayloadTooLargeError: request entity too large</pre>", 413)
    try:
        caller = judge(world, request.headers.get("authorization"))
        payload = _payload(request, body)
        asks = [_ask(entry) for entry in (payload if isinstance(payload, list) else [payload])]
    except TokenRefusedError as error:
        return _errors(401, [{"message": str(error)}])
    except BadBodyError as error:
        return PlainTextResponse(str(error), 400)
    except RefusedDocumentError as error:
        return _errors(error.status, error.errors)
    return await _carry_out(request, caller, asks, is_batch=isinstance(payload, list))


async def _carry_out(
    request: Request, caller: Caller, asks: list[Ask], *, is_batch: bool
) -> Response:
    world: World = request.app.state.world
    asked = [field.name for ask in asks for field in ask.fields]
    names = set(asked)
    world.ledger.requests.update(asked)
    _note_post(world, request, asked)
    if world.settings.latency_ms:
        await asyncio.sleep(world.settings.latency_ms / 1000)
    trouble = Trouble.take(world, {*names, f"{request.method} {request.url.path}"})
    early = await trouble.before(request)
    if early is not None:
        return early
    answers = [_execute(world, caller, ask) for ask in asks]
    trouble.after(request)
    return JSONResponse(answers if is_batch else answers[0])


def _note_post(world: World, request: Request, asked: Sequence[str]) -> None:
    where = f"{request.client.host}:{request.client.port}" if request.client else ""
    post = Post(world.next_id("post"), where, tuple(asked), world.clock())
    world.ledger.posts.append(post)


def _payload(request: Request, body: bytes) -> object:
    if request.method == "GET":
        query = request.query_params
        return {"query": query.get("query"), "operationName": query.get("operationName")}
    if not request.headers.get("content-type", "").startswith("application/json"):
        raise BadBodyError("POST body missing, invalid Content-Type, or JSON object has no keys.")
    try:
        return json.loads(body)
    except ValueError as error:
        raise BadBodyError(f"SyntaxError: {error}") from error


def _ask(entry: object) -> Ask:
    if not isinstance(entry, dict) or not isinstance(entry.get("query"), str):
        raise BadBodyError("POST body missing, invalid Content-Type, or JSON object has no keys.")
    prepared = prepare(entry["query"])
    operation = prepared.operation(entry.get("operationName"))
    variables = entry.get("variables") or {}
    if not isinstance(variables, dict):
        raise BadBodyError("`variables` in a POST body should be provided as an object.")
    check_variables(operation, variables)
    return Ask(prepared, operation, variables, prepared.root_fields(operation))


def _execute(world: World, caller: Caller, ask: Ask) -> dict[str, object]:
    world.settle()
    context = Context(world, caller, _field_faults(world, ask.fields))
    result = execute_sync(
        SCHEMA,
        ask.prepared.document,
        context_value=context,
        variable_values=dict(ask.variables),
        operation_name=ask.operation.name.value if ask.operation.name else None,
    )
    answer: dict[str, object] = {}
    errors = [plain(error) for error in result.errors or ()]
    for key, fault in context.faults.items():
        if fault.kind == "partial_data" and result.data:
            errors.extend(_take_away(result.data, key, fault))
    if errors:
        answer["errors"] = errors
    answer["data"] = result.data
    return answer


def _field_faults(world: World, fields: Sequence[RootField]) -> dict[str, Fault]:
    taken = ((field.key, world.faults.take({field.name}, FIELD)) for field in fields)
    return {key: fault for key, fault in taken if fault is not None}


def _take_away(data: dict[str, object], key: str, fault: Fault) -> list[dict[str, object]]:
    """Put null in the place of a nested field of the answer, and return the error beside it."""
    path: list[str | int] = [key]
    value = data.get(key)
    if isinstance(value, list) and value:
        value = value[0]
        path.append(0)
    if not isinstance(value, dict):
        return []
    nested = [name for name, inner in value.items() if isinstance(inner, list | dict)]
    choices = [fault.field] if fault.field else ["envVariables", *nested, *reversed(value)]
    name = next((choice for choice in choices if choice in value), None)
    if name is None:
        return []
    value[name] = None
    text = 'Unauthorized: You don\'t have permission to "project:viewValue" on "env_var"'
    return [{"message": fault.message or text, "path": [*path, name]}]


def _errors(status: int, errors: list[dict[str, object]]) -> Response:
    return JSONResponse({"errors": errors}, status)
