"""What a command says where the target is another processor than this machine's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from nas.cli.terminal import echo

if TYPE_CHECKING:
    from nas.latency import Target


def tell_host(target: Target) -> None:
    """One line on standard error where this machine's processor is not the target's."""
    from nas.latency.host import host_notice

    if notice := host_notice(target.metadata):
        echo(notice, err=True)
