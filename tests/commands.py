"""What a command of `nas` is for a test."""

from collections.abc import Callable

Run = Callable[..., tuple[int, str, str]]
