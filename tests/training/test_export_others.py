"""Exports of single runtimes are run before they are kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from commands import Run
from parents import trained_parent
from torch import nn

import nas
from nas.architecture import Architecture
from nas.blocks import Block
from nas.formats.endings import OTHER_ENDINGS
from nas.formats.verified import initialised
from nas.graph import ACTIVATIONS
from nas.support.errors import NasError
from nas.training.export_others import export_other

ARCH = Architecture(
    20,
    (Block("repvgg", out=8, stride=2),),
    ((Block("uib", out=12, hidden=24), Block("shuffle", out=12)),),
    (Block("gap"), Block("linear", out=5)),
)
FILES = {
    "mnn": {"net.mnn"},
    "ncnn": {"net.bin", "net.param"},
    "openvino": {"net.bin", "net.xml"},
    "torch": {"net.pt2"},
}


@pytest.mark.parametrize("form", OTHER_ENDINGS)
def test_a_format_is_written_and_computes_what_torch_does(form: str, tmp_path: Path) -> None:
    pytest.importorskip({"mnn": "MNN"}.get(form, form))
    done = export_other(form, ARCH, initialised(ARCH), tmp_path / f"net{OTHER_ENDINGS[form]}")
    assert {path.name for path in done.files} == {path.name for path in tmp_path.iterdir()}
    assert {path.name for path in done.files} == FILES[form]
    assert done.difference is not None
    assert done.difference <= 1e-4
    assert done.runtime.startswith(form)


@pytest.mark.parametrize("act", ACTIVATIONS)
def test_ncnn_has_every_activation(act: str, tmp_path: Path) -> None:
    pytest.importorskip("ncnn")
    stem, last = (Block("conv", out=8, act=act),), (Block("gap"), Block("linear", out=5, act=act))
    arch = Architecture(12, stem, ((Block("basic", out=8, hidden=8, act=act),),), last)
    done = export_other("ncnn", arch, initialised(arch), tmp_path / "net.param")
    assert done.difference is not None
    assert done.difference <= 1e-4


class Wrong(nn.Module):
    """A network's module that computes something else."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.inner = module

    def forward(self, x):  # type: ignore[no-untyped-def]
        return self.inner(x) + 1

    def state_dict(self, *args, **kwargs):  # type: ignore[no-untyped-def]
        return self.inner.state_dict(*args, **kwargs)


def test_a_file_that_computes_something_else_is_not_kept(tmp_path: Path) -> None:
    pytest.importorskip("ncnn")
    stem = [{"kind": "conv", "out": 8, "stride": 2}]
    plain = Architecture.from_dict({**ARCH.to_dict(), "stem": stem})
    wrong = Wrong(nas.build(plain).eval())
    with pytest.raises(NasError, match=r"differs from torch by .*, over 0.0001"):
        export_other("ncnn", plain, wrong, tmp_path / "net.param")
    assert not list(tmp_path.iterdir())


def test_ncnn_is_written_where_it_is_not_installed(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.training.export_others.find_spec", lambda name: None)
    words = ("--format", "ncnn", "--output", "net.param")
    code, out, _ = run("export", "mlperf_tiny_resnet8", *words)
    assert code == 0
    assert "not run: ncnn is not installed (pip install '.[ncnn]' in a clone of hw-nas)" in out
    layers, tensors = (tmp_path / "net.param").read_text().splitlines()[1].split()
    assert int(tensors) >= int(layers) > 20
    params = nas.cost(nas.reference("mlperf_tiny_resnet8")).params
    assert (tmp_path / "net.bin").stat().st_size == pytest.approx(4 * params, rel=0.02)


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(NasError, match=r"a file of ncnn ends in \.param"):
        export_other("ncnn", ARCH, initialised(ARCH), tmp_path / "net.onnx")
    assert not list(tmp_path.iterdir())


def test_a_studys_network_by_the_command(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("ncnn")
    words = ("--space", "tiny", "--budget", "2M", "--trials", "1", "--sampler", "random")
    code, _, _ = run("search", "--target", "jetson", *words)
    assert code == 0
    (study,) = (path.stem for path in (tmp_path / "studies").glob("*.yaml"))
    code, out, _ = run("export", study, "--format", "ncnn", "--output", "net.param")
    assert code == 0
    assert "largest difference between ncnn" in out
    assert (tmp_path / "net.bin").exists()
    code, _, err = run("export", study, "--format", "ncnn", "--dynamic-batch")
    assert code == 2
    assert "--format ncnn is float32, for one image" in err


def test_two_formats_with_weights_beside_them_live_beside_each_other(
    run: Run, tmp_path: Path
) -> None:
    pytest.importorskip("ncnn")
    pytest.importorskip("openvino")
    (tmp_path / "net.json").write_text(ARCH.renamed("net").to_json())
    for form in ("openvino", "ncnn"):
        assert run("export", "net.json", "--format", form)[0] == 0
    names = {"net.xml", "net.bin", "net.ncnn.param", "net.ncnn.bin"}
    assert {path.name for path in tmp_path.iterdir()} == {"net.json", *names}
    before = (tmp_path / "net.bin").read_bytes()
    code, _, err = run("export", "net.json", "--output", "net.param")
    assert code == 2
    assert "net.bin is there and of net.xml: name another file with --output" in err
    assert (tmp_path / "net.bin").read_bytes() == before
    (tmp_path / "net.xml").unlink()
    _, _, err = run("export", "net.json", "-o", "net.param")
    assert "net.bin is there and not of net.param: " in err
    for output in ("net.xml", "net.ncnn.param"):  # its own are replaced
        (tmp_path / "net.bin").unlink(missing_ok=True)
        assert [run("export", "net.json", "-o", output)[0] for _ in range(2)] == [0, 0]


def test_a_training_is_exported_again_into_its_folder(run: Run, tmp_path: Path) -> None:
    trained_parent(tmp_path / "net")
    for _ in range(2):
        assert run("export", "net", "--format", "torch")[0] == 0
    assert (tmp_path / "net/model.pt2").exists()
    (tmp_path / "a.json").write_text(ARCH.to_json())
    assert run("export", "a.json", "--format", "torch")[0] == 0
    code, _, err = run("export", "a.json", "--format", "torch")  # which may be anybody's
    assert code == 2
    assert "is there: name the file to write with --output" in err
