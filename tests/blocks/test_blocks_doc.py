"""docs/blocks.md: its formulas against the graph, its generated table against the registry."""

import re
import runpy
from pathlib import Path

import pytest

from nas.blocks import KINDS, Block, block_graph
from nas.blocks.attention import attend, eca_kernel
from nas.blocks.registry import BlockKind
from nas.costs import Cost, graph_cost
from nas.graph import Builder
from nas.latency import target_names

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "blocks.md").read_text(encoding="utf-8")
SCRIPT = runpy.run_path(str(ROOT / "scripts" / "make_blocks_doc.py"))
# Settings of the blocks whose formulas are written out; `m` of the formulas is the last of them
# that a row gives.
SETTINGS = {
    "fire": {"squeeze": 8},
    "squeezenext": {"hidden": 24},
    "ghost": {"hidden": 48, "kernel": 5},
    "shuffle_v1": {"groups": 2, "hidden": 24, "kernel": 5},
    "shuffle": {"hidden": 24, "kernel": 5},
    "depthwise": {"kernel": 5},
    "inverted": {"groups": 2, "hidden": 48, "kernel": 5},
    "skip": {},
    "basic": {"hidden": 24, "kernel": 5},
    "bottleneck": {"hidden": 24, "kernel": 5},
    "regnet": {"group_width": 8},
    "uib": {"hidden": 48, "start": 3, "kernel": 5},
    "repvgg": {"kernel": 5},
    "mobileone": {"kernel": 5},
    "micro": {"hidden": 48, "kernel": 5, "groups": 4},
}


def formulas(heading: str, quantity: str) -> tuple[str, str]:
    """The two formulas of a family: of a layer that keeps its shape, and what a change adds."""
    section = re.split(rf"^##+ {heading}(?::.*)?$", TEXT, flags=re.MULTILINE)[1].split("\n#")[0]
    found = re.search(rf"^\| {quantity} \| `(.*?)` \| `(.*?)` \|$", section, re.MULTILINE)
    assert found, f"docs/blocks.md has no formula for the {quantity} of {heading}"
    return found[1], found[2]


def cost_of(name: str, i: int, o: int, stride: int) -> Cost:
    return graph_cost(block_graph(Block(name, out=o, stride=stride, **SETTINGS[name]), (i, 12, 8)))


@pytest.mark.parametrize("name", SETTINGS)
def test_formulas_give_what_the_graph_costs(name: str) -> None:
    settings = SETTINGS[name]
    known = {"m": settings.get("hidden", settings.get("squeeze", 0)), "g": settings.get("groups")}
    known |= {"k": settings.get("kernel", 3), "d": settings.get("group_width")}
    known |= {"s": settings.get("start")}
    for quantity, field in (("parameters", "params"), ("MACs", "macs")):
        kept, added = formulas(name, quantity)
        same = known | {"i": 32, "o": 32, "Q": 96, "P": 96}
        other = known | {"i": 16, "o": 32, "Q": 96, "P": 24}
        assert eval(kept, same) == getattr(cost_of(name, 32, 32, 1), field)
        changed = eval(f"({kept}) + ({added})", other)
        assert changed == getattr(cost_of(name, 16, 32, 2), field)


@pytest.mark.parametrize("attention", ["se", "eca", "coordinate", "cbam"])
def test_formulas_of_attention(attention: str) -> None:
    c, h, w = shape = (512, 7, 5)
    r = {"se": 32, "cbam": c // 16}.get(attention, c // 32)
    found = re.search(rf"^\| `{attention}`.*\| `(.*?)` \| `(.*?)` \|$", TEXT, re.MULTILINE)
    assert found
    net = Builder(shape)
    kind = None if attention == "se" else attention
    cost = graph_cost(net.finish(attend(net, 0, r if kind is None else 0, kind)))
    known = {"c": c, "h": h, "w": w, "r": r, "e": eca_kernel(c)}
    assert (eval(found[1], known), eval(found[2], known)) == cost[:2]


SEARCHABLE = [kind for kind in KINDS.shipped.values() if kind.searchable]


@pytest.mark.parametrize("kind", SEARCHABLE, ids=lambda kind: kind.name)
def test_what_pruning_removes_is_documented(kind: BlockKind) -> None:
    texts = (kind.function.__doc__, kind._layer.__doc__)
    assert any("pruning removes" in (text or "").lower() for text in texts)


def test_the_table_has_every_layer_and_the_provenance_of_every_target() -> None:
    content = SCRIPT["generated"]()
    layers = SCRIPT["layers"]()
    assert {name for _, name, _ in layers} >= {kind.name for kind in SEARCHABLE} - {"skip"}
    for label, *_ in layers:
        assert content.count(f"| {label} |") == 2
        assert TEXT.count(f"| {label} |") == 2
    for name in (name for name in target_names() if "/" not in name):
        assert re.search(rf"\*\*{name}\*\* .*(measured|calibrated)", content)


def test_the_table_is_replaced_in_place() -> None:
    replaced, begin, end = SCRIPT["replaced"], SCRIPT["BEGIN"], SCRIPT["END"]
    once = replaced(f"before\n{begin}\nold\n{end}\nafter\n", "new")
    assert once == f"before\n{begin}\n\nnew\n\n{end}\nafter\n"
    assert replaced(once, "new") == once
    with pytest.raises(ValueError, match="must have the lines"):
        replaced("no markers", "new")
