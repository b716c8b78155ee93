"""Many operations in one document, within Lagoon's bounds."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from polydock_pipelines.clients.lagoon.documents import MAX_ALIASES, Aliased, batches, encode
from polydock_pipelines.lifecycle.secret import Secret

SET = Aliased("mutation", "set(name: $name, value: $value)", {"name": "String!", "value": "Int!"})


def sizes(items: list[dict[str, Any]]) -> list[int]:
    return [len(batch.aliases) for batch in batches(SET, items)]


def test_fields_get_aliases_and_variables_of_their_own() -> None:
    (batch,) = batches(SET, [{"name": "A", "value": 1}, {"name": "B", "value": 2}])
    body, secrets = encode(batch.operation.document, batch.values)
    sent = json.loads(body)
    assert "a1: set(name: $name_a1, value: $value_a1)" in sent["query"]
    assert "$value_a0: Int!" in sent["query"]
    assert sent["variables"] == {"name_a0": "A", "value_a0": 1, "name_a1": "B", "value_a1": 2}
    assert secrets == []


def test_at_most_400_fields_go_in_a_document() -> None:
    assert sizes([{"name": "A", "value": 1}] * (2 * MAX_ALIASES + 1)) == [400, 400, 1]


def test_nothing_is_no_document() -> None:
    assert sizes([]) == []


def test_an_item_that_is_too_large_gets_a_document_of_its_own() -> None:
    large = {"name": "x" * 200_000, "value": 1}
    small = {"name": "A", "value": 1}
    assert sizes([small, large, small]) == [1, 1, 1]


def test_an_index_is_found_by_an_errors_path() -> None:
    first, second = batches(SET, [{"name": "A", "value": 1}] * (MAX_ALIASES + 2))
    assert first.index_of(("a3", "id")) == 3
    assert second.index_of(("a1",)) == MAX_ALIASES + 1
    assert second.index_of(()) is None
    assert second.index_of(("a2",)) is None


@given(
    st.lists(st.text(max_size=30_000).map(lambda text: text * 4), min_size=1, max_size=12),
)
def test_a_document_of_several_fields_fits_in_a_body(values: list[str]) -> None:
    items = [{"name": Secret(value), "value": 1} for value in values]
    found = list(batches(SET, items))
    assert sum(len(batch.aliases) for batch in found) == len(items)
    for batch in found:
        body, _ = encode(batch.operation.document, batch.values)
        assert len(batch.aliases) == 1 or len(body) <= 100 * 1024


def test_a_secret_is_revealed_in_the_body_alone() -> None:
    (batch,) = batches(SET, [{"name": Secret("hunter22"), "value": 1}])
    body, secrets = encode(batch.operation.document, batch.values)
    assert b"hunter22" in body
    assert secrets == ["hunter22"]
    assert "hunter22" not in repr(batch)


def test_only_json_and_secrets_can_be_sent() -> None:
    (batch,) = batches(SET, [{"name": "A", "value": 1}])
    with pytest.raises(TypeError, match="cannot be sent"):
        encode(batch.operation.document, {"name_a0": {1, 2}})
