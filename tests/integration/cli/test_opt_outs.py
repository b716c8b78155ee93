"""`polydock emails opt-outs`: who declined reminders, and the way back."""

from polydock_pipelines.db.mails import decline
from tests.fakes.clock import START
from tests.integration.cli.conftest import Polydock


def test_a_person_who_declined_is_listed_and_taken_back(polydock: Polydock) -> None:
    with polydock.db.write() as session:
        decline(session, "ada@example.com", START)
    listed = polydock("emails", "opt-outs", "--json").json
    assert [one["recipient"] for one in listed] == ["ada@example.com"]
    said = polydock("emails", "opt-outs", "--remove", "Ada@example.com")
    assert (said.code, said.out) == (0, "Nobody has declined.\n")
    assert polydock("emails", "opt-outs", "--remove", "ada@example.com").code == 1
