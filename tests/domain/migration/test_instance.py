"""The name of an installation that is written otherwise than before gets its earlier spelling."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.migration.instance import spelled_as_before

ACME = "https://acme.service-now.com"


@pytest.mark.parametrize(
    "given",
    [
        "acme.service-now.com",
        "ACME.service-now.com/",
        " https://Acme.service-now.com/ ",
        "http://acme.service-now.com",
        "\ufeffacme.service-now.com\u200b",
    ],
)
def test_another_spelling_is_the_one_that_is_known(given: str) -> None:
    assert spelled_as_before(given, ["other", ACME]) == ACME


@pytest.mark.parametrize("given", ["acme.service-now.com/sub", "acmetest.service-now.com", ""])
def test_another_installation_is_not(given: str) -> None:
    assert spelled_as_before(given, ["other", ACME]) == given


def test_of_two_that_were_told_apart_once_each_stays_itself() -> None:
    assert spelled_as_before("Acme", ["acme", "Acme"]) == "Acme"
    assert spelled_as_before("ACME", ["acme", "Acme"]) == "acme"


@given(st.text())
def test_an_unknown_one_is_kept_but_for_its_outer_blanks(name: str) -> None:
    assert spelled_as_before(name, []) == name.strip()
    assert spelled_as_before(name, [name.strip()]) == name.strip()
