"""The Ethos-U NPUs that Vela knows, each in a system as a microcontroller has it.

The system and memory of a name are those of Vela's own configuration file: activations in SRAM,
weights in flash. Another system gives other numbers.
"""

from __future__ import annotations

from typing import NamedTuple

from nas.support.errors import one_of

MEMORY = "Shared_Sram"
SYSTEMS = {
    "ethos-u55": ("Ethos_U55_High_End_Embedded", (32, 64, 128, 256)),
    "ethos-u65": ("Ethos_U65_Embedded", (256, 512)),
    "ethos-u85": ("Ethos_U85_SYS_Flash_High", (128, 256, 512, 1024, 2048)),
}


class Accelerator(NamedTuple):
    """An NPU by Vela's name, with Vela's names of the system around it and of how it shares
    memory; `macs` multiply-adds a cycle."""

    name: str
    system: str
    memory: str
    macs: int

    @property
    def device(self) -> str:
        """What it is, in words."""
        kind = self.name.split("-")[1].upper()
        return f"Arm Ethos-{kind}, {self.macs} MACs a cycle (estimated by Vela)"


ACCELERATORS = {
    f"{kind}-{macs}": Accelerator(f"{kind}-{macs}", system, MEMORY, macs)
    for kind, (system, sizes) in SYSTEMS.items()
    for macs in sizes
}


def find_accelerator(name: str) -> Accelerator:
    """The accelerator of that name. Errors: `NasError` with the nearest."""
    if name not in ACCELERATORS:
        raise one_of("accelerator", name, ACCELERATORS)
    return ACCELERATORS[name]
