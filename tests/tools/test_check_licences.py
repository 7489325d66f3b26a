"""Which licences of packages are allowed, and how packages state them."""

import pytest

from tools.check_licences import installed, is_allowed, licence_of, main


@pytest.mark.parametrize("licence", ["MIT", "Apache-2.0 OR BSD-3-Clause", "BSD-3-Clause AND 0BSD AND (MIT OR Zlib)"])
def test_free_licences_are_allowed(licence: str) -> None:
    assert is_allowed(licence)


@pytest.mark.parametrize("licence", ["GPL-3.0-only", "AGPL-3.0-or-later", "MIT AND GPL-2.0-only", "Proprietary"])
def test_others_are_not(licence: str) -> None:
    assert not is_allowed(licence)


@pytest.mark.parametrize(
    ("stated", "classifiers", "found"),
    [
        ({"License-Expression": "MIT", "License": "x"}, (), "MIT"),
        ({"License": "Apache 2.0"}, ("License :: OSI Approved :: Apache Software License",), "Apache-2.0"),
        ({"License": "Copyright 2025 …"}, ("License :: OSI Approved :: MIT License",), "MIT"),
        ({"License": "GPLv3"}, (), "GPLv3"),
        ({}, ("Topic :: Text",), ""),
    ],
)
def test_a_licence_is_read_wherever_it_is_stated(
    stated: dict[str, str], classifiers: tuple[str, ...], found: str
) -> None:
    assert licence_of(stated, classifiers) == found


def test_what_a_requirement_needs_in_turn_is_found_with_its_extras() -> None:
    assert {"psycopg", "psycopg-binary", "typing-extensions"} <= set(installed(["psycopg[binary]>=3"]))
    assert "psycopg-binary" not in installed(["psycopg>=3"])


def test_everything_that_lapse_needs_is_allowed() -> None:
    assert main() == 0
