"""Strategies that damage what is right: plain data, text and bytes."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from hypothesis import strategies as st

NUMBERS = (
    *(0, 1, -1, 2, 3, 7, 8, 16, 65536, 65537, 2**31, 2**63, 10**30),
    *(0.0, -0.0, 0.5, 1.0, 1.5, -0.1, 1e-320, 1e308, float("nan"), float("inf"), -float("inf")),
)
WORDS = (
    *(
        "",
        " ",
        "a",
        "é",
        "名",
        "\u202e",
        "\U0001f600",
        "\x1b[31m",
        "\x00",
        "a\x00b",
        "\ud800",
        "a\udcff",
        "../x",
        "/dev/zero",
        "[red]",
        "a\nb",
        "%s",
        "{}",
        "~",
        "/",
        "..",
    ),
    *("null", "true", "nan", "1e3", "2001-99-99", "0x", "classes", "stride", "conv", "fire", "gap"),
    *("kind", "out", "width", "block", "name", "se", "hswish", "300MFLOPs", "x" * 3000),
)
NASTY = (
    *(
        "\x00",
        "\t",
        "\r",
        "\ufeff",
        "\u2028",
        "\x85",
        "[",
        "{",
        "}",
        "- ",
        ": ",
        "? ",
        "|",
        ">",
        '"',
        "'",
    ),
    *(
        "&a ",
        "*a",
        "<<: *a\n",
        "!!python/object:os.system ls",
        "!!int x",
        "!!set {a}",
        "!x ",
        "%YAML 9",
    ),
    *(
        "---\n",
        "...\n",
        "#",
        ",",
        ",,,",
        "\n\n",
        "9" * 5000,
        "[" * 5000,
        "{a: " * 2000,
        "NaN",
        "1e999",
    ),
)


HUGE = "@a number of thousands of digits@"


def _nested(depth: int) -> Any:
    value: Any = 0
    for _ in range(depth):
        value = [value]
    return value


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.sampled_from(NUMBERS),
    st.sampled_from(WORDS),
    st.integers(),
    st.floats(),
    st.text(st.characters(), max_size=8),
    st.sampled_from([[], {}, [[]], [{}], [None], {"": ""}, [1, 1], ["a", None], {"kind": "conv"}]),
    st.integers(1, 40).map(_nested),
    st.just(HUGE),
)


# One of each kind that is wrong almost anywhere; see `wrong_somewhere`.
WRONG: tuple[Any, ...] = (
    *(None, True, 0, -1, 1.5, 10**30, 1e308, 1e-308, float("nan"), float("inf")),
    *("", "\x00", "\ud800", "../x", "x" * 3000, [], [None], [[]], {}, {"": None}),
)


def _places(data: Any) -> Iterator[tuple[Any, Any]]:
    """Every container in the data with each of its keys or indices."""
    if isinstance(data, dict | list):
        for key in list(data) if isinstance(data, dict) else range(len(data)):
            yield data, key
            yield from _places(data[key])


@st.composite
def damaged(draw: st.DrawFn, base: Any, most: int = 3) -> Any:
    """The plain data with up to `most` changes: something lost, replaced, doubled or renamed."""
    root = [deepcopy(base)]
    for _ in range(draw(st.integers(0, most))):
        places = list(_places(root))
        holder, key = draw(st.sampled_from(range(len(places))).map(places.__getitem__))
        match draw(st.sampled_from(["replace", "replace", "delete", "copy", "rename", "wrap"])):
            case "replace":
                holder[key] = deepcopy(draw(JUNK))  # what is sampled is one object
            case "delete" if holder is not root:
                del holder[key]
            case "copy":
                other, place = draw(st.sampled_from(places))
                if place in other if isinstance(other, dict) else place < len(other):
                    other[place] = deepcopy(holder[key])
            case "rename" if isinstance(holder, dict):
                holder[draw(st.sampled_from(WORDS))] = holder.pop(key)
            case "wrap":
                holder[key] = [holder[key]]
    return root[0]


@st.composite
def wrong_somewhere(draw: st.DrawFn, base: Any) -> Any:
    """The plain data with one value, at any place, of any wrong kind."""
    root = [deepcopy(base)]
    places = list(_places(root))
    holder, key = places[draw(st.integers(0, len(places) - 1))]
    holder[key] = deepcopy(draw(st.sampled_from(WRONG)))
    return root[0]


@st.composite
def scrambled(draw: st.DrawFn, text: str, most: int = 3) -> bytes:
    """The text with up to `most` changes to it as text, sometimes cut off or not UTF-8."""
    for _ in range(draw(st.integers(0, most))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.sampled_from([0, 0, 1, 5, 100])))
        text = text[:start] + draw(st.sampled_from(["", *NASTY, *WORDS])) + text[end:]
    content = text.encode("utf-8", "surrogatepass")
    match draw(st.integers(0, 20)):
        case 0:
            return content[: draw(st.integers(0, len(content)))]
        case 1:
            return content + b"\xff\xfe"
        case 2:
            return content.replace(b"\n", b"\r\n")
    return content


def files(base: Any, dump: Callable[[Any], str]) -> st.SearchStrategy[bytes]:
    """Files of data that is damaged, as data or as text."""

    def written(data: Any) -> bytes:
        text = re.sub(f"[\"']*{HUGE}[\"']*", "9" * 5000, dump(data))
        return text.encode("utf-8", "surrogatepass")

    wrong = st.one_of(wrong_somewhere(base), damaged(base))
    return st.one_of(wrong.map(written), scrambled(dump(base)))
