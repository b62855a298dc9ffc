"""A target that is measured again does not orphan its studies."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from commands import Run

from nas.latency import Target
from nas.latency.folders import own_targets
from nas.latency.kept import keep, restored
from nas.latency.measuring.plan import mixed_network
from nas.latency.table import Subject, TableRow, write_table
from nas.latency.target import shipped_target
from nas.study import Study, begin
from nas.study.notices import notices
from nas.support.errors import NasError

SEARCH = ("search", "--target", "mine", "--space", "small", "--budget", "2M", "--study", "s")


def measured(factor: float) -> Path:
    """A quick table of a device that is so many times as slow as the shipped one."""
    base = shipped_target("x86-avx512-ort")
    path = own_targets() / "mine.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    archs = [mixed_network(seed) for seed in range(8)]
    rows = [
        TableRow(Subject.network(arch), factor * base.predict(arch).ms, 0.01, 3) for arch in archs
    ]
    write_table(path.with_suffix(".csv"), rows)
    facts = base.metadata.model_dump(mode="json", exclude_defaults=True)
    facts |= {"name": "mine", "aliases": [], "scales": base.name}
    path.write_text(yaml.safe_dump(facts), encoding="utf-8")
    return path


def test_the_users_targets_are_found_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = measured(2.0)
    for folder in (tmp_path / "a", tmp_path / "b"):
        folder.mkdir()
        monkeypatch.chdir(folder)
        assert Target.load("mine").checksum == Target.load(path).checksum
    arch = mixed_network(3)
    twice = 2 * Target.load("cpu").predict(arch).ms
    assert Target.load("mine").predict(arch).ms == pytest.approx(twice, rel=0.02)


def test_what_is_kept_predicts_the_same() -> None:
    for target in (Target.load(measured(2.0)), Target.load("cpu")):
        text = keep(target)
        if text is None:
            assert target.name == "x86-avx512-ort"  # shipped, so that nothing is stored
            continue
        again = restored(text, target.checksum, "study 's'")
        assert again.predict(mixed_network(4)) == target.predict(mixed_network(4))
        assert again.checksum == target.checksum
        for damage in ("", text[:40], "eA=="):
            with pytest.raises(NasError, match="study 's': its target is damaged"):
                restored(damage, target.checksum, "study 's'")


def test_a_study_goes_on_with_what_it_began_with_until_it_is_moved(run: Run) -> None:
    measured(2.0)
    code, _, err = run(*SEARCH, "--trials", "8")
    assert code == 0, err
    before = json.loads(run("show", "s", "--json")[1])
    measured(6.0)
    code, out, err = run("resume", "s", "--trials", "4", "--json")
    assert code == 0, err
    assert "nas resume s --repredict moves it" in err
    after = json.loads(out)
    assert after["trials"] == 12
    arch = Study.load("s").network(Study.load("s").record(0))
    slow = Target.load("mine").predict(arch).ms
    best = Study.load("s").record()
    path = own_targets() / "mine.yaml"
    for hidden in (False, True):  # the table is another one; then there is none
        if hidden:
            path.rename(path.with_suffix(".hidden"))
        described = json.loads(run("describe", "s", "--json")[1])
        assert described["latency_ms"] == pytest.approx(best.latency_ms)
    path.with_suffix(".hidden").rename(path)
    described = json.loads(run("describe", "s:0", "--target", "mine", "--json")[1])
    assert described["latency_ms"] == pytest.approx(slow)
    assert Study.load("s").record(0).latency_ms == pytest.approx(slow / 3, rel=0.02)

    code, _, err = run("resume", "s", "--trials", "0", "--repredict")
    assert code == 2
    assert "must be at least 1" in err
    with pytest.raises(NasError, match="s-before"):
        Study.load("s-before")
    code, out, err = run("resume", "s", "--trials", "2", "--repredict")
    assert code == 0, err
    assert "as it was it is 's-before'" in err
    moved, kept = Study.load("s"), Study.load("s-before")
    assert moved.record(0).latency_ms == pytest.approx(slow)
    assert moved.record(0).hash == kept.record(0).hash
    assert moved.record(0).score == pytest.approx(kept.record(0).score)
    assert (moved.tally().trials, kept.tally().trials) == (14, after["trials"])
    assert before["best"] is not None
    stems = ("s", "s-before")
    alike = [yaml.safe_load(Path(f"studies/{stem}.yaml").read_text()) for stem in stems]
    assert alike[0] == alike[1]
    code, _, err = run("resume", "s", "--repredict")
    assert (code, "is as it was when it began" in err) == (2, True)


def test_a_study_that_cannot_go_on_is_not_said_to(tmp_path: Path) -> None:
    begun = begin("jetson", ["15M"], "small", storage=str(tmp_path))
    other = begun.settings.model_copy(update={"target_checksum": "0" * 64})  # of another version
    study = Study.create("older", other, begun.storage)
    assert notices(study) == notices(begun) == []
    with pytest.raises(NasError, match=r"nas resume older --storage \S+ --repredict predicts them"):
        assert study.target
