"""The folders and documents that are shipped with the package, and how its extras are installed."""

from pathlib import Path

_PACKAGE = Path(__file__).parent.parent


def shipped(folder: str) -> Path:
    """The path of a shipped folder: inside the installed package, or beside it in a checkout."""
    installed = _PACKAGE / folder
    return installed if installed.is_dir() else _PACKAGE.parent / folder


def document(name: str) -> str:
    """What help and messages call a document: `docs/NAME` in a checkout, else its path where the
    package is installed."""
    installed = _PACKAGE / "docs"
    return str(installed / name) if installed.is_dir() else f"docs/{name}"


def install_extra(name: str) -> str:
    """The command that installs an extra, for messages; the package is on no index.

    >>> install_extra("cluster")
    "pip install '.[cluster]' in a clone of hw-nas"
    """
    return f"pip install '.[{name}]' in a clone of hw-nas"
