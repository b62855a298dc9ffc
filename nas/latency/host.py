"""Whether a target that was measured on a processor says something of this machine's."""

from __future__ import annotations

from nas.latency.metadata import Metadata
from nas.latency.runner.machine import processor

CPU = "CPUExecutionProvider"
# What a convolution is computed with: each of these, had or not, changes latencies severalfold.
VECTORS = ("avx2", "fma", "avx512f", "neon", "asimd", "sve")
BYTES = ("avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm")  # for int8 alone
HALVES = ("avx512_bf16", "asimdhp", "bf16")
OFFER = "nas measure --target NAME --quick makes a target of it in two minutes"


def host_notice(metadata: Metadata) -> str:
    """A sentence where a target is onnxruntime's on a CPU and this machine's is another one; ""
    where it is alike, or where the target is of another kind of device."""
    if metadata.provider != CPU or metadata.provenance != "measured":
        return ""
    name, flags = processor()
    counted = VECTORS + (BYTES if metadata.precision == "int8" else ())
    counted += HALVES if metadata.precision == "fp16" else ()
    lacks = [flag for flag in counted if flag in metadata.cpu_flags and flag not in flags]
    more = [flag for flag in counted if flag in flags and flag not in metadata.cpu_flags]
    if lacks or more:
        differs = [f"without {', '.join(lacks)}"] * bool(lacks) + [
            f"with {', '.join(more)}"
        ] * bool(more)
        what = f"{metadata.device}, this machine is {name}, {' and '.join(differs)}"
    elif metadata.device != name:
        what = f"{metadata.device}, this machine is {name}"
    else:
        return ""
    return f"target {metadata.name} was measured on {what}: if it is to run here, {OFFER}"
