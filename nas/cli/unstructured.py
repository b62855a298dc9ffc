"""`nas prune --unstructured`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from nas.cli.terminal import echo, echo_json

if TYPE_CHECKING:
    from nas.architecture import Architecture
    from nas.data import DataSet

IMAGES = 512


def check_zeros(method: str, sparsity: float, pattern: str | None, output: Path) -> None:
    """Errors: `NasError` for what can be seen without the data."""
    from nas.pruning.unstructured import check_choices, parsed_pattern
    from nas.support.files import check_folder
    from nas.training.checks import check_no_model

    check_choices(method, sparsity, None if pattern is None else parsed_pattern(pattern))
    check_folder(output)
    check_no_model(output)


def prune_unstructured(
    arch: Architecture,
    weights: Path,
    data: DataSet,
    output: Path,
    method: str,
    sparsity: float,
    pattern: str | None,
    norm_eps: float,
    seed: int,
    as_json: bool,
) -> None:
    """Sets weights of a trained network to zero, writes it and says what that buys; of one that is
    trained as branches, those of the network that is exported.

    Errors: `NasError`; nothing is written then.
    """
    import numpy as np
    import torch

    from nas.branches import deployed
    from nas.formats.verified import export_onnx
    from nas.formats.weights import load_weights
    from nas.pruning.sparse_report import sparse_cost
    from nas.pruning.subject import Subject
    from nas.pruning.unstructured import parsed_pattern, sparsified
    from nas.torch_module import Network
    from nas.training.accuracy import evaluate
    from nas.training.batches import Normalise, Pixels
    from nas.training.checkpoint import MODEL, write_weights
    from nas.training.checks import check_fit

    wanted = None if pattern is None else parsed_pattern(pattern)
    check_fit(arch, data)
    parent, cpu = deployed(load_weights(arch, weights, norm_eps=norm_eps)), torch.device("cpu")
    assert isinstance(parent, Network)
    normalise, validation = Normalise(data, cpu), Pixels(data.validation, arch.resolution, cpu)
    order = np.random.default_rng(seed).permutation(len(data.train.labels))[:IMAGES]
    shown = Pixels(data.train.take(np.sort(order)), arch.resolution, cpu)
    images = normalise(shown[:]).contiguous()
    subject = Subject(arch, arch.graph(), parent, images, shown.labels, seed)
    sparse = sparsified(subject, method, sparsity, wanted)
    accuracies = [evaluate(m, validation, normalise).accuracy for m in (parent, sparse.module)]
    cost = sparse_cost(arch, parent, sparse.module)
    export_onnx(arch, output / MODEL, sparse.module)
    write_weights(output, sparse.module)
    if as_json:
        facts = {"folder": str(output), "sparsity": sparse.sparsity, **cost._asdict()}
        echo_json(facts | dict(zip(("accuracy_before", "accuracy"), accuracies, strict=True)))
        return
    for line in cost.lines(sparse.sparsity):
        echo(line)
    echo(
        f"accuracy on the {len(validation)} validation images: {accuracies[1]:.2%}, "
        f"{accuracies[0]:.2%} before; not fine-tuned"
    )
    echo(f"written: {output / MODEL} and its weights beside it")
