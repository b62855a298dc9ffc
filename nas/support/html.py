"""HTML written by functions: whatever text goes in is shown, and nothing in it is obeyed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from nas.support.text import printable


class Html(str):
    """Text that is HTML already."""

    __slots__ = ()


Child = str | int | float | None | Iterable["Child"]
EMPTY = {"area", "br", "img", "input", "meta"}


def tag(name: str, /, *children: Child, **attributes: object) -> Html:
    """An element. An attribute's `_` is written `-`, one at its end is dropped (`class_`); one that
    is None or False is left out.

    >>> tag("a", "x < y", class_="b", data_key='"')
    '<a class="b" data-key="&quot;">x &lt; y</a>'
    """
    words = [name]
    for key, value in attributes.items():
        if value is None or value is False:
            continue
        word = key.rstrip("_").replace("_", "-")
        words.append(word if value is True else f'{word}="{_escaped(str(value))}"')
    opened = f"<{' '.join(words)}>"
    return Html(opened if name in EMPTY else f"{opened}{join(children)}</{name}>")


def join(children: Iterable[Child]) -> Html:
    """The children one after the other; None is nothing."""
    return Html("".join(map(_text, children)))


def _text(child: Child) -> str:
    if isinstance(child, Html):
        return child
    if child is None:
        return ""
    if isinstance(child, str | int | float):
        return _escaped(str(child))
    return join(child)


def _escaped(text: str) -> str:
    """Lines of text, in which nothing is a tag or turns the direction of reading."""
    return escape("\n".join(map(printable, text.split("\n"))))


def table(
    columns: Sequence[Child], rows: Iterable[Sequence[Child]], *, left: int = 1, caption: str = ""
) -> Html:
    """A table; the first `left` columns are text, the others right-aligned numbers."""

    def cells(name: str, row: Sequence[Child], **attributes: object) -> Html:
        aligned = (None if i < left else "n" for i in range(len(row)))
        return join(tag(name, c, class_=a, **attributes) for c, a in zip(row, aligned, strict=True))

    return tag(
        "table",
        tag("caption", caption) if caption else None,
        tag("thead", tag("tr", cells("th", columns, scope="col"))),
        tag(
            "tbody", (row if isinstance(row, Html) else tag("tr", cells("td", row)) for row in rows)
        ),
    )
