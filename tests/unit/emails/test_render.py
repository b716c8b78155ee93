"""The mails as a whole.

Each is compared with a file in `golden/`. After a wanted change write them anew, and read the
difference before you commit it:

    POLYDOCK_REWRITE_GOLDEN=1 .venv/bin/python -m pytest tests/unit/emails/test_render.py
"""

import os
from datetime import datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args

import jinja2
import pytest
from jinja2 import meta

from polydock_pipelines.emails import render as rendering
from polydock_pipelines.emails.contexts import Credentials, MailContext
from polydock_pipelines.emails.errors import EmailError
from polydock_pipelines.emails.kinds import KINDS
from polydock_pipelines.emails.render import Rendered, render
from polydock_pipelines.emails.themes import DEFAULT_THEME, ThemeName
from polydock_pipelines.lifecycle.secret import Secret
from tests.unit.emails.mails import CONTEXTS, END, EXTEND, LOGIN, NOW, UNSUBSCRIBE, changed

GOLDEN = Path(__file__).parent / "golden"
THEMES: tuple[ThemeName, ...] = get_args(ThemeName)
RLO, LRM, ZWJ = "\u202e", "\u200e", "\u200d"


def mail(kind: str, **fields: Any) -> Rendered:
    return render(kind, changed(kind, **fields), DEFAULT_THEME)


class Page(HTMLParser):
    """Collects what a reader would see and follow."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [value for name, value in attrs if name == "href" and value]

    def handle_data(self, data: str) -> None:
        self.words += data


def compare(name: str, found: str) -> None:
    path = GOLDEN / name
    if os.environ.get("POLYDOCK_REWRITE_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(found, encoding="utf-8")
    assert found == path.read_text(encoding="utf-8")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("theme", THEMES)
def test_each_html_part_is_as_it_was_approved(kind: str, theme: ThemeName) -> None:
    html = render(kind, CONTEXTS[kind], theme).html
    compare(f"{kind}-{theme}.html", html.replace("><", ">\n<") + "\n")


@pytest.mark.parametrize("kind", KINDS)
def test_each_text_part_is_as_it_was_approved(kind: str) -> None:
    made = render(kind, CONTEXTS[kind], DEFAULT_THEME)
    compare(f"{kind}.txt", f"Subject: {made.subject}\n\n{made.text}")


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("theme", THEMES)
def test_no_placeholder_and_no_mjml_is_left(kind: str, theme: ThemeName) -> None:
    html = render(kind, CONTEXTS[kind], theme).html
    assert not [mark for mark in ("{{", "{%", "[[", "[%", "<mj") if mark in html]


@pytest.mark.parametrize("kind", KINDS)
def test_the_same_context_gives_the_same_mail(kind: str) -> None:
    assert render(kind, CONTEXTS[kind], "light") == render(kind, CONTEXTS[kind], "light")


@pytest.mark.parametrize("kind", KINDS)
def test_text_is_wrapped_and_links_stand_alone(kind: str) -> None:
    for line in render(kind, CONTEXTS[kind], DEFAULT_THEME).text.splitlines():
        kept = line.startswith("    ")
        assert kept or len(line) <= 72 or len(line.split()) == 1, line
        assert kept or "://" not in line or line.split()[-1].startswith("https://"), line
        assert "https://" not in line or len(line.split()) <= 2, line


@pytest.mark.parametrize("kind", KINDS)
def test_html_has_a_language_a_title_and_one_heading_above_all(kind: str) -> None:
    html = render(kind, CONTEXTS[kind], DEFAULT_THEME).html
    page = Page(html)
    assert '<html lang="en"' in html
    assert page.tags.count("h1") == page.tags.count("title") == 1


@pytest.mark.parametrize("kind", KINDS)
def test_html_loads_nothing_unasked(kind: str) -> None:
    page = Page(render(kind, changed(kind, body=""), DEFAULT_THEME).html)
    assert not {"img", "script", "link", "iframe", "form"} & set(page.tags)


# -- subjects


def test_a_subject_is_the_kinds_own_unless_the_app_has_one() -> None:
    assert mail("ready", subject=None).subject == (
        "Your new instance is Ready [cms-trial-brave-otter-6f1c]"
    )
    assert mail("ready", subject="Go").subject == "Go [cms-trial-brave-otter-6f1c]"
    assert mail("ready", subject=" \n ").subject.startswith("Your new instance is Ready [")


def test_a_failed_trial_without_an_instance_names_none() -> None:
    made = mail("trial_failed", instance_name="")
    assert made.subject == "Your Trial Could Not Be Set Up"
    assert "()" not in made.text


@pytest.mark.parametrize("field", ["subject", "instance_name", "first_name", "app_name"])
@pytest.mark.parametrize("kind", KINDS)
def test_no_value_begins_a_new_line_or_header(kind: str, field: str) -> None:
    made = mail(kind, **{field: "A\r\nBcc: x@example.com\r\n\r\n\x00<b>\u2028\x85\x1b[0m"})
    assert made.subject.isprintable()
    assert not [line for line in made.text.splitlines() if line.startswith(("Bcc", "<b>"))]
    assert "<b>" not in made.html
    assert not set("\r\x00\x1b\x85\u2028") & set(made.html + made.text)


# -- what people type


@pytest.mark.parametrize("field", ["subject", "instance_name", "first_name", "app_name"])
@pytest.mark.parametrize("kind", KINDS)
def test_html_and_placeholders_in_a_value_stay_text(kind: str, field: str) -> None:
    made = mail(kind, **{field: "<script>x</script>{{ 7*7 }}{% if 1 %}[[ 7*7 ]]\"'&amp;"})
    page = Page(made.html)
    assert "script" not in page.tags
    assert "49" not in made.subject + made.text
    assert page.words.count("49") == Page(render(kind, CONTEXTS[kind], "dark").html).words.count(
        "49"
    )
    assert "{{ 7*7 }}" in page.words


def test_other_scripts_and_joiners_survive_and_overrides_do_not() -> None:
    name = f"علی{ZWJ} 李小龍 👩{ZWJ}💻{RLO}evil"
    made = mail("ready", first_name=name, instance_name=f"a{RLO}b")
    assert f"علی{ZWJ} 李小龍 👩{ZWJ}💻evil" in made.text
    assert made.subject.endswith("[ab]")
    assert RLO not in made.html + made.text


@pytest.mark.parametrize("name", ["x" * 255, "many words " * 23, "字" * 255])
def test_the_longest_names_fit(name: str) -> None:
    made = mail("ready", first_name=name, app_name=name, instance_name=name)
    assert name.strip() in " ".join(made.text.split())
    assert made.subject == f"Your CMS is ready [{name.strip()}]"


def test_a_nameless_person_is_greeted_all_the_same() -> None:
    made = mail("ready", first_name=" ")
    assert "\nHello,\n" in made.text
    assert "Hello," in made.html


def test_half_a_character_does_not_break_the_mail() -> None:
    made = mail("ready", first_name="Zo\ud800e")
    assert "Hello Zoe," in made.text.encode("utf-8").decode("utf-8")


# -- ways in and out


def test_hidden_credentials_are_nowhere() -> None:
    made = mail("ready", credentials=None)
    for part in (made.html, made.text):
        assert "administrator account" not in part.casefold()
        assert "amber-otter" not in part
        assert "Password" not in part


def test_credentials_are_shown_to_the_letter() -> None:
    made = mail("ready", credentials=Credentials(Secret("a  b"), Secret(" <&\"'> ")))
    assert "    User name: a  b\n    Password:   <&\"'> \n" in made.text
    assert " <&\"'> " in Page(made.html).words


def test_credentials_that_would_break_the_block_are_refused() -> None:
    with pytest.raises(EmailError, match="credentials") as caught:
        mail("ready", credentials=Credentials(Secret("admin"), Secret("hidden\nword")))
    assert "hidden" not in str(caught.value)


def test_no_other_mail_has_credentials() -> None:
    for kind, row in KINDS.items():
        assert ("amber-otter" in render(kind, CONTEXTS[kind], "dark").text) == row.has_credentials


@pytest.mark.parametrize("kind", [kind.name for kind in KINDS.values() if kind.has_login])
def test_a_login_link_says_until_when(kind: str) -> None:
    made = mail(kind, login_expires_at=NOW + timedelta(days=40))
    for part in (Page(made.html).words, made.text):
        assert "Mon 4 January 2027, 14:00 UTC" in part
    assert LOGIN in Page(made.html).links
    assert f"\n{LOGIN}\n" in made.text


def test_a_login_link_without_end_names_none() -> None:
    made = mail("ready", login_expires_at=None)
    assert LOGIN in made.text
    assert "works until" not in made.text + made.html


@pytest.mark.parametrize("late", [timedelta(0), timedelta(days=1)])
def test_a_link_that_ran_out_is_not_offered(late: timedelta) -> None:
    made = mail("ready", login_expires_at=NOW - late)
    assert LOGIN not in Page(made.html).links
    for part in (Page(made.html).words, made.text):
        assert "ran out on" in part
        assert LOGIN not in part
        assert "support@example.com" in part


def test_without_a_login_link_none_is_spoken_of() -> None:
    made = mail("ready", login_url=None)
    assert "Log in here" not in made.text
    assert "link" not in made.text.split("Where to begin")[0]


def test_extending_is_offered_only_when_it_is_possible() -> None:
    assert EXTEND in Page(mail("one_day_left").html).links
    made = mail("one_day_left", extend_url=None)
    assert "more time" not in made.html + made.text
    assert EXTEND not in made.html + made.text


def test_reminders_can_be_declined_and_others_not() -> None:
    for kind, row in KINDS.items():
        made = render(kind, CONTEXTS[kind], "light")
        assert (UNSUBSCRIBE in Page(made.html).links) == row.has_unsubscribe
        assert (UNSUBSCRIBE in made.text) == row.has_unsubscribe
    assert "reminder" not in mail("midtrial", unsubscribe_url=None).text


def test_an_app_without_support_names_none() -> None:
    for kind in KINDS:
        made = mail(kind, support_email=None)
        assert "Write to" not in made.html + made.text
        assert "None" not in made.html + made.text


def test_an_app_without_words_leaves_no_hole() -> None:
    for kind in KINDS:
        made = mail(kind, body="")
        assert "app-words" not in made.html.split("</head>")[1]
        assert "\n\n\n" not in made.text


def test_what_is_no_trial_speaks_of_no_end() -> None:
    made = mail("ready", trial_ends_at=None)
    assert "trial" not in made.text.casefold().replace("cms-trial", "")
    assert "no end date" in made.html


# -- times


def test_times_are_shown_in_utc_whatever_their_zone() -> None:
    east = datetime.fromisoformat("2026-12-09T15:30:00+05:30")
    assert "Wed 9 December 2026, 10:00 UTC" in mail("ready", trial_ends_at=east).text


@pytest.mark.parametrize("field", ["now", "trial_ends_at", "login_expires_at"])
def test_a_time_without_a_zone_is_refused(field: str) -> None:
    with pytest.raises(EmailError, match=f"the mail ready does not render: {field} has no"):
        mail("ready", **{field: END.replace(tzinfo=None)})


def test_a_short_trials_last_reminder_tells_hours() -> None:
    made = mail("one_day_left", trial_ends_at=END, now=END - timedelta(hours=12))
    assert made.text.startswith("Your trial ends in 12 hours\n")


# -- errors


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "https://", "ftp://x", "https://x y", "https://x\r\nBcc: y", ""]
)
def test_a_link_that_is_no_web_address_is_refused_without_being_shown(url: str) -> None:
    with pytest.raises(EmailError, match="login_url is no address of the web") as caught:
        mail("ready", login_url=url)
    assert not url or url not in str(caught.value)


def test_a_body_that_does_not_render_fails_with_its_kind_and_not_its_words() -> None:
    with pytest.raises(EmailError) as caught:
        mail("midtrial", body="our own words \x07")
    assert str(caught.value).startswith("the mail midtrial does not render: the body holds a")
    assert caught.value.kind == "midtrial"
    assert "our own words" not in str(caught.value)


def test_a_value_that_a_template_cannot_use_fails_its_mail_alone() -> None:
    with pytest.raises(EmailError, match=r"the mail ready does not render: its template: .*user"):
        mail("ready", credentials="none of this is shown")


def test_a_context_of_another_kind_is_a_mistake() -> None:
    with pytest.raises(TypeError, match="the mail ready takes ReadyContext"):
        render("ready", CONTEXTS["midtrial"], "dark")


def test_nothing_secret_is_in_a_repr() -> None:
    for kind, context in CONTEXTS.items():
        shown = repr(context) + repr(render(kind, context, "dark"))
        for secret in ("amber-otter", "staple", LOGIN, EXTEND, UNSUBSCRIBE, "Zoë"):
            assert secret not in shown


# -- templates


@pytest.mark.parametrize(
    "environment", [rendering.html_environment(), rendering.text_environment()]
)
def test_a_name_that_nobody_gave_is_an_error(environment: jinja2.Environment) -> None:
    with pytest.raises(jinja2.UndefinedError):
        environment.from_string("{{ nothing }}").render()


@pytest.mark.parametrize("kind", KINDS)
def test_layouts_ask_for_nothing_that_the_context_lacks(kind: str) -> None:
    environment = rendering.html_environment()
    asked = meta.find_undeclared_variables(environment.parse(rendering.filled_layout(kind, "dark")))
    given = set(rendering.values_of(CONTEXTS[kind])) | {"subject", "body"}
    assert asked <= given


def test_each_kind_has_its_pair_of_templates_and_no_template_is_left_over() -> None:
    found = {path.name for path in rendering.TEMPLATES.iterdir()}
    names = [*KINDS, "layout", "parts"]
    assert found == {f"{name}.{part}.j2" for name in names for part in ("mjml", "txt")}


def test_a_context_is_rendered_as_its_own_class_only() -> None:
    assert {type(context) for context in CONTEXTS.values()} == {k.context for k in KINDS.values()}
    assert all(issubclass(kind.context, MailContext) for kind in KINDS.values())
