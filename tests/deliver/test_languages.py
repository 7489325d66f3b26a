"""The choice of a template's language by locale."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.deliver.policy.languages import ranked

LANGUAGES = ("en", "es", "pt_BR", "pt_PT", "zh_CN", "zh_TW", "he", "nb")


@pytest.mark.parametrize(
    ("locale", "expected"),
    [
        ("es", ["es", "en"]),
        ("es-MX", ["es", "en"]),
        ("es_MX@euro", ["es", "en"]),
        ("pt-BR", ["pt_BR", "pt_PT", "en"]),
        ("pt_BR.UTF-8", ["pt_BR", "pt_PT", "en"]),
        ("PT", ["pt_BR", "pt_PT", "en"]),
        ("pt_pt", ["pt_PT", "pt_BR", "en"]),
        ("pt-AO", ["pt_BR", "pt_PT", "en"]),
        ("zh-Hans", ["zh_CN", "zh_TW", "en"]),
        ("zh-Hant-HK", ["zh_TW", "zh_CN", "en"]),
        ("iw_IL", ["he", "en"]),
        ("no", ["nb", "en"]),
        ("en_GB", ["en"]),
        ("fr", ["en"]),
    ],
)
def test_named_country_first_and_default_language_last(locale: str, expected: list[str]) -> None:
    assert list(ranked(locale, LANGUAGES)) == expected


@pytest.mark.parametrize("locale", [None, "", " ", "-", "C", "POSIX", "C.UTF-8", "español", "12", "\x00", "e" * 99_999])
def test_invalid_locale_gives_the_default_language(locale: str | None) -> None:
    assert ranked(locale, LANGUAGES) == ("en",)


@given(st.none() | st.text(), st.lists(st.sampled_from(LANGUAGES), min_size=1, unique=True))
def test_some_configured_language_for_any_locale(locale: str | None, offered: list[str]) -> None:
    found = ranked(locale, offered)
    assert found[-1] == offered[0] or offered[0] in found
    assert set(found) <= set(offered)
    assert len(set(found)) == len(found)
