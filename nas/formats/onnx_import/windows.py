"""How the ONNX operations with a window are read: convolutions, pools, pads and resizes."""

from __future__ import annotations

from math import prod
from typing import Any

import numpy as np

from nas.formats.onnx_import.constants import Dims, Value
from nas.formats.onnx_import.draft import Draft, shape_of
from nas.formats.onnx_import.operations import Made, Operation, reads
from nas.graph import Op
from nas.support.errors import ShapeError

PADS = {b"constant": "", b"edge": "edge", b"reflect": "reflect"}
LOWEST = -1e30  # below it, a padded value never wins a maximum


def _planar(x: Value | None) -> bool:
    """Whether a tensor is a batch of one image, or of one row of it."""
    return x is not None and len(x.dims) in (3, 4) and x.dims[0] == 1


def _pair(values: Any, rest: int) -> tuple[int, int]:
    """Two numbers, of which the second is `rest` for windows in one dimension."""
    first, *others = values
    return int(first), int(others[0]) if others else rest


def _window(op: Operation, x: Value, kernel: tuple[int, int]) -> dict[str, Any] | None:
    """Stride, dilation and padding of a window; None where it would cut the input."""
    spatial = len(x.dims) - 2
    strides = _pair(op.get("strides", [1] * spatial), 1)
    dilation = _pair(op.get("dilations", [1] * spatial), 1)
    given = list(op.get("pads", [0] * 2 * spatial))
    pads = [*_pair(given[:spatial], 0), *_pair(given[spatial:], 0)]
    auto = op.get("auto_pad", b"NOTSET")
    if auto in (b"SAME_UPPER", b"SAME_LOWER"):
        for i, size in enumerate(shape_of(x.dims)[1 : 1 + spatial]):
            reach = (kernel[i] - 1) * dilation[i] + 1
            total = max((-(-size // strides[i]) - 1) * strides[i] + reach - size, 0)
            less, more = total // 2, total - total // 2
            pads[i], pads[i + 2] = (less, more) if auto == b"SAME_UPPER" else (more, less)
    if min(pads) < 0:
        return None
    before, after = (pads[0], pads[1]), (pads[2], pads[3])
    return {
        "kernel": kernel,
        "stride": strides[0] if strides[0] == strides[1] else strides,
        "padding": before,
        "after": None if before == after else after,
        "dilation": dilation,
    }


@reads("Conv", "ConvTranspose")
def _conv(draft: Draft, op: Operation) -> Made:
    x, weight, bias = op.tensor(), op.constant(1), op.constant(2)
    if x is None or not _planar(x) or weight is None or op.tensor(2):
        return None
    weight = weight.reshape(*weight.shape, *[1] * (4 - weight.ndim))
    window = _window(op, x, (weight.shape[2], weight.shape[3]))
    transposed = op.kind == "ConvTranspose"
    groups, shape = op.get("group", 1), weight.shape
    channels = shape[0] if transposed else shape[1] * groups
    made = shape[1] * groups if transposed else shape[0]
    fits = (x.dims[1], op.made[0][1]) == (channels, made) and not (
        channels % groups or made % groups
    )
    if not fits or (bias is not None and bias.shape != (made,)):
        raise ShapeError(f"weights of {shape} do not fit an input of {x.dims}")
    if window and transposed:
        window = _transposed(op, x, window)
    if window is None:
        return None
    value = draft.add(
        "deconv" if transposed else "conv",
        op.name,
        [draft.shaped(x)],
        op.made[0],
        groups=groups,
        bias=bias is not None,
        **window,
    )
    name = draft.nodes[value.node].name
    draft.weights[f"{name}.conv.weight"] = weight.astype(np.float32)
    if bias is not None:
        draft.weights[f"{name}.conv.bias"] = bias.astype(np.float32)
    return value


def _transposed(op: Operation, x: Value, window: dict[str, Any]) -> dict[str, Any] | None:
    """The window of a transposed convolution: what it leaves off below and to the right is what
    makes the output as large as it is. None where torch cannot leave off as much."""
    made, shape = shape_of(op.made[0]), shape_of(x.dims)
    strides = np.broadcast_to(window["stride"], 2)
    after = []
    for i in (0, 1):
        whole = (shape[i + 1] - 1) * strides[i] + (window["kernel"][i] - 1) * window["dilation"][i]
        left_off = int(whole) + 1 - made[i + 1]
        after.append(left_off - window["padding"][i])
        more = window["padding"][i] - after[i]
        if not 0 <= more < max(strides[i], window["dilation"][i]):
            return None
    same = tuple(after) == window["padding"]
    return {**window, "after": None if same else tuple(after)}


@reads("MaxPool", "AveragePool")
def _pool(draft: Draft, op: Operation) -> Made:
    x = op.tensor()
    if x is None or not _planar(x) or len(op.made) > 1 or op.get("storage_order"):
        return None
    kernel = _pair(op.get("kernel_shape"), 1)
    window, ceil = _window(op, x, kernel), bool(op.get("ceil_mode"))
    if window is None or (ceil and window["after"]):
        return None
    before = window["padding"]
    if any(2 * p > k for p, k in zip(before, kernel, strict=True)):
        window["after"] = window["after"] or before  # more than torch's own padding may be
    if op.kind == "MaxPool":
        return draft.add("maxpool", op.name, [draft.shaped(x)], op.made[0], ceil=ceil, **window)
    padded = any(before) or window["after"] or ceil
    if window["dilation"] != (1, 1):
        return None
    counted = bool(op.get("count_include_pad")) or not padded
    return draft.add(
        "avgpool", op.name, [draft.shaped(x)], op.made[0], ceil=ceil, counted=counted, **window
    )


@reads("GlobalAveragePool", "GlobalMaxPool")
def _global_pool(draft: Draft, op: Operation) -> Made:
    x = op.tensor()
    return _whole(draft, op, x, "Max" in op.kind) if x and _planar(x) else None


@reads("ReduceMean", "ReduceMax", "ReduceSum")
def _reduce(draft: Draft, op: Operation) -> Made:
    x, axes = op.tensor(), op.told("axes", 1)
    if x is None or axes is None or op.tensor(1):
        return None
    gone = sorted({int(a) % len(x.dims) for a in axes})
    if not gone:
        return None
    made = _reduced(draft, op, x, gone)
    return (
        draft.affine(made, prod(x.dims[i] for i in gone), 0) if made and "Sum" in op.kind else made
    )


def _reduced(draft: Draft, op: Operation, x: Value, gone: list[int]) -> Value | None:
    """The mean or the maximum over some dimensions."""
    kept = [i for i in range(len(x.dims)) if i not in gone]
    largest, planar = op.kind == "ReduceMax", _planar(x) and 0 not in gone
    if planar and gone == list(range(len(x.dims) - len(gone), len(x.dims))) and len(kept) == 2:
        return _whole(draft, op, x, largest)
    if planar and len(kept) == 2:  # channels stand last
        return _whole(draft, op, draft.permuted(x, (*kept, *gone)), largest)
    how: Op = "maxpool" if largest else "avgpool"
    if planar and len(x.dims) == 4 and len(gone) == 1 and gone[0] > 1:
        kernel = (x.dims[2], 1) if gone[0] == 2 else (1, x.dims[3])
        dims = tuple(1 if i == gone[0] else n for i, n in enumerate(x.dims))
        made = draft.add(how, op.name, [draft.shaped(x)], dims, kernel=kernel)
        return Value(made.node, op.made[0])
    if gone != list(range(gone[0], gone[-1] + 1)):
        return None
    # Neighbouring dimensions, such as channels: as rows, with all before and all behind as one.
    before, n, behind = (
        prod(x.dims[a:b]) for a, b in ((0, gone[0]), (gone[0], gone[-1] + 1), (gone[-1] + 1, None))
    )
    rows = Value(x.node, (1, before, n, behind))
    made = draft.add(how, op.name, [draft.shaped(rows)], (1, before, 1, behind), kernel=(n, 1))
    return Value(made.node, op.made[0])


def _whole(draft: Draft, op: Operation, x: Value, largest: bool) -> Value:
    """The mean or the maximum over all positions."""
    dims, node = (1, x.dims[1], 1, 1), draft.shaped(x)
    if largest:
        kernel = draft.nodes[node].shape[1:]
        made = draft.add("maxpool", op.name, [node], dims, kernel=kernel)
    else:
        made = draft.add("gap", op.name, [node], dims)
    return Value(made.node, op.made[0])


@reads("Pad")
def _pad(draft: Draft, op: Operation) -> Made:
    x, pads, fill = op.tensor(), op.told("pads", 1), op.told("value", 2)
    mode = op.get("mode", b"constant")
    if x is None or pads is None or not _planar(x) or mode not in PADS:
        return None
    rank, axes = len(x.dims), op.constant(3)
    each = np.zeros((2, 4), int)
    each[:, list(range(rank)) if axes is None else axes % rank] = pads.reshape(2, -1)
    if not each.any():
        return x
    still = next((i for i in (1, 3, 2) if not each[:, i].any()), None)  # where channels stand
    if still is None or each[:, 0].any() or each.min() < 0:
        return None
    (top, bottom), (left, right) = (map(int, each[:, i]) for i in (1, 2, 3) if i != still)
    _, *rest = (*op.made[0], 1)[:4]  # of one row, with columns of one
    x = Value(x.node, (*x.dims, 1)[:4])
    channels = rest.pop(still - 1)
    made = draft.add(
        "pad",
        op.name,
        [draft.shaped(draft.front(x, still))],
        (1, channels, *rest),
        padding=(top, left),
        after=(bottom, right),
        mode=PADS[mode],
        fill=max(0.0 if fill is None else float(fill.ravel()[0]), 10 * LOWEST),
    )
    return Value(draft.back(made, still).node, op.made[0])


@reads("Resize", "Upsample")
def _resize(draft: Draft, op: Operation) -> Made:
    x, made = op.tensor(), op.made[0]
    if x is None or len(x.dims) != 4 or x.dims[:2] != made[:2] or op.get("antialias"):
        return None
    mode = _how(op, x.dims, made)
    return mode and draft.add("resize", op.name, [draft.shaped(x)], made, mode=mode)


def _how(op: Operation, dims: Dims, made: Dims) -> Any:
    """The mode of a resize, None for one that torch does not compute in the same way."""
    default = b"asymmetric" if op.kind == "Upsample" or op.opset < 11 else b"half_pixel"
    place = op.get("coordinate_transformation_mode", default)
    rounds = op.get("nearest_mode", b"floor" if default == b"asymmetric" else b"round_prefer_floor")
    if op.get("mode", b"nearest") == b"nearest":
        if place == b"asymmetric" and rounds == b"floor":
            return "nearest"
        # Enlarged by a whole number, the nearest pixel is the same one however it is looked for.
        whole = all(m % d == 0 for m, d in zip(made, dims, strict=True))
        middle = place in (b"half_pixel", b"pytorch_half_pixel") and rounds.startswith(b"round")
        if whole and (middle or (place == b"tf_half_pixel_for_nn" and rounds == b"floor")):
            return "nearest"
        return None
    if op.get("mode") == b"linear" and place == b"align_corners":
        return "corners"
    if op.get("mode") == b"linear" and place in (b"half_pixel", b"pytorch_half_pixel"):
        return "linear" if prod(made[2:]) > 1 else None
    return None
