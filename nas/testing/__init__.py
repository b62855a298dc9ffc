"""The contracts of what can be added to nas, as checks for whoever adds it.

Each raises `AssertionError`, which says in one line what does not hold and where. They need no test
runner; in pytest one line is a test:

    def test_my_block() -> None:
        check_block("sandglass")
"""

from nas.testing.blocks import check_block
from nas.testing.criteria import check_criterion
from nas.testing.proxies import check_proxy
from nas.testing.pruning import check_prunable
from nas.testing.readers import check_reader
from nas.testing.samplers import check_sampler
from nas.testing.targets import check_target

__all__ = [
    "check_block",
    "check_criterion",
    "check_proxy",
    "check_prunable",
    "check_reader",
    "check_sampler",
    "check_target",
]
