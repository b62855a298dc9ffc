"""A network by whatever names it, and what a study that was just begun need not compute again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import TINY

import nas
from nas.data import DataSet, Images, load_data
from nas.study import Study, begin
from nas.study.networks import find_network, find_networks, find_study
from nas.study.new import begin_or_go_on
from nas.study.warm_start import assignments
from nas.support.errors import NasError
from nas.training import Recipe, train

SPACE = nas.SearchSpace.from_dict({**TINY, "channels": 1, "resolution": [8, 12]})


@pytest.fixture
def study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Study:
    monkeypatch.chdir(tmp_path)
    return nas.search("jetson", space=SPACE, trials=4, name="s", proxies=["entropy"])


def test_a_study_is_its_best_or_its_front(study: Study) -> None:
    best = study.record()
    for name in ("s", "studies/s.journal"):
        arch, of = find_network(name)
        assert of is not None
        assert (arch, arch.name, of.identity) == (best.arch, f"s-{best.trial}", study.identity)
        assert find_networks(name) == [record.arch for record in study.pareto()]
    assert find_study("resnet18") is None


def test_a_file_and_a_trainings_folder_are_networks(tmp_path: Path) -> None:
    import onnx

    arch = SPACE.sample(1)
    (tmp_path / "a.json").write_text(arch.to_json(), encoding="utf-8")
    onnx.save(nas.to_onnx(arch), str(tmp_path / "a.onnx"))
    train(arch, load_data("digits"), Recipe(epochs=1), output=tmp_path / "t", device="cpu")
    for name in ("a.json", "a.onnx", "t"):
        assert find_network(str(tmp_path / name)) == (arch, None)
        assert find_networks(str(tmp_path / name)) == [arch]


def test_a_search_starts_from_a_training(study: Study, tmp_path: Path) -> None:
    arch = SPACE.sample(2)
    train(arch, load_data("digits"), Recipe(epochs=1), output=tmp_path / "t", device="cpu")
    (first,) = assignments([str(tmp_path / "t")], study.candidates, study.storage, seed=0)
    assert SPACE.decode(first) == arch


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet19", "network 'resnet19' is unknown; did you mean 'resnet18'"),
        ("ss", "network 'ss' is unknown; did you mean 's'"),
        ("none.onnx", "none.onnx: No such file"),
        ("none.journal", "study 'none.journal' is unknown"),
        ("", "network '' is unknown"),
    ],
)
def test_what_names_no_network(study: Study, name: str, message: str) -> None:
    with pytest.raises(NasError, match=message):
        find_network(name)


def test_only_a_published_network_comes_in_sizes(study: Study) -> None:
    assert find_network("resnet18", 64)[0] == nas.reference("resnet18", resolution=64)
    synonym, _ = find_network("mobilenetv2_100", "96x64")
    assert synonym == nas.reference("mobilenet_v2_100", resolution="96x64")
    with pytest.raises(NasError, match="network 'resnet19' is unknown"):
        find_network("resnet19", 64)
    with pytest.raises(NasError, match="--resolution 64: only that of a reference network"):
        find_network("s", 64)


def test_a_search_seeks_each_smallest_network_once(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sought = []
    smallest = nas.space.extremes.smallest

    def counted(space: nas.SearchSpace, *words: Any, **settings: Any) -> Any:
        sought.append(space.name)
        return smallest(space, *words, **settings)

    monkeypatch.setattr("nas.study.candidates.smallest", counted)
    options: dict[str, Any] = {"proxies": ["entropy"], "storage": str(tmp_path)}
    study = nas.search("jetson", ["1M", "1ms", "1MB"], SPACE, trials=4, name="s", **options)
    assert len(study.records()) == 4
    assert sought == ["tiny"] * 3
    again = Study.load("s", str(tmp_path))  # and it is what the stored study computes
    assert again.candidates.anchors == study.candidates.anchors
    assert again.budgets == study.budgets
    assert again.target.checksum == study.target.checksum
    assert again.space.to_dict() == study.space.to_dict()


def test_a_study_from_before_steps_were_kept_is_the_same_search(tmp_path: Path) -> None:
    options: dict[str, Any] = {"storage": str(tmp_path), "data": "digits"}
    now = begin("jetson", ["1M"], SPACE, **options)
    assert now.settings.training_steps == Recipe().suited(1438).steps(1438)  # as `nas train` would
    before = now.settings.model_copy(update={"training_steps": None})
    Study.create("before", before, now.storage)
    there, said = begin_or_go_on("jetson", ["1M"], SPACE, name="before", **options)
    assert (there.name, said) == ("before", "")


def test_a_begun_study_goes_on_with_what_it_was_checked_by(tmp_path: Path) -> None:
    study = begin("jetson", ["1M"], SPACE, storage=str(tmp_path))
    assert study.space is SPACE
    assert study.candidates.space is study.space
    assert study.candidates.target is study.target


def test_finalists_of_large_images_are_trained_in_small_batches(tmp_path: Path) -> None:
    pixels = np.broadcast_to(np.uint8(9), (512, 1, 256, 256))
    images = Images(pixels, np.arange(512) % 2)
    data = DataSet("digits", ("a", "b"), images, images.take(np.arange(8)))
    space = nas.SearchSpace.from_dict({**TINY, "channels": 1, "resolution": [8, 256]})
    study = begin("jetson", space=space, data=data, finalists=1, storage=str(tmp_path))
    assert study.settings.recipe.batch_size == 16  # 32 by their number
    assert study.settings.training_steps == study.settings.recipe.steps(512)


def test_accuracies_are_predicted_for_the_steps_that_are_asked_for(tmp_path: Path) -> None:
    options: dict[str, Any] = {"data": "digits", "storage": str(tmp_path)}
    study = begin("jetson", ["1M"], SPACE, name="long", training_steps=77, **options)
    assert study.settings.training_steps == 77
    assert Study.load("long", str(tmp_path)).settings.training_steps == 77
