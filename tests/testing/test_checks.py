"""The checks of `nas.testing` say what is wrong with what breaks a contract, and pass the rest."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import optuna
import pytest
import torch
from optuna.samplers import BaseSampler, NSGAIISampler, RandomSampler
from tiny import TINY

from nas.blocks import block
from nas.data import DataSet, Images, load_data, reader
from nas.graph import Builder
from nas.latency import Target, target_names
from nas.latency.target import Prediction
from nas.proxies import Probe, UndefinedScore, proxy
from nas.pruning.criteria import criterion
from nas.space import SearchSpace
from nas.study.samplers import SAMPLERS, sampler
from nas.support.errors import NasError
from nas.support.registry import transaction
from nas.testing import (
    check_block,
    check_criterion,
    check_proxy,
    check_reader,
    check_sampler,
    check_target,
)


@pytest.fixture(autouse=True)
def _forget() -> Iterator[None]:
    """What a test registers is gone after it."""
    with transaction() as made:
        yield
        made.undo()


def names_the_fault(check: Any, name: str, fault: str, *more: Any) -> None:
    with pytest.raises(AssertionError, match=fault) as found:
        check(name, *more)
    assert "\n" not in str(found.value)


calls = count()


def impure(net: Builder, x: int, *, out: int, stride: int = 1) -> int:
    return net.conv(x, out, kernel=1 + 2 * (next(calls) % 2), stride=stride)


def as_wide_as_its_input(net: Builder, x: int, *, out: int, stride: int = 1) -> int:
    return net.depthwise(x, stride=stride)


def never_strides(net: Builder, x: int, *, out: int, stride: int = 1) -> int:
    return net.conv(x, out, kernel=3)


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        (impure, "writes other nodes when it is called again"),
        (as_wide_as_its_input, "gives [0-9]+ channels"),
        (never_strides, r"makes \(8, 8\) of 8x8, not 4x4"),
    ],
)
def test_faults_of_a_block(function: Any, fault: str) -> None:
    block(function.__name__)(function)  # graphs are memoised by the block's name
    names_the_fault(check_block, function.__name__, fault)


def test_faults_of_pruning() -> None:
    @block("wrong")
    def wrong(net: Builder, x: int, *, out: int, hidden: int, stride: int = 1) -> int:
        return net.conv(net.conv(x, hidden), out, kernel=3, stride=stride)

    wrong.layer(lambda layer: {"hidden": int(33 * (1 - layer.prune))})
    names_the_fault(check_block, "wrong", "has hidden=.*, no multiple of")

    wrong.layer(lambda layer: {"hidden": layer.round(64 * (1 + layer.prune))})
    names_the_fault(check_block, "wrong", "leaves more than pruning by less")


def test_a_block_that_takes_no_shape_is_said_to_need_other_values() -> None:
    @block("picky")
    def picky(net: Builder, x: int, *, parts: int) -> int:
        return net.concat(*net.split(x, *[net.channels(x) // parts] * parts))

    check_block("picky", values={"parts": (2, 4)})

    @block("pickier")
    def pickier(net: Builder, x: int, *, parts: int) -> int:
        return net.concat(*net.split(x, *[parts] * 3))

    names_the_fault(check_block, "pickier", "took any shape; give it other `values`")


def test_a_proxy_that_counts_convolutions_keeps_the_contract() -> None:
    @proxy("depth", paper="none")
    def depth(probe: Probe) -> float:
        return float(sum(layer.op == "conv" for layer in probe.layers))

    check_proxy("depth")


def test_a_proxy_for_architectures_alone_keeps_the_contract() -> None:
    @proxy("nodes", paper="none")
    def nodes(probe: Probe) -> float:
        return float(len(probe.graph.nodes))

    check_proxy("nodes")


def random_numbers(probe: Probe) -> float:
    return float(torch.rand(()))


def weights_of_the_module(probe: Probe) -> float:
    if probe.arch:  # its module has none yet
        return float(probe.params)
    return sum(float(p.detach().abs().sum()) for p in probe.module.parameters())


def writes_a_buffer(probe: Probe) -> float:
    for buffer in probe.module.buffers():
        buffer.add_(1)
    return float(probe.params)


def writes_shared_weights(probe: Probe) -> float:
    with torch.no_grad():
        for weight in probe.weights.values():
            weight.mul_(2)
    return float(probe.params)


def runs(probe: Probe) -> float:
    return float(len(probe.trace.layers))


def fails(probe: Probe) -> float:
    raise KeyError("no")


def never(probe: Probe) -> float:
    raise UndefinedScore("never")


@pytest.mark.parametrize(
    ("function", "needs", "fault"),
    [
        (random_numbers, (), "a second time|torch's own random numbers"),
        (weights_of_the_module, (), "with other weights|for its module"),
        (writes_a_buffer, (), "changes value '.*' of module"),
        (writes_shared_weights, (), "changes the score of|beside other proxies"),
        (runs, (), "needs nothing, but runs network"),
        (never, (), "is defined for no network of 'small'.*never"),
        (fails, (), "failed: KeyError: 'no', on network .* raise UndefinedScore"),
    ],
)
def test_faults_of_a_proxy(function: Any, needs: Sequence[str], fault: str) -> None:
    proxy("wrong", paper="none", needs=needs)(function)
    names_the_fault(check_proxy, "wrong", fault)


class Wrong(RandomSampler):
    """Leaves everything open, like random search; each of those below does one thing wrong."""

    made = 0

    def __init__(self, seed: int, ancestors: Sequence[Any]) -> None:
        super().__init__(seed=seed)
        type(self).made += 1


class CountsItsCopies(Wrong):
    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        name, distribution = next(iter(search_space.items()))
        values = distribution.choices if hasattr(distribution, "choices") else (distribution.low,)
        return {name: values[self.made % len(values)]} if self.made % 2 else {}


LAST = 20 + 24  # networks that a search begins with, and the trials of a check


class InventsAnOption(Wrong):
    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        return {"colour": 1} if trial.number == LAST else {}


class InventsAValue(Wrong):
    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        return {"resolution": 29}


class Raises(Wrong):
    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        raise KeyError("no idea")


class SaysNonsense(Wrong):
    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        return dict.fromkeys(search_space, "nonsense")


class ReadsOldTrials(NSGAIISampler):
    """Says that it has generations, and yet begins with its oldest trial."""

    def __init__(self, seed: int, ancestors: Sequence[Any]) -> None:
        super().__init__(population_size=6, seed=seed)

    def sample_relative(self, study: Any, trial: Any, search_space: Any) -> dict[str, Any]:
        found = super().sample_relative(study, trial, search_space)
        oldest = study.get_trials(deepcopy=False)[:1]
        return dict(oldest[0].params) | {"resolution": 32} if oldest and found else found


@pytest.mark.parametrize(
    ("make", "options", "fault"),
    [
        (CountsItsCopies, {}, "that was interrupted proposes|from the same seed"),
        (InventsAnOption, {}, "option 'colour' is unknown"),
        (InventsAValue, {}, "proposes resolution=29, none of"),
        (Raises, {}, r"^sampler 'wrong': .*test_checks.py, line \d+: KeyError: 'no idea'"),
        (SaysNonsense, {}, "proposes .*='nonsense', none of"),
        (lambda seed, ancestors: None, {}, "makes None, no Optuna sampler"),
        (
            lambda: RandomSampler(),
            {},
            "^sampler 'wrong': .*test_checks.py: TypeError",
        ),
        (ReadsOldTrials, {"generations": True}, "a search that forgets proposes"),
    ],
)
def test_faults_of_a_sampler(make: Any, options: dict[str, Any], fault: str) -> None:
    sampler("wrong", **options)(make)
    names_the_fault(check_sampler, "wrong", fault)


def test_generations_are_those_of_a_genetic_sampler() -> None:
    @sampler("wrong", generations=True)
    def wrong(seed: int, ancestors: Sequence[Any]) -> BaseSampler:
        return RandomSampler(seed=seed)

    names_the_fault(
        check_sampler, "wrong", r"must be a subclass of optuna\.samplers\.BaseGASampler"
    )


@pytest.mark.parametrize("name", sorted(SAMPLERS))
def test_every_sampler_keeps_the_contract(name: str) -> None:
    many = 130 if SAMPLERS[name].generations else 40  # more than two populations
    if name == "gp":  # it takes long over a proposal
        check_sampler(name, trials=6, space=SearchSpace.from_dict(TINY))
    else:
        check_sampler(name, many)


def raises(*given: Any) -> Any:
    raise KeyError("zork")


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        (raises, r"test_checks.py, line \d+: KeyError: 'zork'"),
        (lambda *given: sys.exit(3), r"test_checks.py, line \d+: SystemExit: 3"),
        (lambda *given: None, "must .*, not None"),
    ],
)
def test_a_mistake_in_a_criterion_or_a_reader_is_one_line(function: Any, fault: str) -> None:
    criterion("wrong", source="none", needs=[])(function)
    names_the_fault(check_criterion, "wrong", f"^criterion 'wrong'.*{fault}")
    reader("wrong", names=("wrong",))(function)
    names_the_fault(check_reader, "wrong", f"^data set wrong: reader 'wrong'.*{fault}", "wrong")


def test_a_mistake_in_what_a_reader_accepts_is_one_line(tmp_path: Path) -> None:
    reader("wrong", accepts=raises)(lambda source, seed: None)  # type: ignore[arg-type,return-value]
    (tmp_path / "a.zork").touch()
    with pytest.raises(NasError, match=r"reader 'wrong': .*test_checks.py, line \d+: KeyError"):
        load_data(tmp_path / "a.zork")


def test_a_lack_of_memory_is_no_mistake_of_a_reader() -> None:
    def large(source: str, seed: int) -> DataSet:
        raise MemoryError

    reader("wrong", names=("wrong",))(large)
    with pytest.raises(MemoryError):
        load_data("wrong")


def test_a_check_of_a_sampler_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    log, before = logging.getLogger("optuna"), optuna.logging.get_verbosity()
    log.addHandler(caplog.handler)
    optuna.logging.set_verbosity(optuna.logging.INFO)
    try:
        check_sampler("random", trials=2)
    finally:
        optuna.logging.set_verbosity(before)
        log.removeHandler(caplog.handler)
    assert caplog.messages == []


@pytest.mark.parametrize("name", target_names())
def test_every_target_keeps_the_contract(name: str) -> None:
    check_target(name)


@pytest.mark.parametrize(
    ("method", "wrong", "fault"),
    [
        ("row_ms", lambda self, row, shape: float("nan"), "takes nan ms"),
        ("row_ms", lambda self, row, shape: -1.0, "on input .* takes -1.0 ms"),
        ("predict", lambda self, arch: Prediction(1.0, 2.0, 3.0), "is no interval around"),
        ("predict", lambda self, arch: Prediction(0.0, 0.0, 0.0), "takes 0.0 ms"),
        ("predict", lambda self, arch: Prediction(1.0, 1.0, 1.0), "but its rows take"),
    ],
)
def test_faults_of_a_target(
    method: str, wrong: Any, fault: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Target, method, wrong)
    names_the_fault(check_target, "cpu", fault)


def test_a_reader_that_is_shipped_keeps_the_contract() -> None:
    check_reader("digits", "digits")
    names_the_fault(check_reader, "idx", "digits is read by 'digits'", "digits")


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda d, seed: replace(d, classes=("a",) * 10), "classes of different names"),
        (lambda d, seed: replace(d, classes=(*d.classes, "x")), r"no training image of \['x'\]"),
        (lambda d, seed: replace(d, seed=seed + 1), "its seed is 1, not 0"),
        (lambda d, seed: replace(d, source="digits"), "its source 'digits' gives other images"),
        (
            lambda d, seed: replace(d, train=d.train.take(np.arange(100 + next(calls)))),
            "second reading gives other images",
        ),
    ],
)
def test_faults_of_a_reader(change: Any, fault: str) -> None:
    @reader("wrong", names=("wrong",))
    def wrong(source: str, seed: int) -> DataSet:
        data = load_data("digits", seed)
        flipped = Images(255 - np.asarray(data.train.pixels), data.train.labels)
        wrong: DataSet = change(replace(data, source="wrong", train=flipped), seed)
        return wrong

    names_the_fault(check_reader, "wrong", fault, "wrong")


def test_a_reader_that_gives_no_data_set_is_one_line() -> None:
    @reader("wrong", names=("wrong",))
    def wrong(source: str, seed: int) -> DataSet:
        data = load_data("digits", seed)
        return replace(data, classes=data.classes[:9])

    with pytest.raises(AssertionError, match="labels must be 0 to 8, each a class, not 0 to 9"):
        check_reader("wrong", "wrong")
