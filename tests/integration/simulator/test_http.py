"""Status codes, tokens, limits and batches: what a client meets before any operation."""

import json

import httpx
import jwt
import pytest

from polydock_pipelines.simulator.tokens import LEGACY_AUDIENCE, LEGACY_SECRET
from tests.integration.simulator.caller import ADD_PROJECT, Caller, project_input

# The default secret of a local Lagoon is shorter than PyJWT likes.
pytestmark = pytest.mark.filterwarnings("ignore:The HMAC key is:jwt.InsecureKeyLengthWarning")

EXPIRED = (
    "Unauthorized - Keycloak token invalid: Grant validation failed. "
    "Reason: invalid token (expired)"
)


def _legacy(caller: Caller, **more: object) -> str:
    now = int(caller.clock().timestamp())
    claims = {"role": "admin", "aud": LEGACY_AUDIENCE, "sub": "polydock", "iat": now}
    return jwt.encode({**claims, "exp": now + 60, **more}, LEGACY_SECRET, algorithm="HS256")


def test_an_error_of_an_operation_comes_with_200_and_null_for_its_field(caller: Caller) -> None:
    answer = caller.send('{ deploymentByName(input: {project: "no-such"}) { id } }')

    assert answer.status_code == 200
    assert answer.json() == {
        "errors": [
            {
                "message": "Not found: 'no-such'",
                "locations": [{"line": 1, "column": 3}],
                "path": ["deploymentByName"],
            }
        ],
        "data": {"deploymentByName": None},
    }


@pytest.mark.parametrize(
    ("header", "message"),
    [
        (None, "Unauthorized - Bearer token required"),
        ("Basic abc", "Unauthorized - Bearer token malformed"),
        ("Bearer", "Unauthorized - Bearer token malformed"),
        ("Bearer nonsense", "Unauthorized - Bearer token unrecognized"),
    ],
)
def test_a_bad_token_is_a_401_without_data(
    caller: Caller, header: str | None, message: str
) -> None:
    headers = {"Authorization": header} if header else {}
    answer = caller.http.post(
        f"{caller.url}/graphql", json={"query": "{ lagoonVersion }"}, headers=headers
    )

    assert answer.status_code == 401
    assert answer.json() == {"errors": [{"message": message}]}


def test_a_token_expires_by_the_clock(caller: Caller) -> None:
    caller.clock.move(299)
    assert caller.send("{ lagoonVersion }").status_code == 200

    caller.clock.move(2)
    answer = caller.send("{ lagoonVersion }")

    assert (answer.status_code, answer.json()) == (401, {"errors": [{"message": EXPIRED}]})


def test_a_token_signed_by_somebody_else_is_refused(caller: Caller) -> None:
    head, claims, _ = caller.token.split(".")
    caller.token = f"{head}.{claims}.{'A' * 43}"

    assert caller.send("{ lagoonVersion }").status_code == 401


def test_the_scheme_of_a_token_may_be_in_any_case(caller: Caller) -> None:
    answer = caller.http.post(
        f"{caller.url}/graphql",
        json={"query": "{ lagoonVersion }"},
        headers={"Authorization": f"bEARER {caller.token}"},
    )

    assert answer.json() == {"data": {"lagoonVersion": "2.33.1"}}


@pytest.mark.parametrize(
    ("claims", "message"),
    [
        ({"exp": 1}, "Legacy token invalid: jwt expired"),
        ({"aud": "other"}, "Legacy token invalid: Token audience mismatch."),
        (
            {"role": "guest"},
            "Legacy token invalid: Cannot authenticate non-admin user with legacy token.",
        ),
    ],
)
def test_a_wrong_legacy_token_says_why(
    caller: Caller, claims: dict[str, object], message: str
) -> None:
    caller.token = _legacy(caller, **claims)

    answer = caller.send("{ lagoonVersion }")

    assert answer.status_code == 401
    assert answer.json()["errors"] == [{"message": f"Unauthorized - {message}"}]


def test_me_fails_under_a_legacy_token_and_the_version_does_not(caller: Caller) -> None:
    caller.token = _legacy(caller)

    answer = caller.send("{ lagoonVersion me { id } }").json()

    assert answer["data"] == {"lagoonVersion": "2.33.1", "me": None}
    assert answer["errors"][0]["message"] == (
        "Cannot read properties of null (reading 'access_token')"
    )


def test_me_is_the_calling_user(caller: Caller) -> None:
    assert caller.ask("{ me { email } }") == {"email": "polydock@example.com"}


@pytest.mark.parametrize(
    "query",
    [
        "{ noSuchField }",
        "{ projectByName { id } }",
        "query($name: Int!) { projectByName(name: $name) { id } }",
        "{ deploymentsByFilter(deploymentStatus: [DONE]) { id } }",
        '{ projectByName(name: "a") }',
        'mutation { addProject(input: {name: "a"}) { id } }',
    ],
)
def test_a_document_that_does_not_fit_the_schema_is_a_400_without_data(
    caller: Caller, query: str
) -> None:
    answer = caller.send(query, name="a")

    assert answer.status_code == 400
    assert set(answer.json()) == {"errors"}
    assert answer.json()["errors"][0]["message"]


def test_the_words_of_the_validation_are_those_of_graphql_js(caller: Caller) -> None:
    answer = caller.send("{ me { noSuchField } }").json()

    assert answer["errors"][0]["message"] == 'Cannot query field "noSuchField" on type "User".'


@pytest.mark.parametrize(
    "variables", [{}, {"input": None}, {"input": {"name": "a"}}, {"input": {"name": 7}}]
)
def test_variables_that_do_not_fit_are_a_400_without_data(
    caller: Caller, variables: dict[str, object]
) -> None:
    answer = caller.send(ADD_PROJECT, **variables)

    assert (answer.status_code, set(answer.json())) == (400, {"errors"})


@pytest.mark.parametrize("query", ["{ lagoonVersion", "{ ... on Query { lagoonVersion } }", ""])
def test_a_syntax_error_or_a_fragment_at_the_root_is_a_500(caller: Caller, query: str) -> None:
    answer = caller.send(query)

    assert (answer.status_code, set(answer.json())) == (500, {"errors"})


def test_a_body_over_100_kib_is_a_413_in_html(caller: Caller) -> None:
    answer = caller.send("{ lagoonVersion }", padding="x" * 102_400)

    assert answer.status_code == 413
    assert answer.headers["content-type"].startswith("text/html")


def test_a_body_just_below_100_kib_is_read(caller: Caller) -> None:
    assert caller.send("{ lagoonVersion }", padding="x" * 102_000).status_code == 200


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("{", "application/json"),
        ("{}", "application/json"),
        ('{"query": "{ me { id } }"}', "text/x"),
    ],
)
def test_a_body_that_is_not_a_request_in_json_is_a_400(
    caller: Caller, content: str, kind: str
) -> None:
    headers = {"Authorization": f"Bearer {caller.token}", "Content-Type": kind}

    answer = caller.http.post(f"{caller.url}/graphql", content=content, headers=headers)

    assert answer.status_code == 400
    assert not answer.headers["content-type"].startswith("application/json")


def test_aliased_mutations_run_in_order_and_one_that_fails_stops_no_other(caller: Caller) -> None:
    caller.add_project()

    answer = caller.send(
        "mutation($a: AddProjectInput!, $b: AddProjectInput!) {"
        " first: addProject(input: $a) { name }"
        " again: addProject(input: $a) { name }"
        " second: addProject(input: $b) { name } }",
        a=project_input("trial-2"),
        b=project_input("trial-3"),
    ).json()

    assert answer["data"] == {
        "first": {"name": "trial-2"},
        "again": None,
        "second": {"name": "trial-3"},
    }
    assert [error["path"] for error in answer["errors"]] == [["again"]]


def test_an_array_of_requests_is_answered_with_an_array(caller: Caller) -> None:
    answer = caller.http.post(
        f"{caller.url}/graphql",
        json=[{"query": "{ lagoonVersion }"}, {"query": "{ me { email } }"}],
        headers={"Authorization": f"Bearer {caller.token}"},
    )

    assert answer.json() == [
        {"data": {"lagoonVersion": "2.33.1"}},
        {"data": {"me": {"email": "polydock@example.com"}}},
    ]


def test_status_and_discovery_need_no_token(caller: Caller) -> None:
    assert caller.http.get(f"{caller.url}/status").status_code == 200
    found = caller.http.get(f"{caller.url}/.well-known/appspecific/sh.lagoon.discovery.json")

    assert found.json()["ssh_token_exchange"]["token_endpoint_host"] == "127.0.0.1"


def test_a_query_may_come_in_the_address(caller: Caller) -> None:
    answer = caller.http.get(
        f"{caller.url}/graphql",
        params={"query": "{ lagoonVersion }"},
        headers={"Authorization": f"Bearer {caller.token}"},
    )

    assert answer.json() == {"data": {"lagoonVersion": "2.33.1"}}


def test_a_named_operation_is_chosen_among_several(caller: Caller) -> None:
    body = {"query": "query A { lagoonVersion } query B { me { email } }"}
    headers = {"Authorization": f"Bearer {caller.token}", "Content-Type": "application/json"}

    def send(**more: str) -> httpx.Response:
        content = json.dumps({**body, **more})
        return caller.http.post(f"{caller.url}/graphql", content=content, headers=headers)

    assert send(operationName="B").json()["data"] == {"me": {"email": "polydock@example.com"}}
    assert send().status_code == 400
    assert send(operationName="C").status_code == 400
