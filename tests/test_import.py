"""Light imports: the command line must answer before torch could have been loaded."""

import subprocess
import sys

import pytest

HEAVY = ("torch", "onnx", "onnxruntime", "sklearn", "matplotlib", "scipy", "pandas")


@pytest.mark.parametrize(
    "module", ["nas", "nas.graph", "nas.blocks", "nas.architecture", "nas.costs", "nas.references"]
)
def test_import_is_light(module: str) -> None:
    program = f"import sys, {module}\nprint(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(done.stdout.split())
    assert module in loaded
    assert not loaded & set(HEAVY)


def test_public_names_are_loaded_on_demand() -> None:
    import nas

    assert nas.reference("resnet18").classes == 1000
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        nas.nothing  # noqa: B018
