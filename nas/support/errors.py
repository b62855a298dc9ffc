"""The errors that a user can cause: one line each with the value, the rule and what is allowed."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from operator import index
from traceback import walk_tb
from typing import SupportsIndex

MAX_LISTED, MAX_SHOWN, FEW = 16, 80, 3
MAX_SEED = 1 << 64
NO_MEMORY = "out of memory; what was stored is kept"
_NO_MEMORY = (
    *("cannot allocate memory", "can't allocate memory", "failed to map segment", "bad_alloc"),
    *("can't start new thread", "bad allocation"),
)


class NasError(ValueError):
    """A mistake of the user's. The command line prints it as one line and exits with 2."""


class NasWarning(UserWarning):
    """What a user should know though the work goes on. The command line prints it as one line."""


class NasNote(NasWarning):
    """What a user should know once, nothing being wrong. `--quiet` leaves it out."""


class ShapeError(NasError):
    """An operation was given a shape that it cannot take."""


def lacks_memory(error: BaseException) -> bool:
    """Whether an error, of Python's own or of a library as it is loaded or runs, says that there is
    no more memory."""
    said = str(error).lower()
    return isinstance(error, MemoryError) or any(words in said for words in _NO_MEMORY)


def one_of(
    what: str, value: object, allowed: Iterable[str], most: int = 1, lister: str = ""
) -> NasError:
    """The error for a `value` that is none of the `allowed`, with at `most` so many names near it.
    `lister` is the command that lists them, where they may be many.

    >>> str(one_of("block", "fir", ["fire", "ghost"]))
    "block 'fir' is unknown; did you mean 'fire'? (one of: fire, ghost)"
    """
    return NasError(f"{what} {shown(value)} is unknown{nearest(value, allowed, most, lister)}")


def check_one_of(what: str, value: object, allowed: Collection[str], lister: str = "") -> None:
    """Checks that a value is one of the `allowed` names. Errors: that of `one_of`, also for what
    is no text."""
    if not isinstance(value, str) or value not in allowed:
        raise one_of(what, value, allowed, lister=lister)


def check_type(value: object, what: str, rule: str, *kinds: type) -> None:
    """Checks that a program gave a value of one of the `kinds`. Errors: `NasError`."""
    if not isinstance(value, kinds):
        raise NasError(f"{what} must be {rule}, not {shown(value)}")


def as_whole(value: object) -> int | None:
    """The whole number that a value is, numpy's too; None for any other, and for True and False."""
    with suppress(TypeError):  # an array is an index in name only
        if isinstance(value, SupportsIndex) and not isinstance(value, bool):
            return int(index(value))
    return None


def check_whole(value: object, what: str, low: int, high: int | None = None) -> int:
    """A whole number of `low` to `high`, or any from `low` on. Errors: `NasError`."""
    number = as_whole(value)
    if number is None or number < low or (high is not None and number > high):
        bounds = f"of {low} to {high}" if high is not None else f"of at least {low}"
        raise NasError(f"{what} must be a whole number {bounds}, not {shown(value)}")
    return number


def check_seed(seed: object) -> int:
    """A seed as numpy and torch take it alike. Errors: `NasError`."""
    return check_whole(seed, "seed", 0, MAX_SEED - 1)


def one_line(error: object) -> str:
    """The text of an error of another library, on one line; its name where it has none."""
    text = " ".join(str(error).split())
    return text if text or not isinstance(error, Exception) else repr(error)


def shown(value: object) -> str:
    """A value as an error shows it: a long one is cut off."""
    text = one_line(repr(value))
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def nearest(value: object, allowed: Iterable[str], most: int = 1, lister: str = "") -> str:
    """The end of an error about an unknown `value`: the nearest allowed names, and the list, of
    many names a few and the command that lists all.

    Capitals do not count, and what is behind a name's last `/` counts as well. Names that have the
    value between their hyphens or slashes come first, and of these those that begin with it.
    """
    names, text = sorted(allowed), str(value).lower()
    by_word = {name.rpartition("/")[2].lower(): name for name in names}
    by_word |= {name.lower(): name for name in names}
    longer = [word for word in by_word if f"-{text}-" in f"-{word.replace('/', '-')}-"]
    longer.sort(key=lambda word: not word.startswith(text))
    words = [*longer, *get_close_matches(text, by_word, n=most)]
    near = list(dict.fromkeys(f"'{by_word[word]}'" for word in words))[:most]
    hint = f"; did you mean {' or '.join(near)}?" if near else ""
    if len(names) > MAX_LISTED:
        few = [] if near else get_close_matches(text, names, n=FEW, cutoff=0) or names[:FEW]
        listed = [f"one of {len(names)}, such as {', '.join(few)}"] if few else []
        listed += [f"{lister} lists all"] if lister else []
        known = f" ({'; '.join(listed)})" if listed else ""
    else:
        known = f" (one of: {', '.join(names)})" if names else " (there is none)"
    return hint + known


def located(error: BaseException, file: str) -> str:
    """What went wrong, in one line, behind `file` and the last line of it that took part."""
    lines = [n for frame, n in walk_tb(error.__traceback__) if frame.f_code.co_filename == file]
    text = str(error)
    if isinstance(error, SyntaxError) and error.filename == file:
        lines, text = [error.lineno or 1], error.msg
    if not isinstance(error, NasError):
        text = f"{type(error).__name__}: {text}" if text else type(error).__name__
    where = f"{file}, line {lines[-1]}: " if lines else f"{file}: " if file else ""
    return where + " ".join(text.split())


def file_of(made: object) -> str:
    """The file that a function, or a class with a method, is written in, "" where it has none."""
    for each in (made, *(vars(made).values() if isinstance(made, type) else ())):
        if code := getattr(each, "__code__", None):
            return str(code.co_filename)
    return ""


@contextmanager
def mistakes_of(what: str, made: object) -> Iterator[None]:
    """A context in which a mistake in what may be a user's own function or class is one line, with
    its file and line. That of the machine (memory, a disk) is none of them.

    Errors: `NasError` about `what`.
    """
    try:
        yield
    except (NasError, OSError):
        raise
    except (Exception, SystemExit) as error:
        if lacks_memory(error):
            raise
        raise NasError(f"{what}: {located(error, file_of(made))}") from error
