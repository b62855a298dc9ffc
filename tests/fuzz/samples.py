"""What is right, for the strategies to damage: plain data, and how it is written."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

import yaml
from tiny import TINY

from nas.space import SearchSpace
from nas.support.resources import shipped


def dump(data: Any) -> str:
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True)


def to_csv(rows: Any) -> str:
    text = io.StringIO()
    lines = rows if isinstance(rows, list) else [rows]
    writer = csv.writer(text, lineterminator="\n", escapechar="\\")
    rows = ([line] if not isinstance(line, list) else line for line in lines)
    writer.writerows([json.dumps(c) if isinstance(c, dict) else c for c in row] for row in rows)
    return text.getvalue()


def to_lines(rows: Any) -> str:
    return "".join(f"{json.dumps(row)}\n" for row in (rows if isinstance(rows, list) else [rows]))


def table_rows(most: int) -> list[Any]:
    """The first rows of a shipped table, their specs as data."""
    with (shipped("latency_tables") / "x86-avx512-ort.csv").open(encoding="utf-8") as file:
        columns, *rows = list(csv.reader(file))[:most]
    return [columns, *([kind, json.loads(spec), *rest] for kind, spec, *rest in rows)]


def shipped_yaml(folder: str, name: str) -> Any:
    return yaml.safe_load((shipped(folder) / f"{name}.yaml").read_text(encoding="utf-8"))


SPACES = [TINY, *(shipped_yaml("search_spaces", n) for n in ("small", "squeeze", "fbnet"))]
CONFIG = {
    "target": "jetson",
    "budget": ["15M", "2ms"],
    "space": TINY,
    "sampler": "nsga2",
    "objective": ["latency", "macs"],
    "proxies": ["entropy"],
    "start-from": [{"resolution": 16}],
    "seed": 1,
    "study": "a",
    "recipe": {"epochs": 1, "lr": 0.1},
    "plugin": [],
}
FACTS = {
    "format": 1,
    "target": "mine",
    "device": "a device",
    "cpu_flags": [],
    "lowering": "fused",
    "protocol": {"warm_up": 1, "visit_ms": [1.0, 2.0], "visits": 6, "statistic": "median"},
    "runtime": "onnxruntime",
    "provider": "CPUExecutionProvider",
    "precision": "fp32",
    "threads": 1,
    "date": "2026-01-01",
    "warnings": [],
}
RECIPE = {"epochs": 2, "batch_size": 8, "optimiser": "adamw", "lr": 0.1, "flip": None, "ema": 0.02}
APPROVALS = {"plugins": {"0" * 64: "/home/a/b.py", "1" * 64: "c.py"}}
_EPOCH = {"loss": 2.0, "accuracy": 0.1, "validation_loss": 2.0, "validation_accuracy": 0.2}
TRAINING = {
    "architecture": SearchSpace.from_dict(TINY).sample(0).to_dict(),
    "recipe": {"epochs": 2},
    "data": {
        "source": "digits",
        "seed": 0,
        "checksum": "0" * 64,
        "classes": ["a", "b"],
        "mean": [0.5],
        "deviation": [0.2],
    },
    "device": "cpu",
    "history": [{"epoch": 1, "seconds": 1.0, **_EPOCH}],
    "tensors": "epoch-1.safetensors",
}
MANIFEST = {
    "format": 1,
    "target": "mine",
    "precision": "fp32",
    "minutes": 0.01,
    "settings": {"provider": "CPUExecutionProvider", "threads": 1, "visits": 2},
    "models": [{"kind": "kernel", "spec": "{}", "file": "00000.onnx", "weights": {}}],
}
LATENCIES = [
    ["network", "latency_ms", "resolution"],
    *(["resnet18", "4.5", ""], ["vgg16", "12", "224"], ["squeezenet1_1", "1.1", "160"]),
    *(["mobilenet_v2_100", "2.2", "96"], ["mnasnet_100", "3", ""], ["alexnet", "2", ""]),
]
