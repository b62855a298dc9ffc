"""A target as text, without its table: what a study keeps, so that it goes on as it began."""

from __future__ import annotations

import base64
import binascii
import json
import zlib
from typing import Any

from nas.latency.metadata import Metadata
from nas.latency.model.calibrated import Calibrated
from nas.latency.model.predictor import read_facts
from nas.latency.model.scaled import KernelPredictor, Scaled, read_factors
from nas.latency.target import Target, shipped_checksum
from nas.support.errors import NasError
from nas.support.validation import validated

MOST_BYTES = 1 << 24  # unpacked


def keep(target: Target) -> str | None:
    """The target as a line of ASCII; None for a shipped one, which is there anyway."""
    if shipped_checksum(target.name) == target.checksum:
        return None
    calibrated = isinstance(target.predictor, Calibrated)  # whose metadata have it all
    facts = {} if calibrated else target.predictor.facts()
    data = {"metadata": target.metadata.model_dump(mode="json"), "predictor": facts}
    packed = zlib.compress(json.dumps(data, separators=(",", ":")).encode(), 9)
    return base64.b64encode(packed).decode()


def restored(text: str, checksum: str, owner: str) -> Target:
    """The target that `keep` wrote, of that checksum. Errors: `NasError` where it is damaged."""
    source = f"{owner}: its target"
    try:
        unpacking = zlib.decompressobj()
        data = json.loads(unpacking.decompress(base64.b64decode(text, validate=True), MOST_BYTES))
        metadata, facts = data["metadata"], data["predictor"]
    except (ValueError, LookupError, TypeError, RecursionError, zlib.error, binascii.Error):
        raise NasError(f"{source} is damaged") from None
    known = validated(Metadata, metadata, source)
    try:
        return Target(known, _predictor(known, facts, source), checksum=checksum)
    except NasError as error:
        said = str(error)
        raise NasError(said if said.startswith(owner) else f"{source}: {said}") from None


def _predictor(metadata: Metadata, facts: Any, source: str) -> KernelPredictor:
    if metadata.provenance == "calibrated":
        return Calibrated.from_json(metadata.fit, metadata.weights)
    if metadata.scales is None:
        return read_facts(facts, source)
    if not isinstance(facts, dict) or set(facts) != {"base", "factors"}:
        raise NasError(f"{source} is damaged")
    return Scaled(read_facts(facts["base"], source), read_factors(facts["factors"], source))
