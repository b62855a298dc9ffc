"""Devices that people ask for and no shipped target is of: there are no published latencies of them
that predict other networks well enough."""

from __future__ import annotations

import re
from collections.abc import Iterable

from nas.support.errors import NasError, one_of, shown

NEAR = 3  # names that are offered for an unknown one
# Patterns of names, in lower case and without what is neither letter nor digit, and their devices.
ABSENT = {
    "(raspberrypi|raspberry|raspi|rpi|pi)5b?": "the Raspberry Pi 5's CPU",
    "(nvidia)?(jetson)?(agx)?orin(nano|nx|agx)?": "NVIDIA's Jetson Orin",
    "(qualcomm)?(snapdragon|sd)855(plus)?": "the Snapdragon 855",
}


def unknown_target(name: str, known: Iterable[str]) -> NasError:
    """The error for a name of no target: how to make one of a device that is not shipped, else the
    nearest names."""
    plain = re.sub(r"[^a-z0-9]", "", name.lower())
    device = next((what for names, what in ABSENT.items() if re.fullmatch(names, plain)), None)
    if device is None:
        return one_of("target", name, known, NEAR, "nas targets")
    return NasError(
        f"target {shown(name)}: no published latencies of {device} are good enough to ship; make "
        "it by nas measure --ssh, or from latencies of your own (nas calibrate --suggest)"
    )
