"""`nas export` of a network that is no study's: a published one, or that of a file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas.cli.terminal import echo, echo_json

if TYPE_CHECKING:
    from nas.formats.endings import FileFormat


def export_network(
    name: str,
    output: Path | None,
    form: FileFormat,
    storage: str | None,
    metadata: dict[str, str],
    *,
    int8: bool,
    symmetric: bool,
    dynamic_batch: bool,
    opset: int | None,
    as_json: bool,
) -> None:
    """Writes an untrained network as ONNX or TFLite, and says how far it is from torch."""
    from nas.cli.export import export_untrained_int8, export_untrained_tflite
    from nas.formats.endings import ENDINGS
    from nas.formats.onnx_model import OPSET, check_opset
    from nas.formats.verified import export_onnx, initialised, output_file, unnamed_output
    from nas.networks import made_here
    from nas.study.networks import find_network
    from nas.support.files import file_name
    from nas.support.text import significant

    arch = made_here(find_network(name, None, storage)[0], "nas export")
    named = file_name(arch.name or arch.hash[:12])
    path = output_file(output) if output else unnamed_output(Path(f"{named}{ENDINGS[form]}"))
    metadata = {**metadata, "weights": "untrained"}
    difference: float | None = None
    if int8:
        export_untrained_int8(
            arch,
            path,
            form,
            metadata,
            symmetric=symmetric,
            dynamic_batch=dynamic_batch,
            seed=0,
        )
    elif form == "onnx":
        difference = export_onnx(
            arch,
            path,
            initialised(arch, 0),
            dynamic_batch=dynamic_batch,
            metadata=metadata,
            opset=OPSET if opset is None else check_opset(opset),
        )
    else:
        difference = export_untrained_tflite(arch, path, metadata, initialised(arch, 0))
    if as_json:
        echo_json({"file": str(path), "network": named, "difference": difference})
        return
    size = significant(path.stat().st_size / 1e6)
    echo(f"{path}: {named}, {arch.resolution} px, {size} MB")
    if difference is not None:
        echo(
            "largest difference between the file and torch, relative to the largest output where "
            f"that is above 1: {difference:.2g}"
        )
    echo("the weights are untrained: the file is the architecture, ready to be measured")
