"""Studies: a search that is stored as it goes and can always be resumed."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nas.study.driver import Driver as Driver
    from nas.study.new import Options as Options
    from nas.study.new import begin as begin
    from nas.study.new import resume as resume
    from nas.study.new import search as search
    from nas.study.progress import SearchProgress as SearchProgress
    from nas.study.record import Record as Record
    from nas.study.study import Study as Study

_HOME = {
    "Driver": "driver",
    "Options": "new",
    "Record": "record",
    "SearchProgress": "progress",
    "Study": "study",
    "begin": "new",
    "resume": "new",
    "search": "new",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    """Loaded when first asked for: whoever wants one part need not load the others."""
    if name not in _HOME:
        raise AttributeError(f"module 'nas.study' has no attribute {name!r}")
    return getattr(import_module(f"nas.study.{_HOME[name]}"), name)
