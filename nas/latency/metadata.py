"""What is known about a target: its YAML file, read strictly."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import ConfigDict, Field, PositiveFloat, model_validator

from nas.costs import BYTES, Precision
from nas.latency.lowering.rows import Lowering
from nas.latency.model.basis import KINDS
from nas.support.errors import NasError, check_type, one_of
from nas.support.validation import Settings, validated
from nas.support.yaml import LARGEST, read_yaml

NAME = r"^([a-z0-9][a-z0-9._-]*/)?[a-z0-9][a-z0-9._-]*$"
SUFFIXES = (".yaml", ".yml")
PROVENANCES, PRECISIONS = ("measured", "estimated", "calibrated"), tuple(BYTES)
Fraction = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[PositiveFloat, Field(allow_inf_nan=False)]

Count = Annotated[int, Field(ge=0, lt=LARGEST)]  # what YAML is read back with


class _Strict(Settings):
    model_config = ConfigDict(strict=True)


UNSTATED = "not stated"  # the runtime of a table of which nobody said it


class Error(_Strict):
    """How far predictions are off, on networks that the fit had not seen.

    Mean absolute relative errors as fractions; nine out of ten latencies lie between the
    prediction divided by `interval_factor` and multiplied by it.
    """

    method: str
    networks: Count
    rows: Count
    mape: Fraction
    interval_factor: Annotated[float, Field(gt=1, allow_inf_nan=False)]


class Protocol(_Strict):
    """How latencies were timed: runs to warm up, the time in ms that a visit takes at least and at
    most, visits to each model, and what of them is the latency."""

    warm_up: Count
    visit_ms: Annotated[list[Positive], Field(min_length=2, max_length=2)]
    visits: Annotated[Count, Field(ge=1)]
    statistic: str


class Metadata(_Strict):
    """A target's YAML file.

    `provenance` is `measured` where a table was timed on the device, `estimated` where a vendor's
    tool made it without the device, `calibrated` where a model was fitted to published latencies.
    `noise` is the relative error of a typical latency of the table; `weights` are a calibrated
    target's prices of work and `fit` the rest of it, see `nas.latency.model.calibrated`.
    `throughput` says that latencies are times per image of large batches. `scales` names a shipped
    target, whose predictor the table of a few networks only scales.
    """

    name: Annotated[str, Field(pattern=NAME)]
    device: str
    aliases: list[str] = []
    cpu_flags: list[str] = []
    provenance: Literal["measured", "estimated", "calibrated"]
    runtime: str
    provider: str | None = None
    precision: Precision
    lowering: Lowering = "fused"
    threads: Annotated[Count, Field(ge=1)] | None = None
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")]
    sources: list[str]
    protocol: Protocol | None = None
    notes: str = ""
    error: Error | None = None
    noise: Fraction | None = None
    throughput: bool = False
    scales: Annotated[str, Field(pattern=NAME)] | None = None
    weights: dict[str, Positive] = {}
    fit: str = ""

    @model_validator(mode="after")
    def _complete(self) -> Metadata:
        for name in self.weights:
            if name not in KINDS:
                raise one_of("weight", name, KINDS)
        if self.provenance == "calibrated" and not (self.fit and len(self.weights) == len(KINDS)):
            raise ValueError("weights: a calibrated target must have them; calibrate it anew")
        if self.provenance == "calibrated" and self.error is None:
            raise ValueError("error: a calibrated target must state it")
        return self

    @property
    def kind(self) -> str:
        """What its latencies are, for a sentence; runtimes rank networks differently."""
        runtime = f"runtime {UNSTATED}" if self.runtime == UNSTATED else self.runtime
        threads = [f"{self.threads} thread{'s' * (self.threads > 1)}"] if self.threads else []
        batches = ["time per image of batches"] if self.throughput else []
        return ", ".join([self.provenance, runtime, *threads, self.precision, *batches])

    def shown(self) -> dict[str, Any]:
        """What there is to know of the target as JSON types, without what the fit found."""
        return self.model_dump(mode="json", exclude={"fit", "weights"})

    def to_yaml(self) -> str:
        """The text of the file."""
        data = self.model_dump(mode="json", exclude_defaults=True)
        return yaml.safe_dump(
            data, sort_keys=False, allow_unicode=True, width=100, default_flow_style=None
        )


def check_name(name: str) -> None:
    """Checks the name of a target that is to be made. Errors: `NasError` with the rule."""
    check_type(name, "the name of a target", "text", str)
    if not re.fullmatch(NAME, name):
        rule = "must be of lower-case letters, digits, '.', '_' and '-'"
        raise NasError(f"name {name!r} {rule}")
    if name.endswith(SUFFIXES):  # every command would take it for a file
        raise NasError(f"name {name!r} must not end like a file's: call it {Path(name).stem}")


def read_metadata(path: Path) -> Metadata:
    """Reads a target's YAML. Errors: `NasError` naming file, key and rule."""
    data = read_yaml(path, f"target {path}")
    if not isinstance(data, dict):
        raise NasError(f"target {path}: must be a mapping, not {type(data).__name__}")
    metadata = validated(Metadata, data, f"target {path}")
    if metadata.name.split("/")[-1] != path.stem:
        raise NasError(f"target {path}: name: must be that of the file, not {metadata.name!r}")
    return metadata
