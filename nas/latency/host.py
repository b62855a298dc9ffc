"""Whether a target that was measured on a processor says something of this machine's."""

from __future__ import annotations

from nas.latency.metadata import Metadata, read_metadata
from nas.latency.runner.machine import processor
from nas.latency.target import SHIPPED

CPU = "CPUExecutionProvider"
# What a convolution is computed with: each of these, had or not, changes latencies severalfold.
VECTORS = ("avx2", "fma", "avx512f", "neon", "asimd", "sve")
BYTES = ("avx_vnni", "avx512_vnni", "amx_int8", "asimddp", "i8mm")  # for int8 alone
HALVES = ("avx512_bf16", "asimdhp", "bf16")
OFFER = "nas measure --target NAME --quick makes a target of it in two minutes"


def shipped_cpus(precision: str) -> list[Metadata]:
    """The shipped targets that onnxruntime was timed for on a CPU, in that precision."""
    known = (read_metadata(path) for path in sorted(SHIPPED.glob("*.yaml")))
    return [each for each in known if _timed_here(each) and each.precision == precision]


def host_notice(metadata: Metadata) -> str:
    """A sentence where a target is onnxruntime's on a CPU and this machine's is another one; ""
    where it is alike, or where the target is of another kind of device."""
    if not _timed_here(metadata):
        return ""
    name, flags = processor()
    lacks, more = _unlike(metadata, flags)
    nearer = ""
    if lacks or more:
        differs = [f"without {', '.join(lacks)}"] * bool(lacks) + [
            f"with {', '.join(more)}"
        ] * bool(more)
        what = f"{metadata.device}, this machine is {name}, {' and '.join(differs)}"
        alike = [
            each.name
            for each in shipped_cpus(metadata.precision)
            if each.threads == metadata.threads and not any(_unlike(each, flags))
        ]
        nearer = f"target {alike[0]} is of one that computes alike, and " if alike else ""
    elif metadata.device != name:
        what = f"{metadata.device}, this machine is {name}"
    else:
        return ""
    return f"target {metadata.name} was measured on {what}: if it is to run here, {nearer}{OFFER}"


def _timed_here(metadata: Metadata) -> bool:
    return (metadata.provenance, metadata.provider) == ("measured", CPU)


def _unlike(metadata: Metadata, flags: list[str]) -> tuple[list[str], list[str]]:
    """The features that count and that a processor with these flags lacks of a target's, and those
    that it has more."""
    counted = VECTORS + (BYTES if metadata.precision == "int8" else ())
    counted += HALVES if metadata.precision == "fp16" else ()
    lacks = [flag for flag in counted if flag in metadata.cpu_flags and flag not in flags]
    more = [flag for flag in counted if flag in flags and flag not in metadata.cpu_flags]
    return lacks, more
