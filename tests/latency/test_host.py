"""What is said where a target is another processor than this machine's."""

from __future__ import annotations

import pytest

from nas.latency.host import host_notice
from nas.latency.measuring.measure import base_of
from nas.latency.metadata import Metadata, read_metadata
from nas.latency.target import target_path

CPU = read_metadata(target_path("cpu"))


def this_machine(monkeypatch: pytest.MonkeyPatch, name: str, flags: list[str]) -> None:
    monkeypatch.setattr("nas.latency.host.processor", lambda: (name, flags))


@pytest.mark.parametrize(
    ("name", "flags", "said"),
    [
        (CPU.device, CPU.cpu_flags, ""),
        (CPU.device, [*CPU.cpu_flags, "amx_int8"], ""),  # which float32 has no use for
        ("Old", ["avx2", "fma"], "this machine is Old, without avx512f"),
        (
            "Pi",
            ["asimd", "asimddp"],
            "this machine is Pi, without avx2, fma, avx512f and with asimd",
        ),
        ("Another", CPU.cpu_flags, "AMD EPYC, this machine is Another"),
    ],
)
def test_what_matters_is_said(
    name: str, flags: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    this_machine(monkeypatch, name, flags)
    notice = host_notice(CPU)
    assert said in notice
    assert bool(said) == ("nas measure --target NAME --quick" in notice)


def test_a_target_that_computes_alike_is_named_and_scaled(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without AVX-512 channels are stored in blocks of 8, as in one shipped table."""
    avx2 = read_metadata(target_path("x86-avx2-ort"))
    this_machine(monkeypatch, "Desktop", ["sse4_2", "avx", "avx2", "fma"])
    assert "target x86-avx2-ort is of one that computes alike, and nas measure" in host_notice(CPU)
    assert "computes alike" not in host_notice(avx2)  # which is of another machine
    assert (avx2.lowering, CPU.lowering) == ("nchwc8", "nchwc16")
    own = CPU.model_copy(update={"name": "mine", "lowering": "nchwc8"})
    assert base_of(own) == "x86-avx2-ort"
    assert base_of(own.model_copy(update={"lowering": "nchwc16"})) == CPU.name
    this_machine(monkeypatch, "Pi", ["asimd", "asimddp"])
    assert "computes alike" not in host_notice(CPU)


def test_bytes_matter_to_int8(monkeypatch: pytest.MonkeyPatch) -> None:
    int8 = read_metadata(target_path("x86-avx512-ort-int8"))
    this_machine(monkeypatch, int8.device, [f for f in int8.cpu_flags if "vnni" not in f])
    assert "without avx_vnni, avx512_vnni" in host_notice(int8)


@pytest.mark.parametrize("name", ["jetson", "ethos-u55-128", "rk3588"])
def test_nothing_is_said_of_another_kind_of_device(name: str) -> None:
    facts: Metadata = read_metadata(target_path(name))
    assert host_notice(facts) == ""
