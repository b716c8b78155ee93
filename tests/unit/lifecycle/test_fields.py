import pytest
from hypothesis import given
from hypothesis import strategies as st

from polydock_pipelines.apps.registry import APP_TYPES
from polydock_pipelines.lifecycle.fields import FIELD_NAME, Field, FieldError, taken

MODEL = Field("model", "Default model")
MODE = Field("mode", "Whose key", options=("injected", "user"), default="injected")
URL = Field("url", "URL", form=r"https://\S+", hint="an https URL")
KEY = Field("key", "Key", is_secret=True, longest=20)
ORGANIZATION = Field("organization", "Organization", is_public=False)
ALL = (MODEL, MODE, URL, KEY, ORGANIZATION)


# -- one value


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        (MODE, "Injected", "expected one of injected, user"),
        (MODE, "injected ", "expected one of injected, user"),
        (MODEL, "m" * 256, "expected at most 255 characters"),
        (KEY, "k" * 21, "expected at most 20 characters"),
        (MODEL, "two\nlines", "must not hold control characters"),
        (MODEL, "tab\tbed", "must not hold control characters"),
        (MODEL, "null\x00", "must not hold control characters"),
        (MODEL, "turned \u202e round", "must not hold control characters"),
        (MODEL, "line\u2028end", "must not hold control characters"),
        (URL, "http://example.com", "expected an https URL"),
        (URL, "see https://example.com", "expected an https URL"),
        (URL, "https://example.com and more", "expected an https URL"),
        (URL, "https://example.com\n", "must not hold control characters"),
    ],
)
def test_a_value_that_cannot_be_taken_has_a_problem_that_does_not_quote_it(
    field: Field, value: str, problem: str
) -> None:
    assert field.problem(value) == problem


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (MODE, "user"),
        (MODEL, "m" * 255),
        (MODEL, "Ünïcødé 👩‍💻 'quoted' $(words)"),
        (KEY, "k" * 20),
        (URL, "https://example.com/x?y=z"),
        (MODEL, ""),
    ],
)
def test_a_value_that_can_be_taken_has_no_problem(field: Field, value: str) -> None:
    assert field.problem(value) == ""


@given(st.text(max_size=300))
def test_whatever_the_value_is_its_problem_is_one_of_few(value: str) -> None:
    assert URL.problem(value) in {
        "",
        "expected at most 255 characters",
        "must not hold control characters",
        "expected an https URL",
    }


def test_a_field_with_options_is_a_choice() -> None:
    assert MODE.is_select
    assert not MODEL.is_select


# -- what a request gives


@pytest.mark.parametrize("is_public", [True, False])
def test_what_is_known_is_taken_without_the_spaces_around(is_public: bool) -> None:  # noqa: FBT001
    given = {"model": "  claude ", "mode": "user", "url": "https://x.io\n", "key": "tiger"}
    assert taken(ALL, given, is_public=is_public) == {
        "model": "claude",
        "mode": "user",
        "url": "https://x.io",
        "key": "tiger",
    }


def test_what_nobody_knows_is_let_go_whatever_it_says() -> None:
    given = {"model": "m", "cluster": "ch4", "amazee-ai-backend-user-email": "x\ny", "Model": "n"}
    assert taken(ALL, given, is_public=True) == {"model": "m"}


def test_an_operator_is_told_that_a_name_is_unknown_and_which_there_are() -> None:
    with pytest.raises(FieldError, match=r"^cluster: is no field; there are: .*organization"):
        taken(ALL, {"model": "m", "cluster": "ch4"}, is_public=False)


def test_a_field_that_is_not_public_is_the_operators() -> None:
    given = {"organization": "trials-eu"}
    assert taken(ALL, given, is_public=True) == {}
    assert taken(ALL, given, is_public=False) == given


def test_a_bad_value_of_a_field_that_the_street_may_not_set_is_no_problem_there() -> None:
    given = {"organization": "two\nlines"}
    assert taken(ALL, given, is_public=True) == {}
    with pytest.raises(FieldError, match="organization"):
        taken(ALL, given, is_public=False)


@pytest.mark.parametrize("empty", ["", " ", "\t\n"])
def test_what_is_empty_is_left_out_even_of_a_choice(empty: str) -> None:
    assert taken(ALL, {"mode": empty, "url": empty, "model": "m"}, is_public=True) == {"model": "m"}


def test_a_default_is_not_filled_in() -> None:
    assert taken(ALL, {}, is_public=True) == {}


def test_all_problems_are_told_at_once_by_name() -> None:
    given = {"url": "ftp://x.io", "mode": "auto", "model": "fine", "key": "k" * 21}
    with pytest.raises(FieldError) as told:
        taken(ALL, given, is_public=True)
    assert str(told.value) == (
        "key: expected at most 20 characters; mode: expected one of injected, user; "
        "url: expected an https URL"
    )


@pytest.mark.parametrize("value", ["tiger and some more letters", "tiger\ntamer", "tiger\x00"])
def test_a_secret_is_never_in_the_error(value: str) -> None:
    with pytest.raises(FieldError) as told:
        taken(ALL, {"key": value}, is_public=True)
    assert "tiger" not in f"{told.value} {told.value!r}"


# -- the fields that our types declare

DECLARED = [
    pytest.param(field, id=f"{app.key}-{field.name}")
    for app in APP_TYPES.values()
    for field in dict.fromkeys((*app.store_fields, *app.instance_fields))
]


@pytest.mark.parametrize("field", DECLARED)
def test_a_declared_field_is_well_formed(field: Field) -> None:
    assert FIELD_NAME.fullmatch(field.name)
    assert field.label
    assert bool(field.form) == bool(field.hint)
    assert not field.default or field.problem(field.default) == ""


@pytest.mark.parametrize("app", APP_TYPES.values(), ids=lambda app: app.key)
def test_no_type_declares_a_name_twice(app) -> None:
    for fields in (app.store_fields, app.instance_fields):
        names = [field.name for field in fields]
        assert len(names) == len(set(names))
