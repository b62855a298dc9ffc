"""Architectures: JSON in and out, read strictly, and a hash of what is computed."""

import json
import os
import pickle
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest
import torch

from nas.architecture import Architecture
from nas.blocks import Block, block_graph
from nas.references import reference, reference_names
from nas.support.errors import NasError, ShapeError
from nas.torch_module import GraphModule, build


def small(**changes: Any) -> Architecture:
    arch = Architecture(
        resolution=32,
        stem=(Block("conv", out=16, stride=2),),
        stages=(
            (Block("inverted", out=24, hidden=64, stride=2), Block("shuffle", out=24)),
            (Block("fire", out=32, squeeze=8),),
        ),
        head=(Block("gap"), Block("linear", out=10)),
        name="small",
    )
    return replace(arch, **changes)


@pytest.mark.parametrize("name", reference_names())
def test_round_trip(name: str) -> None:
    arch = reference(name)
    for text in (arch.to_json(), arch.to_json(indent=2)):
        again = Architecture.from_json(text)
        assert again == arch
        assert (again.name, again.hash) == (name, arch.hash)


def test_optional_keys_have_defaults() -> None:
    data = small().to_dict()
    for key in ("format", "name", "channels"):
        del data[key]
    assert Architecture.from_dict(data) == small()


def changed(path: str, value: object) -> dict[str, Any]:
    """The JSON of `small` with one value replaced."""
    data: dict[str, Any] = json.loads(small().to_json())
    *keys, last = path.split(".")
    place: Any = data
    for key in keys:
        place = place[int(key) if key.isdigit() else key]
    place[int(last) if last.isdigit() else last] = value
    return data


def row(**settings: object) -> dict[str, Any]:
    return changed("stem.0", {"kind": "conv", "out": 16, **settings})


BAD: dict[str, tuple[object, list[str]]] = {
    "not an object": ([], ["JSON object", "list"]),
    "unknown key": (changed("resolutoin", 3), ["'resolutoin'", "did you mean 'resolution'"]),
    "format": (changed("format", 99), ["format 99", "reads 1"]),
    "name": (changed("name", None), ["'name'", "text", "None"]),
    "resolution type": (changed("resolution", "32px"), ["resolution", "whole number", "'32px'"]),
    "resolution float": (changed("resolution", 32.0), ["resolution", "whole number", "32.0"]),
    "resolution bool": (changed("resolution", True), ["resolution", "whole number", "True"]),
    "resolution zero": (changed("resolution", 0), ["resolution", "1 to 4096"]),
    "channels": (changed("channels", -3), ["'channels'", "1 to 65536", "-3"]),
    "stem": (changed("stem", {}), ["'stem'", "list of rows"]),
    "stages": (changed("stages", 5), ["'stages'", "list of lists"]),
    "stage": (changed("stages.1", "fire"), ["'stages.1'", "list of rows"]),
    "row": (changed("stages.0.1", "fire"), ["stages.0.1", "'kind'", "'fire'"]),
    "row without kind": (changed("head.0", {"out": 3}), ["head.0", "'kind'"]),
    "kind type": (changed("head.0", {"kind": 3}), ["head.0", "'kind'"]),
    "kind": (changed("stages.1.0.kind", "fier"), ["stages.1.0", "'fier'", "'fire'"]),
    "unknown setting": (changed("stages.1.0.squeze", 8), ["stages.1.0", "fire", "'squeeze'"]),
    "missing setting": (
        changed("stages.1.0", {"kind": "fire", "out": 32}),
        ["stages.1.0", "fire", "'squeeze' is missing"],
    ),
    "setting float": (row(stride=2.0), ["stem.0", "conv", "stride=2.0", "int"]),
    "setting bool": (row(kernel=True), ["stem.0", "conv", "kernel=True", "int"]),
    "setting text": (row(out="16"), ["stem.0", "conv", "out='16'", "int"]),
    "setting list": (row(kernel=[3, 3]), ["stem.0", "conv", "kernel=[3, 3]", "int"]),
    "setting null": (row(norm=None), ["stem.0", "conv", "norm=None", "bool"]),
    "activation": (row(act="relu7"), ["conv", "'relu7'", "did you mean 'relu'"]),
    "stride": (row(stride=0), ["conv", "stride 0", "at least 1"]),
    "padding": (row(padding=-1), ["conv", "padding (-1, -1)", "below 0"]),
    "groups": (row(groups=5), ["conv", "groups=5", "(3, 32, 32)"]),
    "kernel": (row(kernel=99, padding=0), ["conv", "kernel (99, 99)", "(3, 32, 32)"]),
    "no row": ({"resolution": 32, "stem": [], "stages": [], "head": []}, ["needs a row"]),
    "channels of a row": (changed("stages.0.0.hidden", -8), ["inverted", "-8 channels"]),
    "odd shuffle": (changed("stages.0.1.out", 25), ["shuffle", "groups=2", "(25, 8, 8)"]),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_json_names_the_key_and_the_rule(case: str) -> None:
    data, fragments = BAD[case]
    with pytest.raises(NasError) as caught:
        Architecture.from_json(json.dumps(data))
    message = str(caught.value)
    assert "\n" not in message
    for fragment in fragments:
        assert fragment in message


@pytest.mark.parametrize("key", ["resolution", "stem", "stages", "head"])
def test_missing_key(key: str) -> None:
    data = small().to_dict()
    del data[key]
    with pytest.raises(NasError, match=f"needs the key '{key}'"):
        Architecture.from_dict(data)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, '{"resolution": ' + "9" * 5000 + "}"])
def test_text_that_is_not_json(text: str) -> None:
    with pytest.raises(NasError, match="not an architecture"):
        Architecture.from_json(text)


def test_row_that_does_not_fit_is_named() -> None:
    arch = small(resolution=4, stem=(Block("conv", out=16, kernel=7, padding=0),))
    with pytest.raises(ShapeError, match=r"Block\('conv', kernel=7.*\(3, 4, 4\)"):
        arch.graph()


def test_hash_is_stable_across_processes() -> None:
    program = (
        "import sys\nfrom nas.architecture import Architecture\n"
        "print(Architecture.from_json(sys.stdin.read()).hash)"
    )
    arch = reference("ghostnet_100")
    for seed in ("0", "1", "123"):
        done = subprocess.run(
            [sys.executable, "-c", program],
            input=arch.to_json(),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.strip() == arch.hash


@pytest.mark.parametrize(
    "same",
    [
        small(name="another"),
        small(stages=(small().stages[0][:1], small().stages[0][1:], small().stages[1])),
        small(stem=(Block("conv", out=16, stride=2, kernel=3, act="relu", norm=True),)),
        small(stem=(Block("conv", out=16, stride=2, padding=1, bias=False),)),
        small(
            stages=(
                (small().stages[0][0], Block("shuffle", out=24, hidden=12)),
                small().stages[1],
            )
        ),
    ],
    ids=["name", "stage boundaries", "explicit defaults", "derived values", "hidden as default"],
)
def test_what_changes_nothing_does_not_change_the_hash(same: Architecture) -> None:
    assert same.hash == small().hash
    assert len(same.hash) == 64


def test_kinds_that_write_the_same_graph_have_the_same_hash() -> None:
    depthwise = Block("depthwise", out=24, stride=2, act=None)
    inverted = Block("inverted", out=24, hidden=0, stride=2, act=None)
    assert small(stages=((depthwise,),)).hash == small(stages=((inverted,),)).hash


def test_hash_is_that_of_the_first_version() -> None:
    """Studies store hashes: an attribute that nodes get later must not change them."""
    assert reference("mobilenet_v2_100").hash.startswith("0435ec83b668")
    assert reference("shufflenet_v2_x1_0").hash.startswith("a32af0057cdc")


def test_branches_change_the_hash() -> None:
    plain, one, two = (
        small(stages=((Block("conv", out=8, norm=False),),)),
        *(small(stages=((Block("repvgg", out=8, branches=n),),)) for n in (1, 2)),
    )
    assert len({plain.hash, one.hash, two.hash}) == 3


def test_hashes_of_different_networks_differ() -> None:
    first, second = small().stages
    networks = [
        small(),
        small(resolution=33),
        small(channels=1),
        small(stem=(Block("conv", out=24, stride=2),)),
        small(stem=(Block("conv", out=16, stride=2, act="relu6"),)),
        small(stem=(Block("conv", out=16, stride=2, bias=True),)),
        small(stem=(Block("conv", out=16, stride=2, norm=False, bias=False),)),
        small(stages=(first, second, second)),
        small(stages=(first[::-1], second)),
        small(stages=((first[0], Block("shuffle", out=24, hidden=16)), second)),
        small(stages=((first[0], Block("shuffle", out=24, kernel=5)), second)),
        small(stages=(first, (Block("fire", out=32, squeeze=8, norm=False),))),
        small(head=(Block("gap"), Block("linear", out=11))),
        small(head=(Block("gap"), Block("linear", out=10, bias=False))),
        *[reference(name) for name in reference_names()],
    ]
    assert len({arch.hash for arch in networks}) == len(networks)


def test_name_takes_no_part_in_equality() -> None:
    assert small().renamed("x") == small()
    assert small().renamed("x").name == "x"
    assert small(resolution=48) != small()


def test_graph_names_are_the_paths_of_rows() -> None:
    names = [node.name for node in small().graph().nodes]
    assert names[:5] == [
        "input",
        "stem.0.conv",
        "stages.0.0.expand",
        "stages.0.0.depthwise",
        "stages.0.0.project",
    ]
    assert names[-1] == "head.1.linear"
    assert len(set(names)) == len(names)


def test_classes_and_paths() -> None:
    arch = small()
    assert arch.classes == 10
    assert [path for path, _ in arch.named_rows()] == [
        "stem.0",
        "stages.0.0",
        "stages.0.1",
        "stages.1.0",
        "head.0",
        "head.1",
    ]


def test_copies_between_processes_are_the_same_rows() -> None:
    again = pickle.loads(pickle.dumps(small()))
    assert again == small()
    assert again.stem[0] is small().stem[0]


def test_immutable() -> None:
    with pytest.raises(AttributeError):
        small().resolution = 3  # type: ignore[misc]
    with pytest.raises(AttributeError, match="immutable"):
        small().stem[0].kind = "fire"


def test_a_walk_gives_every_row_the_shape_that_it_gets_in_torch() -> None:
    arch = reference("shufflenet_v2_x0_5", resolution=64)
    seen: list[tuple[int, ...]] = []
    module = build(arch).eval()
    for row in (m for m in module.modules() if isinstance(m, GraphModule)):
        row.register_forward_pre_hook(lambda row, inputs: seen.append(tuple(inputs[0].shape[1:])))
    module(torch.zeros(1, 3, 64, 64))
    shapes = arch.walk(lambda row, shape: (shape, block_graph(row, shape).output_shape))
    assert list(shapes) == seen


GAP: dict[str, Any] = {"kind": "gap"}


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"stages": [[]] * 300}, "stages: 300 is more than the 256"),
        ({"stages": [[GAP] * 20_000]}, "rows: 20001 is more than the 2000"),
        ({"resolution": 4097}, "HEIGHTxWIDTH, of 1 to 4096, not 4097"),
        (
            {"stem": [{"kind": "conv", "out": 65_536 * 2}]},
            "channels of stem.0: 131072 is more than the 65536",
        ),
        (
            {"resolution": 4096, "stem": [{"kind": "conv", "out": 128}]},
            "values of the map of stem.0: 2147483648 is more than the 1073741824",
        ),
    ],
)
def test_a_network_of_absurd_size_is_one_line(changed: dict[str, Any], message: str) -> None:
    data = {"resolution": 32, "stem": [], "stages": [], "head": [GAP], **changed}
    with pytest.raises(NasError, match=message):
        Architecture.from_dict(data)
