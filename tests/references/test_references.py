"""The published networks have exactly the published numbers of parameters and multiply-adds."""

from collections.abc import Callable

import pytest

from nas.costs import cost
from nas.references import published, reference, reference_names
from nas.support.errors import NasError
from nas.torch_module import build

# Parameters and multiply-adds at the network's own resolution (224 but for Caffe's 227) and 1000
# classes, from the official definitions; where two layouts exist, of both.
EXACT = {
    "squeezenet1_0": (1_248_424, 818_924_576),
    "squeezenet1_0_caffe": (1_248_424, 861_339_936),
    "squeezenet1_1": (1_235_496, 349_151_936),
    "squeezenext_1_0_23": (717_280, 275_920_640),
    "squeezenext_1_0_23_caffe": (717_280, 277_999_808),
    "squeezenext_1_0_23_imgclsmob": (724_056, 275_920_640),
    "squeezenext_1_0_23_v5": (913_632, 276_943_616),  # 8,184 biases fewer than imgclsmob's
    "squeezenext_1_0_23_v5_imgclsmob": (921_816, 276_943_616),
    "ghostnet_050": (2_587_292, 42_328_152),
    "ghostnet_100": (5_182_508, 141_150_512),
    "ghostnet_130": (7_358_820, 227_003_256),
    "shufflenet_v1_x0_5": (718_324, 37_589_856),
    "shufflenet_v1_x0_5_nobias": (717_324, 37_589_856),
    "shufflenet_v1_x1_0": (1_865_728, 137_460_672),
    "shufflenet_v1_x1_0_nobias": (1_864_728, 137_460_672),
    "shufflenet_v1_x1_5": (3_442_168, 292_443_552),
    "shufflenet_v1_x1_5_nobias": (3_441_168, 292_443_552),
    "shufflenet_v1_x2_0": (5_450_776, 524_045_184),
    "shufflenet_v1_x2_0_nobias": (5_449_776, 524_045_184),
    "shufflenet_v2_x0_5": (1_366_792, 40_476_448),
    "shufflenet_v2_x0_5_megvii": (1_365_792, 40_476_448),
    "shufflenet_v2_x1_0": (2_278_604, 144_907_992),
    "shufflenet_v2_x1_0_megvii": (2_278_760, 145_814_296),
    "shufflenet_v2_x1_5": (3_503_624, 295_759_392),
    "shufflenet_v2_x1_5_megvii": (3_506_720, 298_970_656),
    "shufflenet_v2_x2_0": (7_393_996, 583_253_464),
    "shufflenet_v2_x2_0_megvii": (7_402_600, 590_783_000),
    "mobilenet_v1_025": (470_072, 41_030_272),
    "mobilenet_v1_050": (1_331_592, 149_497_088),
    "mobilenet_v1_075": (2_585_560, 325_400_448),
    "mobilenet_v1_100": (4_231_976, 568_740_352),
    "mobilenet_v2_075": (2_636_424, 209_069_792),
    "mobilenet_v2_100": (3_504_872, 300_774_272),
    "mobilenet_v2_140": (6_108_776, 582_195_824),
    "mobilenet_v3_large_075": (3_993_528, 154_560_624),
    "mobilenet_v3_large_075_torchvision": (3_377_576, 140_033_816),
    "mobilenet_v3_large_100": (5_483_032, 216_589_760),
    "mobilenet_v3_small_075": (2_041_872, 43_399_344),
    "mobilenet_v3_small_100": (2_542_856, 56_510_400),
    "proxylessnas_mobile": (4_080_512, 320_427_584),
    "efficientnet_b0": (5_288_548, 385_814_752),
    "efficientnet_lite0": (4_652_008, 385_187_552),
    "googlenet_caffe": (6_998_552, 1_582_671_872),
    "alexnet_caffe": (60_965_224, 724_406_816),
    "mlperf_tiny_resnet8": (78_042, 12_501_632),
    "mlperf_tiny_vww": (213_586, 7_489_664),
}

# Parameters of timm 1.0.31's models and torch's own count of their multiply-adds at 224 pixels,
# re-parameterised networks as they are deployed.
TIMM = {
    "mobilenet_v4_conv_small": (3_774_024, 186_005_568),
    "mobilenet_v4_conv_medium": (9_715_512, 827_649_984),
    "lcnet_050": (1_880_856, 44_731_008),
    "lcnet_100": (2_953_800, 155_700_480),
    "repvgg_a0": (8_309_384, 1_361_451_008),
    "mobileone_s0": (2_078_504, 275_110_400),
    "mobileone_s1": (4_764_840, 825_057_024),
}
# timm's parameters of the same networks while they are trained, with their branches.
TRAINED = {"repvgg_a0": 9_108_968, "mobileone_s0": 5_293_272, "mobileone_s1": 4_825_192}

# torchvision's parameter counts (num_params of its weights).
TORCHVISION = {
    "alexnet": 61_100_840,
    "vgg11": 132_863_336,
    "vgg11_bn": 132_868_840,
    "vgg13": 133_047_848,
    "vgg13_bn": 133_053_736,
    "vgg16": 138_357_544,
    "vgg16_bn": 138_365_992,
    "vgg19": 143_667_240,
    "vgg19_bn": 143_678_248,
    "resnet18": 11_689_512,
    "resnet34": 21_797_672,
    "resnet50": 25_557_032,
    "resnet101": 44_549_160,
    "resnet152": 60_192_808,
    "densenet121": 7_978_856,
    "densenet161": 28_681_000,
    "densenet169": 14_149_480,
    "densenet201": 20_013_928,
    "mnasnet_050": 2_218_512,
    "mnasnet_075": 3_170_208,
    "mnasnet_100": 4_383_312,
    "mnasnet_130": 6_282_256,
    "efficientnet_b0": 5_288_548,
    "regnety_400mf": 4_344_144,
    "googlenet": 6_624_904,
}

# torchvision's printed multiply-adds, in units of 10^9.
TORCHVISION_GMACS = {
    "alexnet": 0.71,
    "vgg16": 15.47,
    "resnet18": 1.81,
    "resnet50": 4.09,
    "densenet121": 2.83,
    "mnasnet_100": 0.31,
    "efficientnet_b0": 0.39,
    "regnety_400mf": 0.40,
    "googlenet": 1.50,
}


@pytest.mark.parametrize("name", EXACT)
def test_exact_counts(name: str) -> None:
    params, macs, _ = cost(reference(name))
    assert (params, macs) == EXACT[name]


@pytest.mark.parametrize("name", TIMM)
def test_counts_of_timm(name: str) -> None:
    params, macs, _ = cost(reference(name, resolution=224))
    assert (params, macs) == TIMM[name]


@pytest.mark.parametrize("name", TRAINED)
def test_trained_parameters_of_timm(name: str) -> None:
    assert sum(p.numel() for p in build(reference(name)).parameters()) == TRAINED[name]


def test_mlperf_tiny_has_the_parameters_that_keras_prints() -> None:
    """Keras counts the norms' running statistics, and biases that the norms below make useless."""
    for name, printed in (("mlperf_tiny_resnet8", 78_666), ("mlperf_tiny_vww", 221_794)):
        arch = reference(name)
        convs = [node for node in arch.graph().nodes if node.op == "conv"]
        biases, running = (sum(k * node.shape[0] for node in convs) for k in (1, 2))
        shortcuts = sum(node.shape[0] for node in convs if node.name.endswith("shortcut"))
        assert cost(arch).params + biases + running - 4 * shortcuts == printed


@pytest.mark.parametrize("name", TORCHVISION)
def test_torchvision_parameters(name: str) -> None:
    assert cost(reference(name)).params == TORCHVISION[name]


@pytest.mark.parametrize("name", TORCHVISION_GMACS)
def test_torchvision_multiply_adds(name: str) -> None:
    assert round(cost(reference(name)).macs / 1e9, 2) == TORCHVISION_GMACS[name]


def test_every_reference_has_a_known_count() -> None:
    assert set(reference_names()) == set(EXACT) | set(TORCHVISION) | set(TIMM)


@pytest.mark.parametrize("name", reference_names())
def test_reference_is_named_and_takes_classes_and_resolution(name: str) -> None:
    arch = reference(name, classes=7, resolution=96)
    assert (arch.name, arch.resolution, arch.classes) == (name, 96, 7)
    assert arch.graph().output_shape == (7, 1, 1)
    top1, source = published(name)
    assert source
    assert 50 < top1 < 80 if top1 is not None else name in UNPUBLISHED


TINY = {"mlperf_tiny_resnet8", "mlperf_tiny_vww"}
UNPUBLISHED = {"mobilenet_v3_large_075_torchvision"} | TINY


def test_a_network_has_the_resolution_that_it_was_published_for() -> None:
    caffe = {name for name in reference_names() if reference(name).resolution == 227}
    assert caffe == {"squeezenet1_0_caffe", "squeezenext_1_0_23_caffe", "alexnet_caffe"}
    others = {name: reference(name).resolution for name in reference_names()}
    assert {name for name, size in others.items() if size not in (224, 227)} == {
        "mobilenet_v4_conv_medium",
        *TINY,
    }
    assert [reference(name).resolution for name in sorted(TINY)] == [32, 96]
    assert [reference(name).classes for name in sorted(TINY)] == [10, 2]


def test_layouts_differ_where_they_should() -> None:
    """At one resolution: Caffe's last padding and stem cost more, biases cost parameters only."""
    assert cost(reference("squeezenet1_0_caffe", resolution=224)).macs > 818_924_576
    same = ("squeezenext_1_0_23", "squeezenext_1_0_23_caffe")
    assert len({cost(reference(name)).params for name in same}) == 1
    (left,) = {row.get("left") for row in reference("shufflenet_v2_x1_0_megvii").stages[0]} - {0}
    assert left == 24  # the channels of the stem


def test_stage_opens_where_the_resolution_falls() -> None:
    assert [len(stage) for stage in reference("mobilenet_v2_100").stages] == [1, 2, 3, 4, 3, 3, 1]
    assert [len(stage) for stage in reference("mobilenet_v3_large_100").stages] == [1, 2, 3, 6, 3]


@pytest.mark.parametrize("call", [reference, published])
def test_unknown_name_suggests_the_nearest(call: Callable[[str], object]) -> None:
    with pytest.raises(NasError, match=r"'resnet19' is unknown; did you mean 'resnet1\d+'"):
        call("resnet19")


@pytest.mark.parametrize("sizes", [{"resolution": 0}, {"resolution": 10**200}, {"classes": 0}])
def test_impossible_sizes_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(NasError, match=r"whole number .*of 1 to (4096|65536)"):
        reference("mobilenet_v2_100", **sizes)
