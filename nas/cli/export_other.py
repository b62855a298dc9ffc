"""`nas export` in the format of a single runtime, of a network or a training."""

from __future__ import annotations

from pathlib import Path

from nas.cli.exported import INHERITED, UNTRAINED, not_run, of_file, print_difference
from nas.cli.terminal import echo, echo_json
from nas.formats.endings import DEFAULT_ENDINGS
from nas.resolution import Resolution
from nas.support.resources import install_extra


def export_other_format(
    form: str,
    study: str,
    trial: int | None,
    output: Path | None,
    resolution: Resolution | None,
    storage: str | None,
    as_json: bool,
) -> None:
    """Writes a network, untrained, or a trained one, in a format of `OTHER_ENDINGS`."""
    from nas.formats.file_weights import file_weights
    from nas.formats.verified import initialised
    from nas.networks import made_here
    from nas.study.networks import find_network, find_study
    from nas.study.pruning import inherited_module
    from nas.support.errors import NasError
    from nas.support.files import file_name
    from nas.training import Trained
    from nas.training.checkpoint import is_training
    from nas.training.export_others import export_other

    if is_training(study):
        trained = Trained.load(Path(study))
        arch, module, weights = trained.arch, trained.module, "its input is normalised images"
        default = Path(study) / f"model{DEFAULT_ENDINGS[form]}"
    else:
        name = study if trial is None else f"{study}:{trial}"
        arch = made_here(find_network(name, resolution, storage)[0], "nas export")
        found = find_study(study, storage)
        if found is None and (own := file_weights(study, arch)) is not None:
            module, weights = own[0](), of_file(study, own[1])
        elif found is not None and found.settings.pruning is not None:
            module, weights = inherited_module(found.settings, arch), INHERITED
        else:
            module, weights = initialised(arch, found.settings.seed if found else 0), UNTRAINED
        named = found.name if found else arch.name or arch.hash[:12]
        named = named if trial is None else f"{named}-{trial}"
        default = Path(f"{file_name(named)}{DEFAULT_ENDINGS[form]}")
    if output is None and default.exists() and not is_training(study):
        raise NasError(f"{default} is there: name the file to write with --output")
    done = export_other(form, arch, module, output or default)
    if as_json:
        files = [str(file) for file in done.files]
        echo_json({"files": files, "runtime": done.runtime, "difference": done.difference})
        return
    echo(f"{', '.join(map(str, done.files))}: {arch.resolution} px")
    if done.difference is None:
        echo(not_run(done.runtime, install_extra(done.runtime)))
    else:
        print_difference(done.runtime, done.difference)
    echo(weights)
