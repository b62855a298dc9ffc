"""The page that every report is: one file that asks nothing of the network and runs one script."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from platform import python_version

from nas._version import __version__
from nas.charts import XY, Chart
from nas.charts.picture import drawn, style
from nas.support.html import Child, Html, join, tag

WIDE, NARROW, HALF = 880, 360, 430  # px


def page(title: str, lead: Child, sections: Sequence[Child]) -> str:
    """A whole page. Only its own script can run in it, whatever text got in."""
    script = _file("page.js")
    digest = b64encode(sha256(script.encode()).digest()).decode()
    sources = {
        "default": "'none'",
        "img": "data:",
        "style": "'unsafe-inline'",
        "script": f"'sha256-{digest}'",
    }
    policy = "; ".join(f"{kind}-src {source}" for kind, source in sources.items())
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", http_equiv="Content-Security-Policy", content=policy),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("meta", name="color-scheme", content="light dark"),
        tag("title", title),
        tag("style", Html(style() + _file("page.css"))),
    )
    body = tag(
        "body",
        tag("header", tag("h1", title), lead),
        tag("main", sections),
        tag("footer", tag("p", f"Made by hw-nas {__version__} on Python {python_version()}.")),
        tag("div", id="tip", role="status"),
        tag("script", Html(script)),
        class_="nas",
    )
    return f"<!doctype html>\n{tag('html', head, body, lang='en')}\n"


def _file(name: str) -> str:
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def section(title: str, *children: Child) -> Html:
    """A part of a page under its title."""
    return tag("section", tag("h2", title), children)


def note(text: str) -> Html:
    """A sentence on what something is worth."""
    begun = text if text[1:2] == ":" else text[:1].upper() + text[1:]
    return tag("p", begun + ("" if text.endswith(".") else "."), class_="note")


def facts(pairs: Sequence[tuple[str, str, str]]) -> Html:
    """The few numbers that matter: each a value, what it is, and how far it can be trusted."""
    return tag(
        "ul",
        [
            tag("li", tag("span", name), tag("b", value), tag("span", more) if more else None)
            for name, value, more in pairs
        ],
        class_="facts",
    )


def plot(chart: Chart) -> Html:
    """A chart at the width that there is."""
    return drawn(chart, WIDE, NARROW)


def plots(charts: Sequence[Chart]) -> Html:
    """Charts under their titles, two beside each other where there is room."""
    each = [tag("div", tag("h3", chart.title), drawn(chart, HALF, NARROW)) for chart in charts]
    if len(each) == 1 and isinstance(charts[0], XY) and not charts[0].diagonal:
        return tag("div", tag("h3", charts[0].title), plot(charts[0]))
    return tag("div", each, class_="two")


def scroll(made: Html, label: str) -> Html:
    """What may be wider than a phone, in a frame that scrolls, by keys too."""
    return tag("div", made, class_="scroll", role="region", aria_label=label, tabindex=0)


def commands(lines: Sequence[str]) -> Html:
    """Commands to be copied."""
    return tag("pre", tag("code", "\n".join(lines)))


def folded(title: str, *children: Child) -> Html:
    """A part that is opened to be seen."""
    return tag("details", tag("summary", title), join(children))
