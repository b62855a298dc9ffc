"""Families at other widths and depths have exactly the numbers of parameters that are published."""

import pytest

from nas.architecture import Architecture
from nas.costs import cost
from nas.references import reference
from nas.references.resnet import resnet
from nas.references.scaled import family_names, scaled
from nas.support.errors import NasError

# Parameters as printed by timm's or imgclsmob's README: whole, or in millions to two digits.
EXACT = {
    ("efficientnet", 1.0, 1.0): 5_288_548,
    ("efficientnet", 1.0, 1.1): 7_794_184,
    ("efficientnet", 1.1, 1.2): 9_109_994,
    ("efficientnet", 1.2, 1.4): 12_233_232,
    ("efficientnet", 1.4, 1.8): 19_341_616,
    ("efficientnet_lite", 1.0, 1.0): 4.65,
    ("efficientnet_lite", 1.1, 1.2): 6.09,
    ("efficientnet_lite", 1.4, 1.8): 13.01,
    ("tinynet", 1.0, 1.2): 6.19,
    ("tinynet", 0.75, 1.1): 3.73,
    ("tinynet", 0.51, 0.6): 2.04,
    ("mobilenet_v2", 0.5, 1.0): 1.97,
    ("mobilenet_v2_deep", 1.1, 1.2): 4.52,
    ("mobilenet_v2_deep", 1.2, 1.4): 5.83,
    ("mnasnet_a1", 1.0, 1.0): 3_887_038,
    ("mnasnet_a1", 0.75, 1.0): 2.91,
    ("mnasnet_small", 1.0, 1.0): 2.03,
    ("single_path", 1.0, 1.0): 4_421_616,
    ("fbnet_c", 1.0, 1.0): 5_572_200,
    ("proxyless_cpu", 1.0, 1.0): 4_361_648,
    ("proxyless_gpu", 1.0, 1.0): 7_119_848,
    ("proxyless_mobile", 1.0, 1.0): 4_080_512,
    ("proxyless_mobile14", 1.0, 1.0): 6_857_568,
    ("fd_mobilenet", 1.0, 1.0): 2_901_288,
    ("fd_mobilenet", 0.25, 1.0): 383_160,
    ("lcnet", 1.0, 1.0): 2.95,
    ("lcnet", 0.5, 1.0): 1.88,
    ("mobilenet_v3_small", 0.5, 1.0): 1.59,
    ("mobilenet_v3_large_minimal", 1.0, 1.0): 3.92,
    ("mobilenet_v3_small_minimal", 1.0, 1.0): 2.04,
    ("squeezenext", 1.5, 1.0): 1_511_824,
    ("squeezenext_v5", 2.0, 1.0): 3_366_344,
    ("shufflenet_v1_g1", 0.25, 1.0): 209_746,
    ("shufflenet_v1_g2", 1.0, 1.0): 1_733_848,
    ("shufflenet_v1_g3", 0.75, 1.0): 1_238_266,
    ("shufflenet_v1_g8", 1.0, 1.0): 2_434_768,
}
RESNETS = {
    ("basic", (1, 1, 1, 1), 1.0, False): 5_418_792,
    ("basic", (2, 2, 2, 2), 0.25, False): 3_937_400,
    ("basic", (2, 2, 2, 2), 0.75, False): 8_476_056,
    ("bottleneck", (3, 3, 3, 3), 1.0, False): 21_925_416,
    ("basic", (1, 1, 1, 1), 1.0, True): 5_463_332,
    ("bottleneck", (3, 4, 6, 3), 1.0, True): 28_088_024,
}


@pytest.mark.parametrize(("key", "published"), EXACT.items(), ids=str)
def test_parameters_are_the_published_ones(key: tuple[str, float, float], published: float) -> None:
    family, width, depth = key
    params = cost(scaled(family, width, depth)).params
    if isinstance(published, int):
        assert params == published
    else:
        assert f"{params / 1e6:.2f}" == f"{published:.2f}"


@pytest.mark.parametrize(("key", "params"), RESNETS.items(), ids=str)
def test_resnets_are_imgclsmobs(key: tuple[str, tuple[int, ...], float, bool], params: int) -> None:
    kind, repeats, width, se = key
    layout = resnet(kind, 1 if kind == "basic" else 4, repeats, 1000, width, se)
    assert cost(Architecture(224, *layout)).params == params


def test_families_at_their_own_size_are_the_references() -> None:
    for family, name in (
        ("mobilenet_v1", "mobilenet_v1_100"),
        ("mobilenet_v2", "mobilenet_v2_100"),
        ("mobilenet_v3_large", "mobilenet_v3_large_100"),
        ("ghostnet", "ghostnet_100"),
        ("shufflenet_v1_g3", "shufflenet_v1_x1_0"),
    ):
        assert scaled(family).hash == reference(name).hash


@pytest.mark.parametrize("family", family_names())
def test_every_family_is_built_narrow_small_and_for_other_classes(family: str) -> None:
    arch = scaled(family, 0.5, resolution=96, classes=7)
    assert arch.classes == 7
    assert cost(arch).macs < cost(scaled(family)).macs


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"family": "mobilenet_v4"}, "family 'mobilenet_v4' is unknown; did you mean"),
        ({"family": "lcnet", "width": 0}, "width must be above 0 and at most 16, not 0"),
        ({"family": "lcnet", "depth": 2.0}, "depth must be 1 for lcnet"),
        ({"family": "lcnet", "resolution": 0}, "resolution must be a whole number"),
    ],
)
def test_a_mistake_is_one_clear_line(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(NasError, match=words) as caught:
        scaled(**arguments)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
