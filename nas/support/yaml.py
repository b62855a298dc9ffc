"""Reading YAML from outside: plain data only, and an error is one clear line."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import yaml

from nas.support.errors import NasError, one_line
from nas.support.files import read_text

MAX_VALUES, MAX_DIGITS = 100_000, 100
SHALLOW = 50  # levels; what people write has ten
LARGEST = 2**63
PLAIN = ("null", "bool", "int", "float", "str", "seq", "map")
_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """A loader of plain types only, dates as text."""

    def construct_yaml_int(self, node: Any) -> int:
        if len(node.value) > MAX_DIGITS or abs(super().construct_yaml_int(node)) >= LARGEST:
            raise ValueError(f"{node.value:.20}… is too large")
        if node.value.lstrip("+-").startswith("0x"):  # rather a slip in HEIGHTxWIDTH
            raise ValueError(f"{node.value:.20} must be a decimal number")
        value: int = super().construct_yaml_int(node)
        return value

    def construct_yaml_str(self, node: Any) -> str:
        value: str = super().construct_yaml_str(node)
        try:
            value.encode()
        except UnicodeEncodeError:
            raise ValueError(f"{value!r:.40} holds half of a character") from None
        return value


_Loader.yaml_implicit_resolvers = {
    first: [rule for rule in rules if rule[0] != f"{_TAG}timestamp"]
    for first, rules in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.yaml_constructors = {
    None: yaml.SafeLoader.construct_undefined,
    **{_TAG + name: getattr(_Loader, f"construct_yaml_{name}") for name in PLAIN},
}


def read_yaml(path: Path, source: str) -> object:
    """The plain data of a YAML file; None where it is empty.

    Errors: `NasError` with the `source` and the line, where the text is no YAML, a key is there
    twice, a tag is not of a plain type, a number is hexadecimal or needs more than 64 bits, a text
    has half of a character, or there are more than `MAX_VALUES` values.
    """
    text = read_text(path, source)
    try:
        node = _node(text)
        if node is None:
            return None
        if _size(node, {}) > MAX_VALUES:
            raise NasError(f"more than {MAX_VALUES} values")
        return _Loader("").construct_document(node)
    except (yaml.YAMLError, ValueError, KeyError) as error:
        raise NasError(f"{source}: invalid YAML: {_reason(error)}") from None
    except RecursionError:
        raise NasError(f"{source}: invalid YAML: nested too deeply") from None


def _node(text: str) -> yaml.Node | None:
    """The root of the document: by libyaml, which is many times faster, where it is there and all
    is well. Deep nesting would end the process there, and errors are said by the other parser."""
    if yaml.__with_libyaml__:
        with suppress(yaml.YAMLError):
            if _is_shallow(text):
                loader = yaml.CSafeLoader(text)
                loader.yaml_implicit_resolvers = _Loader.yaml_implicit_resolvers
                return loader.get_single_node()
    return _Loader(text).get_single_node()


def _is_shallow(text: str) -> bool:
    depth = 0
    for event in yaml.parse(text, Loader=yaml.CSafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent)
        depth -= isinstance(event, yaml.CollectionEndEvent)
        if depth > SHALLOW:
            return False
    return True


def _size(node: yaml.Node, sizes: dict[int, int]) -> int:
    """The number of values in a node with every alias written out.

    `sizes` holds the counts by node; 0 marks a node that is being counted.
    """
    known = sizes.get(id(node))
    if known is not None:
        if not known:
            raise NasError(f"{_line(node.start_mark)}an alias of what it is in")
        return known
    sizes[id(node)] = 0
    parts: list[yaml.Node] = []
    if isinstance(node, yaml.SequenceNode):
        parts = node.value
    elif isinstance(node, yaml.MappingNode):
        seen = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if (key.tag, key.value) in seen:
                raise NasError(f"{_line(key.start_mark)}key '{key.value}' is there twice")
            seen.add((key.tag, key.value))
        parts = [part for pair in node.value for part in pair]
    sizes[id(node)] = 1 + sum(_size(part, sizes) for part in parts)
    return sizes[id(node)]


def _reason(error: Exception) -> str:
    if isinstance(error, yaml.MarkedYAMLError):
        words = [error.context or "", error.problem or ""]
        return _line(error.problem_mark or error.context_mark) + " ".join(filter(None, words))
    if isinstance(error, KeyError):
        return f"{error} is no such value"
    return one_line(error)


def _line(mark: Any) -> str:
    return f"line {mark.line + 1}: " if mark else ""
