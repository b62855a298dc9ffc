"""Where spaces are read from: files, shipped names, and variants of either."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from tiny import TINY

from nas.space import SearchSpace
from nas.space.files import space_names
from nas.support.errors import NasError


def test_files_round_trip_and_bad_files_are_named(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(TINY))
    space = SearchSpace.load(path)
    assert SearchSpace.from_dict(space.to_dict()).settings == space.settings
    for text, said in (("a: [", "invalid YAML"), ("- 1", "mapping"), ("", "mapping")):
        path.write_text(text)
        with pytest.raises(NasError, match=said) as caught:
            SearchSpace.load(path)
        assert str(path) in str(caught.value)
    with pytest.raises(NasError, match="No such file"):
        SearchSpace.load(tmp_path / "none.yaml")
    with pytest.raises(NasError, match="did you mean 'mobile'"):
        SearchSpace.load("mobil")


def test_the_first_variant_is_what_the_name_means() -> None:
    plain, named, other = map(SearchSpace.load, ("fbnet", "fbnet:imagenet", "fbnet:cifar100"))
    assert plain.settings == named.settings
    assert (plain.name, other.name) == ("fbnet", "fbnet:cifar100")
    assert (plain.settings.classes, other.settings.classes) == (1000, 100)
    assert SearchSpace.from_dict(other.to_dict()).settings == other.settings
    assert {"fbnet", "fbnet:cifar100"} <= set(space_names())
    assert "fbnet:imagenet" not in space_names()


def test_a_variant_of_ones_own_file_replaces_settings(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    variants = {"large": {}, "narrow": {"resolution": 8, "stem": [{"kind": "conv", "out": 8}]}}
    path.write_text(yaml.safe_dump({**TINY, "variants": variants}))
    assert SearchSpace.load(path).settings == SearchSpace.from_dict(TINY).settings
    narrow = SearchSpace.load(f"{path}:narrow")
    assert (narrow.name, narrow.sample(0).resolution) == ("tiny:narrow", 8)
    assert "stem.0.out" in SearchSpace.load(path).options
    assert "stem.0.out" not in narrow.options


@pytest.mark.parametrize(
    ("variants", "name", "said"),
    [
        ({"a": {}, "narrow": {}}, "narow", "mine.yaml: variant 'narow' is unknown; did you mean"),
        ({}, "narrow", "variant 'narrow' is unknown (there is none)"),
        ({"a": {"colour": "red"}}, "a", "mine.yaml:a: colour: unknown setting"),
        ({"a": {"prune": 2}}, "a", "mine.yaml:a: prune.0: "),
        ({"a": None}, "a", "mine.yaml: variants.a: should be a valid dictionary, not None"),
        (["a"], "a", "mine.yaml: variants: should be a valid dictionary"),
        ({"a": {"variants": {}}}, "a", "mine.yaml:a: variants: unknown setting"),
    ],
)
def test_a_wrong_variant_is_one_line(
    tmp_path: Path, variants: object, name: str, said: str
) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump({**TINY, "variants": variants}))
    with pytest.raises(NasError) as caught:
        SearchSpace.load(f"{path}:{name}")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("fbnet:cifar10", "did you mean 'cifar100'? (one of: cifar100, imagenet)"),
        ("fbnt:cifar100", "'fbnt:cifar100' is unknown; did you mean 'fbnet:cifar100'"),
        ("mobile:", "variant '' is unknown"),
        ("../mobile", "'../mobile' is unknown"),
    ],
)
def test_an_unknown_variant_names_the_nearest(name: str, said: str) -> None:
    with pytest.raises(NasError) as caught:
        SearchSpace.load(name)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
