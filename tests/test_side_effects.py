"""What `nas` leaves as it found it: importing all of it and a search change nothing of a program's
own settings, such as torch's threads, the random numbers or who hears a log.

The checks run in a process of their own: pytest has settings itself.
"""

import subprocess
import sys
from pathlib import Path

PROGRAM = """
import gc, logging, os, random, signal, sys, warnings
from importlib import import_module
from pkgutil import walk_packages

# What a library does to itself as it is imported is not ours.
import distributed, matplotlib.pyplot, numpy, onnxruntime, optuna, pandas, rich.console, sklearn
import torch, typer

torch.set_num_threads(3)
optuna.logging.set_verbosity(optuna.logging.DEBUG)
optuna.logging.disable_default_handler()
warnings.simplefilter("error", ResourceWarning)
LOGGERS = [logging.root, *(logging.getLogger(name) for name in logging.root.manager.loggerDict)]

def settings():
    return {
        "torch threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "torch random": torch.get_rng_state().tolist(),
        "torch modes": (torch.get_default_dtype(), torch.is_grad_enabled(),
                        torch.are_deterministic_algorithms_enabled()),
        "numpy random": repr(numpy.random.get_state()),
        "random": random.getstate(),
        "optuna verbosity": optuna.logging.get_verbosity(),
        "logging": [(x.name, x.level, x.propagate, x.disabled, list(x.handlers)) for x in LOGGERS],
        "warnings": list(warnings.filters),
        "signals": {s: signal.getsignal(s) for s in signal.valid_signals()},
        "hooks": (sys.excepthook, sys.displayhook, sys.stdout, sys.stderr),
        "collector": (gc.isenabled(), gc.get_threshold(), gc.get_freeze_count()),
        "matplotlib": dict(matplotlib.rcParams),
        "environment": dict(os.environ),
        "path": list(sys.path),
        "folder": os.getcwd(),
    }

def check(after):
    for name, value in settings().items():
        if value != BEFORE[name]:
            print(f"{after} changed {name}: {BEFORE[name]!r:.300} to {value!r:.300}")

BEFORE = settings()
import nas
modules = [m.name for m in walk_packages(nas.__path__, "nas.") if m.name != "nas.__main__"]
for module in modules:
    if not module.startswith("nas.latency.runtimes."):  # of extras, which may print
        import_module(module)
assert len(modules) > 100, modules
check("importing nas")
study = nas.search("jetson", ["15M"], "small", storage="studies", trials=4)
assert len(study.trials()) == 4
check("nas.search")
nas.build(study.records()[0].arch, seed=1)
check("nas.build")
"""


def test_importing_and_searching_leave_a_programs_settings_alone(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
