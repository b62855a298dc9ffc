"""Tables of trained networks are read strictly, and every shipped row is a network."""

import json
from pathlib import Path

import pytest

from nas.accuracy.decoders import DECODERS, accel_nasbench, decoded
from nas.accuracy.table import COLUMNS, FOLDER, TableRow, read_accuracy_table, write_rows
from nas.costs import cost
from nas.references import reference
from nas.references.scaled import scaled
from nas.support.errors import NasError

YAML = "task: digits\nrecipes:\n  short: {source: us, noise: 0.5}\n"
HEAD = ",".join(COLUMNS)
GOOD = 'a,short,reference,"{""name"":""resnet18""}",69.8,1'


def written(
    tmp_path: Path, *rows: str, yaml: str = YAML, head: str = HEAD, end: str = "\n"
) -> Path:
    path = tmp_path / "mine.csv"
    path.write_text("\n".join([head, *rows]) + end)
    path.with_suffix(".yaml").write_text(yaml)
    return path


def test_a_table_is_written_and_read_back(tmp_path: Path) -> None:
    arch = reference("resnet18")
    other = TableRow("b", "short", "scaled", '{"family":"lcnet"}', 72.1, 1)
    rows = [TableRow.of(arch, "short", 69.76, 2), other]
    path = written(tmp_path)
    write_rows(path, rows)
    table = read_accuracy_table(path)
    assert table.name == "mine"
    assert table.rows == tuple(rows)
    assert table.rows[0].architecture() == arch
    assert table.metadata.recipes["short"].noise == 0.5


def of(decoder: str, choices: str) -> str:
    """A row of the table."""
    quoted = choices.replace('"', '""')
    return f'a,short,{decoder},"{quoted}",1,1'


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([], "it has no rows"),
        ([GOOD, GOOD], "row 3: repeats row 2"),
        ([GOOD.replace("short", "shrt")], "recipe 'shrt' is unknown; did you mean 'short'"),
        ([GOOD.replace("reference", "refernce")], "decoder 'refernce' is unknown; did you mean"),
        ([GOOD.replace("name", "nmae")], "choice of decoder 'reference' 'nmae' is unknown"),
        ([GOOD.replace("resnet18", "resnet19")], "reference network 'resnet19' is unknown"),
        ([GOOD.replace("69.8", "169")], "accuracy must be from 0 to 100 percent, not 169"),
        ([GOOD.replace("69.8", "nan")], "accuracy must be from 0 to 100 percent, not nan"),
        ([GOOD.replace("69.8", "good")], "accuracy and seeds must be numbers"),
        ([GOOD.replace("69.8", "True")], "accuracy and seeds must be numbers, not 'True', '1'"),
        ([GOOD.removesuffix("1") + "0"], "seeds must be at least 1, not 0"),
        (["a,short,json,{},1,1"], "an architecture needs the key 'resolution'"),
        (["a,short,json,{,1,1"], "not an architecture: invalid JSON"),
        (["a,short,resnet,[],1,1"], "choices must be a JSON object"),
        (["a,short,resnet,{},1,1"], "choice 'kind' is missing"),
        ([of("reference", '{"name": ["a"]}')], r"reference network \['a'\] is unknown"),
        ([of("scaled", '{"family": {}}')], "family {} is unknown"),
        ([of("resnet", '{"kind": ["a"], "repeats": [1, 1, 1, 1]}')], r"kind \['a'\] is unknown"),
        (
            [of("resnet", '{"kind": "basic", "repeats": [1, 1, 1, 1], "se": "no"}')],
            "se must be true or false, not 'no'",
        ),
        (["a,short"], "2 cells; the table has 6 columns"),
    ],
)
def test_a_bad_row_is_one_line_that_names_it(tmp_path: Path, rows: list[str], words: str) -> None:
    with pytest.raises(NasError, match=words) as caught:
        read_accuracy_table(written(tmp_path, *rows))
    assert "\n" not in str(caught.value)
    assert "mine.csv" in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"head": "network,accuracy"}, f"the columns must be {HEAD}, not 'network,accuracy'"),
        ({"end": ""}, "truncated: the last row has no line end"),
        ({"yaml": "task: digits\n"}, "recipes: Field required"),
        ({"yaml": YAML + "author: me\n"}, "author: unknown setting"),
        ({"yaml": YAML.replace("0.5", "-1")}, "recipes.short.noise"),
    ],
)
def test_a_bad_file_is_one_line(tmp_path: Path, changes: dict[str, str], words: str) -> None:
    with pytest.raises(NasError, match=words) as caught:
        read_accuracy_table(written(tmp_path, GOOD, **changes))
    assert "\n" not in str(caught.value)


def test_every_shipped_table_is_read_and_names_its_sources() -> None:
    names = {path.stem for path in FOLDER.glob("*.csv")}
    assert {"small", "published"} <= names
    for name in names:
        table = read_accuracy_table(FOLDER / f"{name}.csv")
        assert {row.recipe for row in table.rows} == set(table.metadata.recipes)
        assert all(recipe.source for recipe in table.metadata.recipes.values())
    assert len(read_accuracy_table(FOLDER / "published.csv").rows) >= 200
    assert len(read_accuracy_table(FOLDER / "small.csv").rows) >= 340


def test_accel_nasbench_holds_efficientnet_b0() -> None:
    choices = [[1, 6, 6, 6, 6, 6, 6], [3, 3, 5, 3, 5, 5, 3], [1, 2, 2, 3, 3, 4, 1], [1] * 7]
    assert accel_nasbench(*choices).hash == scaled("efficientnet").hash


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"expansion": [1]}, r"expansion must be 7 whole numbers of 1 to 16, not \[1\]"),
        ({"layers": [0, 1, 1, 1, 1, 1, 1]}, "layers must be 7 whole numbers of 1 to 32"),
        ({"se": [2] * 7}, "se must be 7 whole numbers of 0 to 1"),
        ({"kernel": 3}, "kernel must be 7 whole numbers"),
        ({"width": 1}, "choice of decoder 'accel_nasbench' 'width' is unknown"),
    ],
)
def test_choices_out_of_range_are_one_line(changes: dict[str, object], words: str) -> None:
    choices = {"expansion": [1] * 7, "kernel": [3] * 7, "layers": [1] * 7, "se": [0] * 7}
    with pytest.raises(NasError, match=words):
        decoded("accel_nasbench", json.dumps(choices | changes))


# What pycls prints in its MODEL_ZOO.md, RegNetX and RegNetY: 10^9 multiply-adds, 10^6 parameters.
PYCLS = {
    "regnetx_200mf": (0.2, 2.7), "regnetx_400mf": (0.4, 5.2), "regnetx_600mf": (0.6, 6.2),
    "regnetx_800mf": (0.8, 7.3), "regnetx_1.6gf": (1.6, 9.2), "regnetx_3.2gf": (3.2, 15.3),
    "regnetx_4.0gf": (4.0, 22.1), "regnetx_6.4gf": (6.5, 26.2), "regnetx_8.0gf": (8.0, 39.6),
    "regnetx_12gf": (12.1, 46.1), "regnetx_16gf": (15.9, 54.3), "regnetx_32gf": (31.7, 107.8),
    "regnety_200mf": (0.2, 3.2), "regnety_400mf": (0.4, 4.3), "regnety_600mf": (0.6, 6.1),
    "regnety_800mf": (0.8, 6.3), "regnety_1.6gf": (1.6, 11.2), "regnety_3.2gf": (3.2, 19.4),
    "regnety_4.0gf": (4.0, 20.6), "regnety_6.4gf": (6.4, 30.6), "regnety_8.0gf": (8.0, 39.2),
    "regnety_12gf": (12.1, 51.8), "regnety_16gf": (15.9, 83.6), "regnety_32gf": (32.3, 145.0),
}  # fmt: skip


def test_regnets_have_the_counts_that_are_printed() -> None:
    rows = read_accuracy_table(FOLDER / "published.csv").rows
    found = {row.network: cost(row.architecture()) for row in rows if row.decoder == "regnet"}
    assert set(found) == set(PYCLS)
    for name, (giga, mega) in PYCLS.items():
        assert found[name].macs / 1e9 == pytest.approx(giga, abs=0.051)
        assert found[name].params / 1e6 == pytest.approx(mega, abs=0.051)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"w_0": 4}, "w_0 must be a number of 8 to 4096, not 4"),
        ({"w_m": 1}, "w_m must be a number of 1.01 to 16, not 1"),
        ({"depth": 2.5}, "depth must be a whole number of 1 to 128, not 2.5"),
        ({"group_width": True}, "group_width must be a whole number of 1 to 4096, not True"),
        ({"se": 2}, "se must be a number of 0 to 1, not 2"),
    ],
)
def test_a_line_out_of_range_is_one_line(changes: dict[str, object], words: str) -> None:
    choices = {"w_0": 24, "w_a": 36.44, "w_m": 2.49, "depth": 13, "group_width": 8}
    with pytest.raises(NasError, match=words):
        decoded("regnet", json.dumps(choices | changes))


def test_every_decoder_is_used_or_named() -> None:
    used = {row.decoder for p in FOLDER.glob("*.csv") for row in read_accuracy_table(p).rows}
    assert used <= {"json", *DECODERS}
    assert set(DECODERS) - used == {"accel_nasbench", "nasbench201"}  # whose rows do not ship
