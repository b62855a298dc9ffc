"""Command lines of words that are right, nearly right and wrong, for every command there is."""

from __future__ import annotations

from functools import cache
from typing import Any

from hypothesis import strategies as st
from typer.main import get_command

from nas.cli.main import app

# What keeps a command short, should all else be right; it comes last and so wins.
SHORT: dict[str, list[str]] = {
    "search": ["--trials", "1", "--proxies", "entropy", "--finalists", "0"],
    "resume": ["--trials", "1"],
    "train": ["--epochs", "0"],
    "measure": ["--minutes", "0"],
    "spaces": ["small"],
    "verify": ["--minutes", "0", "--target", "jetson"],
}
# Nothing here reaches out of the working directory or to another machine.
NEVER = {"--ssh", "--ssh-option", "--python"}
WRONG = (
    *(
        "",
        " ",
        "-",
        "--",
        "-x",
        "-1",
        "0",
        "1e999",
        "nan",
        "9" * 30,
        "é",
        "名",
        "\x1b[31m",
        "a b",
        "x,y",
    ),
    *(
        "a\nb",
        "%s",
        "none",
        "none.json",
        "none.yaml",
        "none.journal",
        "no://where",
        "taken",
        "bad.yaml",
    ),
    *("x" * 300, "--help", "--json", "*", "s.journal", "my.yaml:none", "\udcff"),
)
RIGHT = (
    *("1", "2", "7", "0.5", "300MFLOPs", "2ms", "15M", "jetson", "cpu", "small", "my.yaml", "tpe"),
    *("s", "net.json", "m.csv", "resnet18", "digits", "entropy", "entropy,macs", "macs", "latency"),
    *(
        "fp32",
        "fp16",
        "onnx",
        "out",
        "out.onnx",
        "studies",
        "studies/s.journal",
        "studies/s.yaml",
        "my.py",
    ),
    *("mobilenet_v2_100", "squeezenet1_1", "random", "sqlite:///s.db"),
)


@cache
def commands() -> dict[str, Any]:
    """The commands by their names, those of a group by both."""
    found: dict[str, Any] = dict(get_command(app).commands)  # type: ignore[attr-defined]
    for name, group in [*found.items()]:
        inner = getattr(group, "commands", {})
        found |= {f"{name} {word}": command for word, command in inner.items()}
    return found


@st.composite
def command_lines(draw: st.DrawFn) -> list[str]:
    """A command with some of its options, mostly with what it must have, and other words."""
    name = draw(st.sampled_from([*sorted(commands()), "", "serch", "--version", "--x"]))
    if name not in commands():
        return [name, *draw(st.lists(st.sampled_from(WRONG + RIGHT), max_size=2))]
    value = st.one_of(st.sampled_from(RIGHT), st.sampled_from(RIGHT + WRONG))
    line = name.split()
    for param in commands()[name].params:
        option = max(param.opts, key=len)
        if option in NEVER or draw(st.integers(0, 5)) > (4 if param.required else 1):
            continue
        if param.param_type_name == "argument":
            line.append(draw(value))
        elif getattr(param, "is_flag", False):
            line.append(option)
        elif draw(st.booleans()):
            line.append(f"{option}={draw(value)}")
        else:
            line += [option, draw(value)]
    if not draw(st.integers(0, 9)):
        line.insert(draw(st.integers(1, len(line))), draw(st.sampled_from(WRONG)))
    return [*line, *SHORT.get(name, [])]
