"""HTML: whatever text goes in comes out of a parser as it was shown, and makes no element."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given
from hypothesis import strategies as st

from nas.support.html import Html, join, table, tag
from nas.support.text import printable

TEXT = st.text(st.characters(codec=None)) | st.sampled_from(
    ["</p><script>", "\"'><", "&amp;", "\ud800"]
)


class Parsed(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text += data


@given(TEXT, TEXT)
def test_text_is_text_wherever_it_goes(text: str, value: str) -> None:
    made = tag("p", text, [None, [text]], data_key=value, hidden=False, open=True)
    made.encode()
    parsed = Parsed(made)
    shown, key = ("\n".join(map(printable, t.split("\n"))) for t in (text, value))
    assert parsed.elements == [("p", {"data-key": key, "open": None})]
    assert parsed.text == 2 * shown


def test_html_stays_what_it_is() -> None:
    assert join([tag("br"), Html("<i>"), "<i>", 1.5, None]) == "<br><i>&lt;i&gt;1.5"
    parsed = Parsed(table(("<a>", "b"), [("x", "1"), ("y", "2")], caption="c"))
    assert [name for name, _ in parsed.elements].count("td") == 4
    assert parsed.text == "c<a>bx1y2"
