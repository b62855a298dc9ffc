"""The shipped prior is read strictly, and is that of the shipped tables."""

import json
from pathlib import Path

import numpy as np
import pytest

from nas.accuracy import prior as module
from nas.accuracy.prior import PRIOR, packed, read_prior, table_columns, unpacked
from nas.accuracy.regression import squares
from nas.accuracy.table import FOLDER, read_accuracy_table, write_rows
from nas.support.errors import NasError


def changed(tmp_path: Path, **changes: object) -> Path:
    path = tmp_path / "prior.json"
    path.write_text(json.dumps(json.loads(PRIOR.read_text()) | changes))
    return path


def test_shipped_sums_are_those_of_the_shipped_tables() -> None:
    stored, tables, residuals = read_prior()
    assert set(residuals) == {"accel_nasbench", "nasbench201"}
    for path in FOLDER.glob("*.csv"):
        assert stored.tables[path.stem].checksum == module.checksum(path), "run fit_accuracy.py"
        found = tables[path.stem]
        summed = squares(*table_columns(read_accuracy_table(path)))
        assert np.allclose(found.xx, summed.xx, rtol=1e-6, atol=1e-5)
        assert np.allclose(found.xy, summed.xy, rtol=1e-6, atol=1e-5)
        assert found.yy == pytest.approx(summed.yy, rel=1e-6)


def test_a_table_that_has_changed_is_summed_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in (p for name in ("small", "published") for p in FOLDER.glob(f"{name}.*")):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    table = read_accuracy_table(tmp_path / "small.csv")
    write_rows(tmp_path / "small.csv", table.rows[:50])
    monkeypatch.setattr(module, "FOLDER", tmp_path)
    read_prior.cache_clear()
    try:
        _, tables, _ = read_prior()
    finally:
        read_prior.cache_clear()
    assert tables["small"].rows == 50
    assert tables["published"].rows == read_prior()[1]["published"].rows


def test_the_prior_holds_no_row_of_the_benchmarks() -> None:
    """Sums alone: fewer numbers than rows would be, and landmarks that no accuracy belongs to."""
    stored, _, residuals = read_prior()
    for name in residuals:
        assert stored.tables[name].rows >= 500
        assert len(residuals[name].landmarks) == 200


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"format": 2}, "format"),
        ({"features": ["macs"]}, "of other features: run scripts/fit_accuracy.py"),
        ({"tables": {}}, "tables"),
        ({"weights": []}, "weights: unknown setting"),
        ({"scales": []}, "scales"),
        ({"scales": [{"task": "none"}]}, "scales"),
    ],
)
def test_a_prior_that_is_wrong_is_one_line(
    tmp_path: Path, changes: dict[str, object], words: str
) -> None:
    with pytest.raises(NasError, match=words) as caught:
        read_prior(changed(tmp_path, **changes))
    assert "\n" not in str(caught.value)
    assert "prior.json" in str(caught.value)


@pytest.mark.parametrize("key", ["xx", "xy"])
def test_sums_of_a_wrong_size_are_one_line(tmp_path: Path, key: str) -> None:
    tables = json.loads(PRIOR.read_text())["tables"]
    tables["small"][key] = tables["small"][key][:-1]
    with pytest.raises(NasError, match="table 'small': ") as caught:
        read_prior(changed(tmp_path, tables=tables))
    assert "\n" not in str(caught.value)


def test_text_that_is_no_json_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "prior.json"
    path.write_text(PRIOR.read_text()[:1000])
    with pytest.raises(NasError, match=r"prior\.json"):
        read_prior(path)


def test_triangles_are_packed_and_unpacked() -> None:
    matrix = np.array([[1.0, 2.0, 4.0], [2.0, 3.0, 5.0], [4.0, 5.0, 6.0]])
    assert packed(matrix) == [1, 2, 3, 4, 5, 6]
    assert np.array_equal(unpacked(packed(matrix), 3), matrix)
    with pytest.raises(ValueError, match="make no triangle"):
        unpacked([1.0, 2.0], 3)
