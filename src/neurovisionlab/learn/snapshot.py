"""Snapshot of all state that a forward pass may change, restored in place.

A model is tried before its training, which must start as if it had not been. A copy does not
suffice: a user's hook or closure still acts on the original model, and state outside of the model
is not copied. So the model itself is tried, and everything reachable from it is restored in place:
weights, buffers, gradients, layers and their attributes, containers, random generators, and the
contents of a user's own modules and classes.
"""

from __future__ import annotations

import collections
import contextlib
import copy
import functools
import itertools
import random
import sys
import sysconfig
import types
import warnings
from collections.abc import Callable, Iterable, Iterator, MutableMapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from neurovisionlab.learn.checkpoint import unrepeated
from neurovisionlab.learn.device import Device
from neurovisionlab.learn.fold import forget

Undo = Callable[[], None]

_LIBRARIES = {"neurovisionlab", "numpy", "timm", "torch", "torchvision"}
_FOLDERS = tuple(
    Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib", "purelib", "platlib")
)
_PLAIN = frozenset({bool, bytes, complex, float, int, str, type(None), torch.dtype, torch.device})
# outside of a model, larger arrays count as data, which no forward pass changes
_MOST_BYTES = 16 * 2**20
_COUNTERS = (itertools.count, itertools.cycle)


@contextlib.contextmanager
def left_as_it_was(model: nn.Module, device: Device) -> Iterator[Snapshot]:
    """Restore a model, and all random states, after the block."""
    snapshot = Snapshot(model)
    ours, pythons = np.random.get_state(), random.getstate()  # noqa: NPY002 - a user's code may
    with device.chance_kept():
        try:
            yield snapshot
        finally:
            snapshot.restore()
            np.random.set_state(ours)  # noqa: NPY002
            random.setstate(pythons)


class Snapshot:
    """The current state of a model and of everything reachable from it."""

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._undo: list[Undo] = []
        self._seen: dict[int, object] = {}  # keeps objects alive, so that no id is reused
        self._own = {id(one) for one in itertools.chain(model.parameters(), model.buffers())}
        waiting: list[object] = [*model.parameters(), *model.buffers(), model]
        while waiting:
            one = waiting.pop()
            if type(one) not in _PLAIN and id(one) not in self._seen:
                self._seen[id(one)] = one
                waiting.extend(self._take(one))

    def restore(self) -> None:
        """Restore everything in place; may be called repeatedly."""
        for undo in reversed(self._undo):
            undo()
        forget(self._model)

    def _take(self, one: Any) -> Iterable[object]:
        """Record one object; return the objects reachable from it."""
        for kinds, take in _TAKERS:
            if isinstance(one, kinds):
                if isinstance(one, Tensor | np.ndarray) and self._is_data(one):
                    return ()
                undo, reached = take(one)
                if undo is not None:
                    self._undo.append(undo)
                return reached
        return ()

    def _is_data(self, one: Any) -> bool:
        return id(one) not in self._own and one.nbytes > _MOST_BYTES


Taken = tuple[Undo | None, Iterable[object]]


def _tensor(tensor: Tensor) -> Taken:
    if tensor.layout != torch.strided or tensor.is_meta or tensor.is_inference():
        return None, ()
    memory = tensor.detach()
    # in the host's memory: a model that barely fits the GPU must pass
    numbers = memory.cpu() if memory.device.type != "cpu" else memory.clone()
    gradient, is_trained = (tensor.grad, tensor.requires_grad) if tensor.is_leaf else (None, None)

    def undo() -> None:
        with torch.no_grad():
            if _shape_of(tensor) != _shape_of(memory):
                tensor.data = memory
            if memory.device.type != "cpu" or not torch.equal(memory, numbers):
                unrepeated(memory).copy_(unrepeated(numbers, like=memory))
        if is_trained is not None:
            tensor.requires_grad_(is_trained)
            tensor.grad = gradient

    return undo, vars(tensor).values() if hasattr(tensor, "__dict__") else ()


def _shape_of(tensor: Tensor) -> object:
    return tensor.data_ptr(), tensor.shape, tensor.stride()


def _array(array: np.ndarray[Any, Any]) -> Taken:
    before = array.copy()

    def undo() -> None:
        if array.flags.writeable:
            array[...] = before

    return undo, ()


def _mapping(mapping: MutableMapping[Any, Any]) -> Taken:
    before = {key: _own_copy(value) for key, value in mapping.items()}

    def undo() -> None:
        if list(mapping) != list(before):
            mapping.clear()
        for key, value in before.items():
            if mapping.get(key, undo) is not value:
                mapping[key] = _own_copy(value)

    return undo, list(before.values())


def _sequence(sequence: Any) -> Taken:
    before = [_own_copy(value) for value in sequence]

    def undo() -> None:
        if len(sequence) != len(before) or any(map(_unlike, sequence, before)):
            sequence.clear()
            sequence.extend(map(_own_copy, before))

    return undo, before


def _set(values: set[Any]) -> Taken:
    before = set(values)

    def undo() -> None:
        if values != before:
            values.clear()
            values.update(before)

    return undo, before


def _unlike(one: object, other: object) -> bool:
    return one is not other


def _own_copy(value: Any) -> Any:
    """Return a copy of a counter at the same position; return other values themselves."""
    if not isinstance(value, _COUNTERS):
        return value
    with warnings.catch_warnings(), contextlib.suppress(TypeError):
        warnings.simplefilter("ignore", DeprecationWarning)
        return copy.copy(value)
    return value


def _instance(one: Any) -> Taken:
    """Record class, attributes and slots of an object."""
    kind, slots = type(one), _slots(one)
    put_back, reached = _mapping(vars(one)) if hasattr(one, "__dict__") else (None, ())

    def undo() -> None:
        if type(one) is not kind:
            one.__class__ = kind
        if put_back is not None:
            put_back()
        for name, value in slots.items():
            setattr(one, name, value)

    return undo, [kind, *slots.values(), *reached]


def _slots(one: object) -> dict[str, Any]:
    names = itertools.chain.from_iterable(
        slots if isinstance(slots := vars(kind).get("__slots__", ()), tuple | list) else (slots,)
        for kind in type(one).__mro__
    )
    hidden = {"__dict__", "__weakref__"}
    return {name: getattr(one, name) for name in names if name not in hidden and hasattr(one, name)}


def _names(owner: Any) -> Taken:
    """Record the names of a user's own module or class."""

    def named() -> dict[str, Any]:
        return {key: value for key, value in vars(owner).items() if not key.startswith("__")}

    before = {key: _own_copy(value) for key, value in named().items()}

    def undo() -> None:
        for key in named().keys() - before.keys():
            delattr(owner, key)
        for key, value in before.items():
            if vars(owner).get(key, undo) is not value:
                setattr(owner, key, _own_copy(value))

    if not isinstance(owner, type):
        return undo, list(before.values())
    return undo, [*vars(owner).values(), *owner.__bases__, sys.modules.get(owner.__module__)]


def _function(function: types.FunctionType) -> Taken:
    if not _is_own(function.__module__):  # torch.compile's, for instance, manage their own state
        return None, ()
    cells = function.__closure__ or ()
    where = sys.modules[function.__module__]
    held = (function.__defaults__, function.__kwdefaults__, vars(function), where)
    return None, [*cells, *held]


def _cell(cell: types.CellType) -> Taken:
    try:
        before = _own_copy(cell.cell_contents)
    except ValueError:  # still empty
        return None, ()

    def undo() -> None:
        cell.cell_contents = _own_copy(before)

    return undo, (before,)


def _cache(cache: Any) -> Taken:
    """Keep a function's cache empty if it is empty; cached values cannot be inspected."""
    is_empty = cache.cache_info().currsize == 0
    return (cache.cache_clear if is_empty else None), (cache.__wrapped__,)


def _torchs_generator(generator: torch.Generator) -> Taken:
    before = generator.get_state()

    def undo() -> None:
        generator.set_state(before)

    return undo, ()


def _pythons_generator(generator: random.Random) -> Taken:
    return functools.partial(generator.setstate, generator.getstate()), ()


def _numpys_generator(generator: np.random.Generator) -> Taken:
    before = copy.deepcopy(generator.bit_generator.state)

    def undo() -> None:
        generator.bit_generator.state = before

    return undo, ()


def _old_generator(generator: np.random.RandomState) -> Taken:
    return functools.partial(generator.set_state, generator.get_state()), ()


def _reach(*names: str) -> Callable[[Any], Taken]:
    """Return a taker of unchanging objects that reference others by these names."""
    return lambda one: (None, [getattr(one, name) for name in names])


def _items(one: Iterable[object]) -> Taken:
    return None, list(one)


def _others(one: Any) -> Taken:
    """Record users' own objects; libraries' objects are left as they are."""
    if isinstance(one, type | types.ModuleType):
        name = one.__module__ if isinstance(one, type) else one.__name__
        return _names(one) if _is_own(name) else (None, ())
    is_open = isinstance(one, types.SimpleNamespace) or _is_own(type(one).__module__)
    return _instance(one) if is_open else (None, ())


@functools.cache
def _is_own(name: object) -> bool:
    """Return whether a module is a user's: neither Python's nor an installed library's."""
    if not isinstance(name, str) or name.partition(".")[0] in _LIBRARIES:
        return False
    file = getattr(sys.modules.get(name), "__file__", None)
    if file is None:
        return name in ("__main__", "__mp_main__")
    return not any(folder in Path(file).parents for folder in _FOLDERS)


def _own_function(function: types.FunctionType) -> Taken:
    return (
        _function(function) if _is_own(function.__module__) else (None, function.__closure__ or ())
    )


_TAKERS: tuple[tuple[Any, Callable[[Any], Taken]], ...] = (
    (Tensor, _tensor),
    (nn.Module, _instance),
    (np.ndarray, _array),
    ((dict, collections.UserDict), _mapping),
    ((list, collections.deque), _sequence),
    (set, _set),
    ((tuple, frozenset), _items),
    (types.MappingProxyType, lambda one: (None, list(one.values()))),
    (types.FunctionType, _function),
    (types.MethodType, _reach("__self__", "__func__")),
    (functools.partial, _reach("func", "args", "keywords")),
    (functools._lru_cache_wrapper, _cache),
    (types.CellType, _cell),
    (torch.Generator, _torchs_generator),
    (np.random.Generator, _numpys_generator),
    (np.random.RandomState, _old_generator),
    (random.Random, _pythons_generator),
    (object, _others),
)
