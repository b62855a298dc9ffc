"""Studies for tests that are about what happens around evaluations."""

import numpy as np

from nas.study import Study


def take_reference(study: Study) -> None:
    """Stores a reference sample as if it had been scored, which takes a search its first minute."""
    rng = np.random.default_rng(0)
    networks = [study.candidates.feasible({}, rng) for _ in range(16)]
    scores = [{name: float(n) for name in study.settings.proxies} for n in range(16)]
    study.set_reference(scores, [network.assignment for network in networks if network])
