"""Light imports: the command line must answer before torch could have been loaded."""

import subprocess
import sys
from inspect import getdoc, signature
from pathlib import Path

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


def test_commands_that_run_no_network_are_light(tmp_path: Path) -> None:
    """What a network takes on a target, and a search by predicted accuracy, need no torch."""
    program = """if True:
        import sys
        from nas.cli.main import main
        for words in (["describe", "resnet18", "--target", "jetson"], ["search", "--trials", "1"]):
            sys.argv = ["nas", *words]
            try:
                main()
            except SystemExit as ended:
                assert not ended.code
        assert not {"torch", "onnxruntime", "pandas"} & {*sys.modules}
    """
    command = [sys.executable, "-c", program]
    subprocess.run(command, cwd=tmp_path, stdout=subprocess.DEVNULL, check=True)


def test_public_names_are_loaded_on_demand() -> None:
    import nas

    assert nas.reference("resnet18").classes == 1000
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        nas.nothing  # noqa: B018


def test_the_public_names_are_listed_and_there() -> None:
    import nas

    assert dir(nas) == sorted(nas.__all__)
    assert {"Architecture", "SearchSpace", "build", "cost", "search"} <= set(dir(nas))
    assert all(hasattr(nas, name) for name in dir(nas))


def test_search_shows_every_option_with_its_default_and_meaning() -> None:
    """Its parameters are those of a study, each a line of its text and none hidden."""
    import nas
    from nas.study import Options
    from nas.study.settings import StudySettings

    parameters = signature(nas.search).parameters
    assert list(parameters) == ["target", "budgets", "space", "report", *Options.__annotations__]
    text = getdoc(nas.search) or ""
    assert all(f"\n{name}: " in text for name in parameters)
    defaults = {name: field.default for name, field in StudySettings.model_fields.items()}
    open_defaults = {
        "proxies",
        "cascade",
        "recipe",
        "trials",
        "budgets",
        "space",
        "target",
    }  # depend on others
    for name in parameters.keys() & defaults.keys() - open_defaults:
        assert parameters[name].default == defaults[name]
