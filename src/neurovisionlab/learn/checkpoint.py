"""Saving a model's weights and buffers in a safetensors file, and loading them.

Shared tensors are stored once, under the first of their names; the file's metadata list their other
names, so that they are shared again after loading. Partial views of other tensors are stored in
full: they share memory again because the newly built model makes them share it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from neurovisionlab.core.errors import ModelError, mould

State = dict[str, Tensor]

# exceptions from parsing a damaged header
_MISUNDERSTOOD = (ValueError, KeyError, TypeError, AttributeError, RuntimeError)

# keys of a file's metadata; their values are JSON
SHARED = "shared"  # {name: name under which it is stored}
COMPLEX = "complex"  # [names]: stored as pairs of real numbers
LATE = "late"  # {name: whether it is persistent}: buffers missing or different in a new model


def shared_names(state: Mapping[str, Any]) -> dict[str, str]:
    """Return {name: first name} of tensors that share all their memory.

    >>> weight = torch.zeros(2, 3)
    >>> shared_names({"first": weight, "part": weight[:1], "last": weight})
    {'last': 'first'}
    """
    first: dict[object, str] = {}
    return {
        name: kept
        for name, value in state.items()
        if (place := _place(value)) is not None and (kept := first.setdefault(place, name)) != name
    }


def _place(value: object) -> object | None:
    """Return the memory location and layout of a tensor; None without memory of its own."""
    if not isinstance(value, Tensor) or value.layout != torch.strided or value.numel() == 0:
        return None
    address = value.data_ptr()
    shape = (value.dtype, value.shape, value.stride())
    return (value.device, address, shape) if address else None


def once_each(tensors: Iterable[Tensor]) -> Iterator[Tensor]:
    """Yield tensors, shared ones once."""
    seen = set()
    for tensor in tensors:
        place = _place(tensor) or id(tensor)
        if place not in seen:
            seen.add(place)
            yield tensor


@dataclass(frozen=True)
class Built:
    """State of a model when it was built: its names, and buffers outside of the state dict."""

    names: frozenset[str]
    unsaved: State

    @classmethod
    def of(cls, model: nn.Module) -> Built:
        """Record the state of a model that was not used yet."""
        names = frozenset(model.state_dict())
        return cls(
            names, {name: one.detach().clone() for name, one in unsaved_buffers(model).items()}
        )

    def changed(self, model: nn.Module) -> State:
        """Return the buffers outside of the state dict that are new or have changed."""
        return {
            name: tensor
            for name, tensor in unsaved_buffers(model).items()
            if name not in self.unsaved or not torch.equal(tensor, self.unsaved[name])
        }


def unsaved_buffers(model: nn.Module) -> State:
    """Return the buffers that are registered with persistent=False."""
    saved = model.state_dict().keys()
    named = model.named_buffers(remove_duplicate=False)
    return {name: tensor for name, tensor in named if name not in saved}


def to_bytes(
    model: nn.Module, metadata: Mapping[str, str] | None = None, built: Built | None = None
) -> bytes:
    """Return the model's state as a safetensors file.

    Args:
        model: on any device.
        metadata: text for the file's header.
        built: the model's state when it was built: buffers that were added or changed since are
            stored even if they are not persistent.

    Raises:
        ModelError: a part of the state that a safetensors file cannot hold.
    """
    state = dict(model.state_dict())
    late = _late(model, state, built)
    state |= {name: tensor for name, tensor in unsaved_buffers(model).items() if name in late}
    _refuse_others(model, state)
    shared = shared_names(state)
    pairs = [name for name, tensor in state.items() if tensor.is_complex()]
    notes = {SHARED: shared, COMPLEX: pairs, LATE: late}
    kept = _apart({name: tensor for name, tensor in state.items() if name not in shared})
    told = {key: json.dumps(value) for key, value in notes.items() if value}
    return _in_order(save(kept, {**(metadata or {}), **told}))


def _in_order(content: bytes) -> bytes:
    """Return the file with sorted metadata: safetensors writes them in arbitrary order."""
    length = int.from_bytes(content[:8], "little")
    head = json.loads(content[8 : 8 + length])
    metadata = head.get("__metadata__", {})
    if len(metadata) < 2:
        return content
    head["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(head, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)  # tensor data begin at multiples of 8 bytes
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def _late(model: nn.Module, state: Mapping[str, Any], built: Built | None) -> dict[str, bool]:
    if built is None:
        return {}
    buffers = dict(model.named_buffers(remove_duplicate=False))
    new = {name: True for name in state if name in buffers and name not in built.names}
    return new | dict.fromkeys(built.changed(model), False)


def _refuse_others(model: nn.Module, state: Mapping[str, Any]) -> None:
    """Refuse state that a safetensors file cannot hold: non-tensors, sparse, quantised ones."""
    for name, value in state.items():
        got = _why_not(value)
        if got is not None:
            what = f"{name}, part of the state of {type(model).__name__}"
            remedy = 'a dense tensor of numbers there, or protocol.keep_weights = "none"'
            raise ModelError(mould(what, "a tensor that a file of weights can hold", got, remedy))


def _why_not(value: object) -> str | None:
    if not isinstance(value, Tensor):
        return f"a {type(value).__name__}"
    try:
        save({"it": _plain(value[(slice(0, 1),) * value.ndim])})
    except Exception:  # safetensors and torch raise many kinds
        layout = "" if value.layout == torch.strided else f", {value.layout}"
        return f"one of {value.dtype}{layout} on {value.device}"
    return None


def _plain(tensor: Tensor) -> Tensor:
    """Return a contiguous tensor of real numbers in the host's memory."""
    tensor = tensor.detach()
    real = torch.view_as_real(tensor.resolve_conj()) if tensor.is_complex() else tensor
    return real.cpu().contiguous()


def _apart(state: State) -> State:
    """Return the tensors without shared memory."""
    used: set[int] = set()
    apart = {}
    for name, tensor in state.items():
        plain = _plain(tensor)
        memory = plain.untyped_storage().data_ptr()
        apart[name] = plain.clone() if memory in used else plain
        used.add(memory)
    return apart


def whole(tensors: State, metadata: Mapping[str, str] | None) -> State:
    """Return a file's tensors under all of their names, by the metadata of `to_bytes`."""
    metadata, state = metadata or {}, dict(tensors)
    pairs = json.loads(metadata.get(COMPLEX, "[]"))
    for name in pairs if isinstance(pairs, list) else ():
        state[name] = torch.view_as_complex(state[name])
    return state | {name: state[kept] for name, kept in _told(metadata, SHARED).items()}


def _told(metadata: Mapping[str, str], key: str) -> dict[str, Any]:
    """Return an entry of a file's metadata, {tensor name: value}.

    Raises:
        ValueError: the entry is not a JSON object.
    """
    told = json.loads(metadata.get(key, "{}"))
    if not isinstance(told, dict):
        raise ValueError(f"{key!r} in its metadata that is no table of names")
    return told


def filled(model: nn.Module, state: Mapping[str, Tensor]) -> State:
    """Return the state, with missing tensors taken from those that the model shares with them."""
    groups: dict[str, list[str]] = {}
    for name, kept in shared_names(model.state_dict()).items():
        groups.setdefault(kept, [kept]).append(name)
    full = dict(state)
    for names in groups.values():
        there = next((name for name in names if name in state), None)
        if there is not None:
            full |= {name: state[there] for name in names if name not in state}
    return full


def from_bytes(model: nn.Module, content: bytes) -> None:
    """Load a state from `to_bytes` into a model of the same build, restoring shared tensors.

    Raises:
        ModelError: the file is damaged, or of another model.
    """
    try:
        tensors, metadata = load(content), metadata_of(content)
        state = whole(tensors, metadata)
        shared = _told(metadata, SHARED)
        late = {name: (state[name], bool(way)) for name, way in _told(metadata, LATE).items()}
    except (SafetensorError, *_MISUNDERSTOOD) as error:
        got = (str(error) or repr(error)).splitlines()[0]
        raise ModelError(mould("weights", "a whole file of them", got, "to train anew")) from None
    put_back(model, {name: tensor for name, tensor in state.items() if name not in late})
    for name, (tensor, is_persistent) in late.items():
        _put_buffer(model, name, tensor, is_persistent)
    _tie(model, shared)


def metadata_of(content: bytes) -> dict[str, str]:
    """Return the metadata in the header of a safetensors file.

    Raises:
        ValueError: they are no table of texts, or the header cannot be read.
    """
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    metadata = header.get("__metadata__", {}) if isinstance(header, dict) else None
    texts = [*metadata, *metadata.values()] if isinstance(metadata, dict) else [None]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("metadata that are no table of texts")
    return dict(metadata or {})


def put_back(model: nn.Module, state: Mapping[str, Any]) -> None:
    """Load a state like `load_state_dict`, including into expanded tensors.

    Raises:
        ModelError: names or shapes of another model.
    """
    here: dict[str, Any] = dict(model.state_dict())
    # torch refuses to write through an expanded tensor
    repeating = [name for name, one in here.items() if name in state and _repeats(one)]
    others = {name: value for name, value in state.items() if name not in repeating}
    problems = []
    try:
        missing, unknown = model.load_state_dict(others, strict=False)
        problems += [f"no {name}" for name in missing if name not in repeating]
        problems += [f"{name}, which it lacks" for name in unknown]
    except RuntimeError as error:
        problems += str(error).splitlines()[1:2] or [str(error)]
    if problems:
        expected = f"the state of {type(model).__name__}"
        remedy = "the model of that file, with set_extra_state beside get_extra_state"
        raise ModelError(mould("weights", expected, problems[0].strip(), remedy))
    with torch.no_grad():
        for name in repeating:
            unrepeated(here[name]).copy_(unrepeated(state[name], like=here[name]))


def _repeats(value: object) -> bool:
    return isinstance(value, Tensor) and value.numel() > 0 and 0 in _strides(value)


def _strides(tensor: Tensor) -> list[int]:
    """Return the strides, with 1 instead of 0 for dimensions of size 1."""
    if tensor.layout != torch.strided:
        return []
    return [s if n > 1 else 1 for s, n in zip(tensor.stride(), tensor.shape, strict=True)]


def unrepeated(tensor: Tensor, like: Tensor | None = None) -> Tensor:
    """Return a view of a tensor in which no element of `like`'s memory occurs twice."""
    for dimension, stride in enumerate(_strides(tensor if like is None else like)):
        if stride == 0:
            tensor = tensor.narrow(dimension, 0, 1)
    return tensor


def put_all_back(
    model: nn.Module, tensors: Mapping[str, Any], persistent: Mapping[str, bool]
) -> None:
    """Restore a model's whole state, buffers that came or changed their shape since among it.

    Args:
        model: of the same build.
        tensors: its state, and its buffers outside the state.
        persistent: {name of a buffer: whether it is part of the state}.

    Raises:
        ModelError: names or shapes are another model's.
    """
    buffers = dict(model.named_buffers(remove_duplicate=False))
    for name, is_persistent in persistent.items():
        here = buffers.get(name)
        if here is None or here.shape != tensors[name].shape:
            _put_buffer(model, name, tensors[name], is_persistent)
    outside = [name for name, is_persistent in persistent.items() if not is_persistent]
    put_back(model, {name: one for name, one in tensors.items() if name not in outside})
    buffers = dict(model.named_buffers(remove_duplicate=False))
    for name in outside:
        if name in tensors:
            buffers[name].copy_(tensors[name])


def _put_buffer(model: nn.Module, name: str, tensor: Tensor, is_persistent: bool) -> None:
    owner_name, _, leaf = name.rpartition(".")
    owner = model.get_submodule(owner_name)
    device = next((one.device for one in model.parameters()), torch.device("cpu"))
    if leaf in owner._buffers:
        owner._buffers[leaf] = tensor.to(device)
    else:
        owner.register_buffer(leaf, tensor.to(device), persistent=is_persistent)


def _tie(model: nn.Module, shared: Mapping[str, str]) -> None:
    """Restore shared tensors, as they were when saved, if the model itself does not share them."""
    here: dict[str, Any] = model.state_dict(keep_vars=True)
    for name, kept in shared.items():
        if _place(here.get(name)) == _place(here.get(kept)):
            continue
        owner_name, _, leaf = name.rpartition(".")
        owner = model.get_submodule(owner_name)
        if leaf in owner._buffers:
            owner._buffers[leaf] = here[kept].detach()
        elif isinstance(here[kept], nn.Parameter):
            owner._parameters[leaf] = here[kept]
