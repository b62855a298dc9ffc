"""Images that are not square: networks, spaces, proxies, data and trainings of HEIGHTxWIDTH."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from tiny import TINY, assignments
from torch.utils.flop_counter import FlopCounterMode

import nas
from nas.accuracy.features import FACTS, network_sums
from nas.blocks import KINDS, Block
from nas.branches import deployed
from nas.costs import block_cost
from nas.data import DataSet, Images, data_options, load_data
from nas.data.fit import fit_architecture, fit_space
from nas.formats.verified import export_onnx
from nas.graph import Shape
from nas.latency.table import Subject
from nas.proxies import PROXIES, evaluate
from nas.pruning.space import PruningSpace, resolutions_of
from nas.references import reference_names
from nas.resolution import MAX_RESOLUTION, mean_side, read_resolution, scaled, sides
from nas.space.extremes import largest, smallest
from nas.support.errors import NasError, NasWarning
from nas.testing.numerics import images, randomise, run_onnx, run_torch
from nas.training import Recipe, Trained, train
from nas.training.augment import OPERATIONS, mixed, warped
from nas.training.batches import Normalise, Pixels, training_batches

SIDES = st.integers(1, MAX_RESOLUTION)
RECTANGLE = "20x12"
CPU = torch.device("cpu")


@given(SIDES, SIDES)
def test_a_resolution_is_written_in_one_way(height: int, width: int) -> None:
    written = read_resolution(f"{height}X{width}")
    assert sides(written) == (height, width)
    assert (written == height) is (height == width)
    assert read_resolution((height, width)) == read_resolution(written) == written
    assert json.loads(json.dumps(written)) == written
    assert mean_side(written) ** 2 == pytest.approx(height * width)
    assert scaled(written, 1.0) == written


BAD = ["0x10", "10x0", "96x", "x", "", "96x160x3", "5000x10", "9.5x3", "-4x4", "4 x4y", "9" * 5000]
BAD_VALUES: list[object] = [0, 4097, True, 96.0, None, [96, 160], (96,), (96, 160.0)]


@pytest.mark.parametrize("bad", [*BAD, *BAD_VALUES])
def test_what_is_no_resolution_is_one_line(bad: object) -> None:
    with pytest.raises(
        NasError, match=r"^resolution must be .* HEIGHTxWIDTH, of 1 to 4096, not .*"
    ):
        read_resolution(bad)


@pytest.mark.parametrize("name", ["mobilenet_v2_100", "squeezenet1_1"])
def test_a_square_is_a_square_however_it_is_written(name: str) -> None:
    plain, written = nas.reference(name, resolution=96), nas.reference(name, resolution="96x96")
    assert plain == written
    assert plain.hash == written.hash
    assert plain.to_dict() == written.to_dict()
    assert plain.to_dict()["resolution"] == 96
    assert nas.Architecture.from_dict({**plain.to_dict(), "resolution": "96x96"}) == plain
    assert replace(plain, resolution="96x96") == plain


def test_a_network_is_read_back_and_its_hash_tells_the_sides() -> None:
    tall, wide = (nas.reference("mnasnet_050", resolution=r) for r in ("96x64", "64x96"))
    assert tall.input_shape == (3, 96, 64)
    assert wide.input_shape == (3, 64, 96)
    assert json.loads(tall.to_json())["resolution"] == "96x64"
    assert nas.Architecture.from_json(tall.to_json()) == tall
    assert tall.hash != wide.hash
    assert nas.cost(tall).macs == nas.cost(wide).macs


@pytest.mark.parametrize("name", reference_names()[::9])
def test_published_networks_cost_what_torch_counts(name: str) -> None:
    arch = nas.reference(name, classes=4, resolution="64x96")
    module, counter = deployed(nas.build(arch).eval()), FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        out = module(torch.zeros(1, *arch.input_shape))
    assert out.shape == (1, 4)
    assert counter.get_total_flops() == 2 * nas.cost(arch).macs
    assert 0 < nas.Target.load("raspberry-pi-4").predict(arch).ms < 1000


def mixed_space(**changes: Any) -> nas.SearchSpace:
    """A space of every block that can be a layer, of square and other images."""
    layers = sorted(name for name, kind in KINDS.items() if kind.searchable)
    stages = [
        {"block": layers, "width": [16, 24], "depth": [1, 2], "stride": 2},
        {"block": layers, "width": 32, "depth": 1, "stride": 2},
    ]
    data = {**TINY, "resolution": [16, "20X12", "12x20"], "stages": stages}
    return nas.SearchSpace.from_dict({**data, "choices": {}, "per_layer": ["block"], **changes})


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6))
def test_networks_of_a_space_compute_alike_everywhere(seed: int) -> None:
    space = mixed_space()
    arch = space.sample(seed)
    assert space.decode(space.encode(arch)).hash == arch.hash
    module, x = randomise(nas.build(arch)), images(1, *arch.input_shape)
    counter = FlopCounterMode(display=False)
    with counter:
        expected = run_torch(deployed(module), x)
    assert expected.shape == (1, arch.classes)
    assert counter.get_total_flops() == 2 * nas.cost(arch).macs
    model = nas.to_onnx(arch, module)
    given = model.graph.input[0].type.tensor_type.shape.dim
    assert tuple(d.dim_value for d in given) == (1, *arch.input_shape)
    limit = 1e-4 * max(1.0, float(np.abs(expected).max()))
    assert np.abs(run_onnx(model, x) - expected).max() <= limit


def test_a_space_of_mixed_shapes_is_searched_and_its_ends_are_found() -> None:
    space = nas.SearchSpace.from_dict({**TINY, "resolution": [16, "12x24", "24x8"]})
    assert space.options["resolution"] == (16, "12x24", "24x8")
    assert nas.SearchSpace.from_dict(space.to_dict()).options == space.options
    found = {params["resolution"]: 0 for params in assignments(space)}
    macs = [nas.cost(space.decode(params)).macs for params in assignments(space)]
    assert len(found) == 3

    def row_macs(row: Block, shape: Shape) -> float:
        return block_cost(row, shape)[0][1]

    assert smallest(space, row_macs).value == min(macs)
    assert largest(space, row_macs).value == max(macs)


@pytest.mark.parametrize("sampler", ["evolution", "tpe"])
def test_a_study_keeps_shapes(sampler: str, tmp_path: Path) -> None:
    space = nas.SearchSpace.from_dict({**TINY, "resolution": [16, "12x24"]})
    study = nas.search(
        "raspberry-pi-4",
        space=space,
        name="shapes",
        storage=str(tmp_path),
        sampler=sampler,
        trials=12,
    )
    records = nas.Study.load("shapes", str(tmp_path)).records()
    assert {r.resolution for r in records} == {16, "12x24"}
    assert all(r.arch.resolution == r.resolution for r in records)
    assert {r.hash for r in records} == {r.hash for r in study.records()}


def test_every_proxy_scores_a_network_of_any_shape() -> None:
    arch = mixed_space().sample(3)
    long = replace(arch, resolution="49x10")
    scores = evaluate(long, list(PROXIES))
    assert all(np.isfinite(score) for score in scores.values())
    turned = evaluate(replace(arch, resolution="10x49"), ["macs", "params", "channels"])
    assert turned == {name: scores[name] for name in turned}


def test_what_predicts_accuracy_sees_the_square_of_the_same_area() -> None:
    flat, square = (nas.reference("mobilenet_v2_100", resolution=r) for r in ("256x64", 128))
    assert nas.cost(flat).macs == nas.cost(square).macs
    seen, same = (network_sums(arch)[-len(FACTS) :] for arch in (flat, square))
    np.testing.assert_allclose(seen, same)
    model = nas.AccuracyModel.load()
    a, b = (model.predict(arch) for arch in (flat, square))
    assert a.value == pytest.approx(b.value, abs=0.5)


def test_children_of_a_network_keep_its_shape() -> None:
    parent = nas.reference("mobilenet_v2_100", classes=4, resolution="64x96")
    assert resolutions_of(parent) == ("32x48", "37x56", "43x64", "48x72", "53x80", "59x88")
    space = PruningSpace.of(parent, "p")
    assert space.decode(space.whole).hash == parent.hash
    least = space.decode(space.least)
    assert least.resolution == "32x48"
    assert least.classes == 4
    again = PruningSpace.from_dict(json.loads(json.dumps(space.to_dict())), "p")
    assert again.options == space.options


def test_a_timed_row_has_its_own_input() -> None:
    (row,) = nas.reference("mobilenet_v2_100").stages[1][:1]
    subject = Subject.kernel(row, (16, 9, 14))
    subject.check()
    assert subject.graph().input_shape == (16, 9, 14)


def test_an_image_turns_in_pixels_not_in_shares_of_the_sides() -> None:
    square = torch.zeros(1, 1, 40, 40, dtype=torch.uint8)
    square[..., 14:26, 17:23] = 200
    flat = square[:, :, 10:30]
    for operation in OPERATIONS[8:11]:  # rotation, shear, tilt
        turned = operation(square, torch.tensor([0.7]))
        assert not torch.equal(turned, square)
        off = operation(flat, torch.tensor([0.7])).int() - turned[:, :, 10:30].int()
        assert off.abs().max() <= 1
    assert warped(flat, torch.eye(2, 3)[None]).equal(flat)


def test_cut_rectangles_have_the_share_of_the_image_that_labels_have() -> None:
    recipe = Recipe(cutmix=1.0)
    pixels = torch.stack([torch.full((1, 49, 10), v, dtype=torch.uint8) for v in (0, 1)])
    for seed in range(8):
        generator = torch.Generator().manual_seed(seed)
        out, labels = mixed(pixels, torch.tensor([0, 1]), 2, recipe, generator)
        assert out.shape == pixels.shape
        torch.testing.assert_close(out.float().mean((1, 2, 3)), labels[:, 1])


def bands(count: int, height: int, width: int, seed: int) -> Images:
    """Noise, of which three of the four classes have bright rows, columns or both."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count, dtype=np.int64) % 4
    pixels = rng.integers(60, size=(count, 1, height, width)).astype(np.uint8)
    for image, label in zip(pixels, labels.tolist(), strict=True):
        image[:, :: 2 if label & 1 else height] += 90
        image[:, :, :: 2 if label & 2 else width] += 90
    return Images(pixels, labels)


def spoken(height: int = 49, width: int = 10) -> DataSet:
    parts = bands(160, height, width, 0), bands(40, height, width, 1)
    return DataSet("bands", tuple("abcd"), *parts, mirrored=False)


KEYWORDS: dict[str, Any] = {
    "name": "keywords",
    "channels": 1,
    "classes": 4,
    "resolution": ["49x10", "25x10"],
    "stem": [{"kind": "conv", "out": 16, "kernel": 5, "stride": 2}],
    "stages": [{"block": "depthwise", "width": 16, "depth": [1, 2]}],
    "head": [{"kind": "gap"}, {"kind": "linear", "out": "classes"}],
}


def test_batches_have_the_networks_shape() -> None:
    data, recipe = spoken(), Recipe(batch_size=32, crop=0.2, flip=True, resized_crop=0.5)
    recipe = recipe.changed(trivial_augment=True, erasing=0.5)
    pixels = Pixels(data.train, "25x20", CPU)
    assert pixels[:].shape == (160, 1, 25, 20)
    assert data.resolution == "49x10"
    assert "1x49x10" in data.describe()
    assert {x.shape for x, _ in training_batches(pixels, recipe, False, 0)} == {(32, 1, 25, 20)}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    arch = nas.SearchSpace.from_dict(KEYWORDS).decode({"resolution": "49x10"})
    recipe = Recipe(epochs=10, batch_size=16, lr=0.02, seed=0)
    return train(
        arch, spoken(), recipe, output=tmp_path_factory.mktemp("trained") / "t", device="cpu"
    )


def test_a_keyword_network_learns_and_is_exported(trained: Trained, tmp_path: Path) -> None:
    assert trained.accuracy > 0.8  # chance is a quarter
    export_onnx(trained.arch, tmp_path / "a.onnx", trained.module)
    data = spoken()
    x = Normalise(data, CPU)(Pixels(data.validation, "49x10", CPU)[:]).numpy()
    model = onnx.load(tmp_path / "a.onnx")
    found = [int(run_onnx(model, each[None]).argmax()) for each in x]
    right = float(np.mean(np.array(found) == data.validation.labels))
    assert right == pytest.approx(trained.accuracy)


def test_a_space_keeps_what_shows_no_more_than_the_data() -> None:
    space = nas.SearchSpace.from_dict({**KEYWORDS, "resolution": ["98x20", "49x10", "25x5"]})
    assert fit_space(space, spoken()).settings.resolution == ("49x10", "25x5")
    with pytest.warns(NasWarning, match=r"of 49x10 pixels .* to 24x24: .*--image-size 24x24"):
        fit_architecture(replace(space.sample(0), resolution=24), spoken())


def test_image_files_are_fitted_to_the_size_that_is_asked_for(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        for i in range(3):
            array = rng.integers(255, size=(32, 64, 3)).astype(np.uint8)
            Image.fromarray(array).save(tmp_path / name / f"{i}.png")
    square = load_data(tmp_path)
    wide = load_data(tmp_path, options=data_options(image_size="16x32"))
    assert square.resolution == 32
    assert wide.resolution == "16x32"
    assert square.checksum != wide.checksum
    assert not any("fitted" in note for note in load_data(
        tmp_path, options=data_options(image_size="32x64")).notes)  # fmt: skip
    assert wide.options.words() == {"image_size": "16x32"}
    again = type(wide.options).model_validate_json(wide.options.model_dump_json())
    assert load_data(tmp_path, options=again).checksum == wide.checksum
    with pytest.raises(NasError, match="HEIGHTxWIDTH, of 1 to 4096, not '16x'"):
        data_options(image_size="16x")
