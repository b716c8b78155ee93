from dataclasses import fields

import pytest

from polydock_pipelines.catalog.trial_shapes import TRIAL_MAILS, Mails
from polydock_pipelines.emails.kinds import KINDS
from polydock_pipelines.lifecycle.mails import MailKind, is_written


def test_the_kinds_are_the_catalogues() -> None:
    assert set(KINDS) == set(Mails.model_fields) - {"theme", "hide_credentials"}
    assert list(KINDS) == list(MailKind)


def test_the_subjects_are_the_originals() -> None:
    assert [kind.subject for kind in KINDS.values()][:4] == [
        "Your new instance is Ready",
        "Halfway Through Your Trial",
        "One Day Left in Your Trial",
        "Your Trial Has Ended",
    ]


@pytest.mark.parametrize("kind", MailKind)
def test_an_app_sends_what_it_has_words_for_and_how_a_signup_ended(kind: MailKind) -> None:
    assert is_written({}, kind) is (kind.value not in TRIAL_MAILS)
    assert is_written({kind.value: {"body": "Hello", "enabled": True}}, kind)
    assert not is_written({kind.value: {"body": "Hello", "enabled": False}}, kind)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize(
    ("column", "field"),
    [
        ("has_credentials", "credentials"),
        ("has_login", "login_url"),
        ("has_extension", "extend_url"),
        ("has_unsubscribe", "unsubscribe_url"),
    ],
)
def test_a_kinds_columns_say_what_its_context_can_hold(
    kind: object, column: str, field: str
) -> None:
    held = {f.name for f in fields(getattr(kind, "context"))}  # noqa: B009 - parametrized
    assert getattr(kind, column) == (field in held)
