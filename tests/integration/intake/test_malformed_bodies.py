"""Whatever is not a registration: a clear 4xx that names what is wrong, and no row anywhere."""

import json
import socket
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.integration.actions.tables import dump
from tests.integration.intake.door import Door, body, without

CANARY = "Canary4711"
LIMIT = 64 * 1024
NEEDED = (
    "first_name",
    "last_name",
    "trial_app",
    "aup_and_privacy_acceptance",
    "opt_in_to_product_updates",
)
TEXTS = ("first_name", "last_name", "company_name", "organization", "job_title", "region")
NO_JSON, NO_OBJECT = "not valid JSON", "not a JSON object"

BODIES: dict[str, tuple[bytes, int, str]] = {
    "empty": (b"", 400, NO_JSON),
    "no JSON": (CANARY.encode(), 400, NO_JSON),
    "a form": (b"email=grace%40example.com", 400, NO_JSON),
    "cut off": (json.dumps(body()).encode()[:-9], 400, NO_JSON),
    "two objects": (b"{}{}", 400, NO_JSON),
    "latin-1": ('{"email": "Canary4711é"}'.encode("latin-1"), 400, NO_JSON),
    "UTF-16": (json.dumps(body()).encode("utf-16"), 400, NO_JSON),
    "an array": (json.dumps([CANARY]).encode(), 400, NO_OBJECT),
    "a number": (b"4711", 400, NO_OBJECT),
    "a text": (f'"{CANARY}"'.encode(), 400, NO_OBJECT),
    "null": (b"null", 400, NO_OBJECT),
    "nested too deep": (b"[" * 30_000 + b"]" * 30_000, 400, NO_JSON),
    "a field nested too deep": (b'{"a":' + b"[" * 30_000 + b"]" * 30_000 + b"}", 400, NO_JSON),
    "an integer of 5000 digits": (b'{"aup": ' + b"9" * 5000 + b"}", 400, NO_JSON),
    "a field twice": (
        json.dumps(body()).encode()[:-1] + b', "email": "Canary4711@example.com"}',
        400,
        "a field twice",
    ),
    "64 KiB and a byte": (json.dumps(body()).encode().ljust(LIMIT + 1), 413, "64 KiB"),
    "an empty object": (b"{}", 422, "register_type"),
}


@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_is_no_registration_is_refused(shut_door: Door, name: str) -> None:
    content, status, words = BODIES[name]
    before = dump(shut_door.db)

    answer = shut_door.post(content)

    assert answer.status_code == status, answer.text
    assert answer.json().keys() == {"status", "message"}
    assert answer.json()["status"] == "failed"
    assert words in answer.json()["message"]
    assert CANARY not in answer.text
    assert dump(shut_door.db) == before


def _pieces(size: int) -> Iterator[bytes]:
    for start in range(0, size, 1000):
        yield b" " * min(1000, size - start)


@pytest.mark.parametrize("size", [LIMIT + 1, 40 * LIMIT])
def test_a_body_without_a_length_is_bounded_too(shut_door: Door, size: int) -> None:
    before = dump(shut_door.db)
    answer = shut_door.post(_pieces(size))
    assert (answer.status_code, answer.json()["status"]) == (413, "failed")
    assert dump(shut_door.db) == before


@pytest.mark.parametrize(
    "kind",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "nonsense",
    ],
)
def test_a_body_that_does_not_say_json_is_refused(shut_door: Door, kind: str) -> None:
    before = dump(shut_door.db)
    answer = shut_door.post(json.dumps(body()), {"Content-Type": kind})
    assert answer.status_code == 415
    assert "application/json" in answer.json()["message"]
    assert dump(shut_door.db) == before


BLANKS = ("", "   ", "\u00a0\u3000", "\u200b", "\u200d\u200f")
UUIDS = (CANARY, f"{CANARY}-9c1b-4c12-8f0f-0d3f1a6a4a11", "' OR 1=1 --", "\0", "", " ", "¤")
SIGNS = "\0\n\x1b\x7f\x85\ud800\u2028\u202e\u2066"
WRONG: dict[str, list[object]] = {
    "register_type": [CANARY, "request_trial", "", " REQUEST_TRIAL", "REQUEST_TRIAL\0"],
    "trial_app": [*UUIDS],
    "aup_and_privacy_acceptance": ["1", True, False, 1.0, 1e400, 10**30, -(10**30), CANARY],
    "opt_in_to_product_updates": [1.5, [], {}],
    "first_name": [*BLANKS],
    "last_name": [*BLANKS],
}
"""What each field does not take, beside the values that suit none."""


def _values(name: str) -> list[object]:
    """Return what a field does not take."""
    wrong: list[object] = [*WRONG.get(name, []), [CANARY]]
    if name in (*NEEDED, "register_type", "email"):
        wrong += [None, {"a": CANARY}]
    if name in (*TEXTS, "email", "trial_app", "register_type"):
        wrong += [4711, 1.5, True]
    if name in TEXTS:
        wrong += [CANARY * 26, *(f"{CANARY}{sign}{CANARY}" for sign in SIGNS)]
    return wrong


def _fields() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the field that is wrong, and the body."""
    for name in (*NEEDED, "register_type", "email"):
        yield name, without(name)
    for name in dict.fromkeys((*NEEDED, "register_type", "email", *TEXTS)):
        for wrong in _values(name):
            yield name, body(**{name: wrong})


def _id(value: object) -> str | None:
    """Name a case by its field and, where it is there, its value."""
    return value if isinstance(value, str) else None


ADDRESSES = (
    "Canary4711",
    "@example.com",
    "Canary4711@",
    "Canary4711@localhost",
    "Canary4711@[127.0.0.1]",
    "Canary4711@exa mple.com",
    "Canary4711@exam¤ple.com",
    "Canary 4711@example.com",
    "Canary4711@@example.com",
    "Canary4711@example..com",
    ".Canary4711@example.com",
    "Canary4711@-example.com",
    "Canary4711@example.com,b@example.com",
    "Canary4711@example.com\nBcc: b@example.com",
    "Canary4711@example.com\0",
    "\ud800@example.com",
    "Grace <Canary4711@example.com>",
    '"Canary 4711"@example.com',
    f"{'Canary4711' * 7}@example.com",
    f"Canary4711@{'a' * 60}.{'b' * 60}.{'c' * 60}.{'d' * 60}.example.com",
)


@pytest.mark.parametrize("address", ADDRESSES, ids=ascii)
def test_what_is_no_address_is_refused(shut_door: Door, address: str) -> None:
    refused(shut_door, "email", body(email=address))


@pytest.mark.parametrize(("field", "wrong"), list(_fields()), ids=_id)
def test_a_wrong_field_is_named_and_its_value_is_not(
    shut_door: Door, field: str, wrong: dict[str, Any]
) -> None:
    refused(shut_door, field, wrong)


def refused(door: Door, field: str, wrong: dict[str, Any]) -> None:
    """Check a 422 that names the field alone, and that nothing is stored."""
    before = dump(door.db)
    answer = door.post(json.dumps(wrong))
    assert answer.status_code == 422, answer.text
    assert answer.json().keys() == {"status", "message"}
    message = answer.json()["message"]
    assert message.startswith("Malformed registration request: ")
    assert field in message
    assert [other for other in body() if other in message] == [field] * (field in body())
    for value in (CANARY, "4711", "1.5", "OR 1=1", "¤"):
        assert value not in answer.text
    assert dump(door.db) == before


def test_all_that_is_missing_is_named_at_once(shut_door: Door) -> None:
    answer = shut_door.post(json.dumps(without(*NEEDED)))
    assert all(name in answer.json()["message"] for name in NEEDED)


def test_a_key_that_is_too_long_is_refused_like_any_other_mistake(shut_door: Door) -> None:
    before = dump(shut_door.db)
    answer = shut_door.register(key=CANARY * 26)
    assert answer.status_code == 422
    assert answer.json().keys() == {"status", "message"}
    assert "idempotency-key" in answer.json()["message"]
    assert "255" in answer.json()["message"]
    assert CANARY not in answer.text
    assert dump(shut_door.db) == before


def test_somebody_who_hangs_up_half_way_leaves_nothing(
    shut_door: Door, caplog: pytest.LogCaptureFixture
) -> None:
    before = dump(shut_door.db)
    url = urlsplit(str(shut_door.http.base_url))
    half = b'POST /api/register HTTP/1.1\r\nHost: x\r\nContent-Length: 999\r\n\r\n{"email": "'
    with socket.create_connection((url.hostname or "", url.port or 0)) as caller:
        caller.sendall(half + CANARY.encode())
    assert shut_door.http.get("/healthz").status_code == 200
    assert dump(shut_door.db) == before
    assert CANARY not in caplog.text


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "GET"])
def test_other_verbs_do_nothing(shut_door: Door, method: str) -> None:
    before = dump(shut_door.db)
    assert shut_door.http.request(method, "/api/register").status_code == 405
    assert dump(shut_door.db) == before
