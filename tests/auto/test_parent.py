"""`nas auto` with a network whose weights are from elsewhere: transferred, then pruned."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
import yaml
from begun import begun
from commands import Run
from parents import ARCH
from tiny import TINY

from nas.architecture import Architecture, with_classes
from nas.auto.state import STATE
from nas.space import SearchSpace
from nas.torch_module import build
from nas.training.recipe import TRANSFER

pytestmark = pytest.mark.usefixtures("few_references")


def published(folder: Path) -> Architecture:
    """A network of 7 classes and three channels, and the file of its weights."""
    arch = with_classes(replace(ARCH, channels=3), 7)
    (folder / "a.json").write_text(arch.to_json())
    torch.save(build(arch, seed=3).state_dict(), folder / "w.pt")
    return arch


def test_published_weights_are_transferred_and_pruned(run: Run, tmp_path: Path) -> None:
    published(tmp_path)
    words = [*begun(tmp_path, parent="a.json", weights="w.pt"), "--from", "a.json"]
    words += ["--weights", "w.pt"]
    state = json.loads((tmp_path / "result" / STATE).read_text())
    recipe = TRANSFER.changed(epochs=2, batch_size=32, images=512)
    (tmp_path / "result" / STATE).write_text(json.dumps(state | {"transfer": recipe.model_dump()}))
    code, out, err = run(*words)
    assert code == 0, err
    assert "pruned, trial" in out
    work = tmp_path / "result" / "work"
    transfer = json.loads((work / "transfer/training.json").read_text())
    assert transfer["finished"]
    assert transfer["start"]
    assert len(transfer["data"]["classes"]) == 10
    assert json.loads((tmp_path / "result" / STATE).read_text())["seconds"]["transfer"] > 0
    card = (tmp_path / "result/model_card.md").read_text()
    first = out.split("network", 1)[1].split("\n")[2]
    assert ("weights of `w.pt`" in card) == ("pruned" in first)
    before = {path: path.stat().st_mtime_ns for path in work.rglob("*.safetensors")}
    assert run(*words)[0] == 0
    assert {p: p.stat().st_mtime_ns for p in work.rglob("*.safetensors")} == before
    torch.save(build(published(tmp_path), seed=4).state_dict(), tmp_path / "w.pt")
    code, _, err = run(*words)  # the file has changed meanwhile
    assert code == 2
    assert "another start" in err.splitlines()[-1]


def test_a_wrong_parent_is_said_before_any_work(run: Run, tmp_path: Path) -> None:
    published(tmp_path)
    (tmp_path / "other.json").write_text(SearchSpace.from_dict(TINY, "tiny").sample(2).to_json())
    (tmp_path / "bad.pt").write_bytes(b"no weights")
    words = [*begun(tmp_path)[:-1], "new"]
    (tmp_path / "r.yaml").write_text(yaml.safe_dump({"epochs": 1, "batch_size": 32, "images": 64}))
    (tmp_path / "grey.json").write_text(ARCH.to_json())
    trained = ("train", "grey.json", "--data", "digits", "--recipe", "r.yaml", "-o", "net")
    assert run(*trained)[0] == 0
    cases = [
        (["--weights", "w.pt"], "--weights: whose? --from must name"),
        (["--from", "a.json"], "no folder of a training"),
        (["--from", "mobilenet_v9", "--weights", "w.pt"], "network 'mobilenet_v9' is unknown"),
        (["--from", "other.json", "--weights", "w.pt"], "w.pt: "),
        (["--from", "a.json", "--weights", "none.pt"], "none.pt: No such file"),
        (["--from", "a.json", "--weights", "bad.pt"], "bad.pt"),
        (["--from", "net", "--weights", "w.pt"], "leave --weights out"),
        (["--from", "net", "--norm-eps", "0.001"], "of the network of --weights"),
        (["--from", "a.json", "--weights", "w.pt", "--budget", "0.001Mparams"], "Mparams"),
    ]
    for more, said in cases:
        code, _, err = run(*words, *more)
        assert code == 2, more
        assert said in err.strip().splitlines()[-1]
        assert "Traceback" not in err
    assert not (tmp_path / "new" / "work" / "studies").exists()
    assert not (tmp_path / "new" / "work" / "transfer").exists()
