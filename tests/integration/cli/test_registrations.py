"""`polydock register` and `polydock registrations …`."""

import pytest
from sqlalchemy import select

from polydock_pipelines.db.loading import open_field
from polydock_pipelines.db.models.offers import FieldValue
from tests.integration.actions.tables import counts, dump
from tests.integration.cli.conftest import Polydock
from tests.integration.intake.door import APP, offer
from tests.makers import VAULT, make_registration, make_store_app

PERSON = ("--email", "grace@example.com", "--first-name", "Grace", "--last-name", "Hopper")


def register(polydock: Polydock, *more: str, app: str = APP) -> str:
    """Register a person; return the uuid."""
    return polydock("register", *PERSON, "--app", app, "--accept-aup", *more, "--json").json["uuid"]


def test_a_registration_is_taken_although_dagster_is_away(polydock: Polydock) -> None:
    offer(polydock.db)
    said = polydock("register", *PERSON, "--app", APP, "--accept-aup", "--opt-in")
    assert (said.code, said.err) == (0, "")
    assert "is processing" in said.out
    assert "polydock registrations show" in said.out
    assert counts(polydock.db)["app_instances"] == 1


def test_a_registration_for_programs(polydock: Polydock) -> None:
    offer(polydock.db)
    told = polydock("register", *PERSON, "--app", APP, "--accept-aup", "--json").json
    assert told.keys() == {"uuid", "status", "is_new", "instance_uuid"}
    assert (told["status"], told["is_new"]) == ("processing", True)


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_a_registration_that_fails_says_why_and_ends_with_1(
    polydock: Polydock, as_json: list[str]
) -> None:
    offer(polydock.db)
    said = polydock("register", *PERSON, "--app", APP, *as_json)
    assert said.code == 1
    assert said.err.count("\n") == 1
    assert "You must accept the AUP and Privacy Policy to proceed" in said.err


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("email", ("--email", "Canary4711", *PERSON[2:], "--app", APP)),
        ("trial_app", (*PERSON, "--app", "Canary4711")),
        ("first_name", (*PERSON[:2], "--first-name", " ", *PERSON[4:], "--app", APP)),
        ("company_name", (*PERSON, "--app", APP, "--company", "Canary4711\x1b[2J")),
    ],
)
def test_a_wrong_value_is_named_and_nothing_is_kept(
    polydock: Polydock, name: str, arguments: tuple[str, ...]
) -> None:
    offer(polydock.db)
    before = counts(polydock.db)
    said = polydock("register", *arguments, "--accept-aup")
    assert said.code == 2
    assert name in said.line
    assert "Canary4711" not in said.line
    assert counts(polydock.db) == before


def test_an_option_that_is_missing_is_bad_usage(polydock: Polydock) -> None:
    said = polydock("register", *PERSON)
    assert (said.code, said.out) == (2, "")
    assert "--app" in said.err


def test_an_empty_list_says_so(polydock: Polydock) -> None:
    assert polydock("registrations", "list").out == "No registrations yet.\n"
    assert polydock("registrations", "list", "--json").json == []


def test_a_registration_is_listed_and_shown(polydock: Polydock) -> None:
    offer(polydock.db)
    uuid = register(polydock, "--company", "Harvard")
    listed = polydock("registrations", "list").out
    shown = polydock("registrations", "show", uuid).out
    (entry,) = polydock("registrations", "list", "--json").json
    assert [line for line in listed.splitlines() if uuid in line and "grace@example.com" in line]
    assert "Harvard" in shown
    assert "Your trial is being created..." in shown
    assert entry == polydock("registrations", "show", uuid, "--json").json
    assert entry["request"]["company_name"] == "Harvard"
    assert polydock("registrations", "list", "--status", "failed", "--json").json == []


def test_what_people_wrote_is_shown_as_it_is(polydock: Polydock) -> None:
    region = "[/red][bold]Mars[/bold] :rocket: [link=x] 👩\u200d💻 דוד"
    with polydock.db.write() as session:
        uuid = make_registration(
            session,
            type="REQUEST_TRIAL_UNLISTED_REGION",
            status="success",
            request={"region": region, "first_name": "[/]"},
        ).uuid
    assert region in polydock("registrations", "list").out
    assert region in polydock("registrations", "show", uuid).out


def test_an_unlisted_region_is_no_success_in_disguise(polydock: Polydock) -> None:
    with polydock.db.write() as session:
        make_registration(
            session,
            type="REQUEST_TRIAL_UNLISTED_REGION",
            status="success",
            request={"region": "Mars"},
        )
    assert "not offered (Mars); no trial" in polydock("registrations", "list").out


def test_an_unknown_registration_is_one_line(polydock: Polydock) -> None:
    said = polydock("registrations", "show", "nobody")
    assert said.code == 1
    assert "there is no registration nobody; `polydock registrations list`" in said.line


# -- fields of the app's type

CANARY = "Canary4711"


def offer_of(polydock: Polydock, app_type: str) -> str:
    with polydock.db.write() as session:
        return make_store_app(session, app_type=app_type).uuid


def fields(polydock: Polydock) -> dict[str, str]:
    with polydock.db.read() as session:
        rows = session.scalars(select(FieldValue)).all()
    return {row.name: open_field(row, VAULT).reveal() for row in rows}


def test_an_operator_fills_fields_that_the_street_may_not(polydock: Polydock) -> None:
    app = offer_of(polydock, "dependency-track")
    register(polydock, "--field", "lagoon_organisation=partners", app=app)
    assert fields(polydock) == {"lagoon_organisation": "partners"}


def test_a_secret_field_comes_from_the_environment_and_is_never_shown(
    polydock: Polydock, environ: pytest.MonkeyPatch
) -> None:
    environ.setenv("THE_KEY", f"sk={CANARY}")
    app = offer_of(polydock, "amazee-claw")
    given = ("--field", "llm_key=env:THE_KEY", "--field", "llm_url=https://llm.example.com/?a=b")
    uuid = register(polydock, *given, app=app)
    assert fields(polydock) == {
        "llm_key": f"sk={CANARY}",
        "llm_url": "https://llm.example.com/?a=b",
    }
    assert CANARY not in repr(dump(polydock.db))
    for command in (["list"], ["show", uuid]):
        for as_json in ([], ["--json"]):
            said = polydock("registrations", *command, *as_json)
            assert uuid in said.out
            assert CANARY not in said.out
            assert "fields_mark" not in said.out


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ((CANARY,), "--field: expected NAME=VALUE or NAME=env:VARIABLE"),
        (("llm_key=env:NOBODY",), "--field llm_key: NOBODY is not set in the environment"),
        (("llm_key=env:",), "--field: expected NAME=VALUE or NAME=env:VARIABLE"),
        ((f"llm_url=http://{CANARY}",), "llm_url: expected an https URL"),
        ((f"{CANARY} x=1",), "instance_config_*: expected names of lower-case letters"),
        ((f"=llm_key={CANARY}",), "instance_config_*: expected names of lower-case letters"),
        ((f"llm_key={CANARY}\x1b[2J",), "instance_config_llm_key: must not hold control"),
        ((f"llm_key={CANARY}", "team_id=x"), "team_id: expected a team's number"),
    ],
)
def test_a_wrong_field_is_bad_usage_and_nothing_is_kept(
    polydock: Polydock, given: tuple[str, ...], words: str
) -> None:
    app = offer_of(polydock, "amazee-claw")
    before = dump(polydock.db)
    options = [word for one in given for word in ("--field", one)]
    said = polydock("register", *PERSON, "--app", app, "--accept-aup", *options)
    assert said.code == 2
    assert words in said.line
    assert CANARY not in said.line
    assert dump(polydock.db) == before


def test_a_field_left_empty_is_not_filled(polydock: Polydock) -> None:
    register(polydock, "--field", "llm_key=", app=offer_of(polydock, "amazee-claw"))
    assert fields(polydock) == {}
