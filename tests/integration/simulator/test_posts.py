"""The list of requests by which a measurement tells who asked how often."""

import httpx

from polydock_pipelines.simulator.model import Post
from polydock_pipelines.simulator.world import MOST_POSTS, Ledger
from tests.fakes.clock import START
from tests.integration.simulator.caller import Caller


def test_each_request_is_listed_once_with_its_fields_and_its_connection(caller: Caller) -> None:
    caller.send("{ a: lagoonVersion b: lagoonVersion me { id } }")
    caller.send("{ lagoonVersion }")

    first, second = caller.state("posts")

    assert first["fields"] == {"lagoonVersion": 2, "me": 1}
    assert (first["number"], second["number"]) == (1, 2)
    assert first["at"] <= second["at"]


def test_a_client_that_stays_connected_is_one_connection_and_another_is_another(
    caller: Caller,
) -> None:
    question = {"query": "{ lagoonVersion }"}
    headers = {"authorization": f"Bearer {caller.token}"}
    for _ in range(2):
        with httpx.Client(headers=headers) as client:
            for _ in range(2):
                client.post(f"{caller.url}/graphql", json=question)

    connections = [post["connection"] for post in caller.state("posts")]

    assert [connections.count(one) for one in connections] == [2, 2, 2, 2]


def test_only_the_last_requests_are_kept() -> None:
    ledger = Ledger()
    for number in range(MOST_POSTS + 1):
        ledger.posts.append(Post(number, "", (), START))

    assert (len(ledger.posts), ledger.posts[0].number) == (MOST_POSTS, 1)
