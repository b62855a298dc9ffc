"""Text that is shown can neither move a cursor nor tell a password."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import URL

from nas.support.text import masked, printable


@given(st.text(st.characters()))
def test_what_is_printable_stays_and_all_is_printable(text: str) -> None:
    shown = printable(text)
    assert shown.isprintable()
    assert printable(shown) == shown
    if text.isprintable():
        assert shown == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b]0;x\x07", r"\x1b]0;x\x07"),
        ("a\nb\r\t", r"a\nb\r\t"),
        ("\u202ea\u200b", r"\u202ea\u200b"),
        ("\udcff\x9b\x7f", r"\udcff\x9b\x7f"),
        ("é 名 \U0001f600", "é 名 \U0001f600"),
    ],
)
def test_escapes_are_pythons(text: str, shown: str) -> None:
    assert printable(text) == shown


WORD = st.text("abcXYZ019_-%", min_size=1, max_size=8)


@given(WORD, st.text(min_size=1, max_size=12), WORD, st.integers(1, 65535))
def test_a_password_in_a_url_is_never_shown(user: str, secret: str, host: str, port: int) -> None:
    url = URL.create("postgresql+psycopg", user, secret, host, port, "nas")
    text = url.render_as_string(hide_password=False)
    assert masked(text) == str(url)
    if not re.search(r"[\s'\"]", secret):
        shown = masked(f"nas resume s --storage '{text}' and {text}")
        assert shown == f"nas resume s --storage '{url}' and {url}"


def test_passwords_as_options_and_what_has_none() -> None:
    assert masked("mysql://h/db?user=u&password=p&x=1") == "mysql://h/db?user=u&password=***&x=1"
    assert masked("postgresql://u:p@ss/w@h/db") == "postgresql://u:***@h/db"
    for text in ("sqlite:///nas.db", "tcp://host:8786", "a:b@c", "u@h:/x"):
        assert masked(text) == text
