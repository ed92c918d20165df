"""Files of weights of strangers: nothing in them runs, hangs, or takes memory."""

from __future__ import annotations

import io
import os
import pickle
import struct
import sys
import textwrap
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import timm
import torch
from safetensors.torch import save, save_file
from torch import Tensor, nn
from torchvision import models as torchvision_models

from limits import run_limited
from neurovisionlab.core.errors import ModelError, NvlError, ResourceError
from neurovisionlab.core.protocol import Protocol
from neurovisionlab.learn import weight_files
from neurovisionlab.learn.model_source import ModelShape
from neurovisionlab.learn.weight_files import read
from neurovisionlab.learn.zoo import build

PRETRAINED = Protocol(pretrained=True)
MIB = 1 << 20


class Own(nn.Module):
    """A user's model with a weight, a counter, a mask and complex numbers."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3)
        self.fc = nn.Linear(4, num_classes)
        self.register_buffer("steps", torch.zeros(3, dtype=torch.int64))
        self.register_buffer("mask", torch.full((2, 2), float("-inf")).triu(1))
        self.register_buffer("wave", torch.zeros(2, dtype=torch.complex64))

    def forward(self, images_BCHW: Tensor) -> Tensor:
        logits: Tensor = self.fc(self.conv(images_BCHW).mean((2, 3)))
        return logits


def make(num_classes: int, channels: int, image_px: int) -> nn.Module:
    """Return the model, as a study names it."""
    return Own(num_classes)


# {name: (file, model, a weight of it)}
KINDS: dict[str, tuple[str, Callable[[], nn.Module], str]] = {
    "resnet18": ("resnet18", torchvision_models.resnet18, "layer1.0.conv1.weight"),
    "vit-tiny": (
        "vit-tiny",
        lambda: build("vit-tiny", ModelShape(32, 3, 1000), Protocol()),
        "blocks.0.attn.qkv.weight",
    ),
    "timm:test_resnet": (
        "test_resnet",
        lambda: timm.create_model("test_resnet"),
        "layer1.0.conv1.weight",
    ),
    "torchvision:squeezenet1_1": (
        "squeezenet1_1",
        torchvision_models.squeezenet1_1,
        "features.3.squeeze.weight",
    ),
    "learn.test_weight_files:make": (
        "learn.test_weight_files.make",
        lambda: Own(1000),
        "conv.weight",
    ),
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the folder of weights; the caches are empty and elsewhere."""
    own = tmp_path / "weights"
    own.mkdir()
    monkeypatch.setenv("NVL_WEIGHTS", str(own))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    return own


def one_with(tensor: Tensor, value: float) -> Tensor:
    """Return a copy in which one number in the middle is `value`."""
    copy = tensor.clone()
    copy.view(-1)[copy.numel() // 2] = value
    return copy


BAD: dict[str, tuple[Callable[[Tensor], Tensor], str]] = {
    "whole numbers": (lambda t: t.to(torch.int64), "of int64 for real numbers"),
    "bytes": (lambda t: t.to(torch.uint8), "of uint8 for real numbers"),
    "true and false": (lambda t: t > 0, "of bool for real numbers"),
    "complex": (lambda t: t.to(torch.complex64), "of complex64 for real numbers"),
    "float8": (lambda t: t.to(torch.float8_e4m3fn), r"of torch\.float8_e4m3fn"),
    "a NaN": (lambda t: one_with(t, float("nan")), "infinite, none at all or too large"),
    "infinite": (lambda t: one_with(t, float("-inf")), "infinite, none at all or too large"),
    "too large": (lambda t: one_with(t.double(), 1e300), "infinite, none at all or too large"),
    "one more row": (lambda t: torch.cat([t, t[:1]]), "weight"),
    "flat": (lambda t: t.reshape(-1), "weight"),
    "one number": (lambda t: t.reshape(-1)[0].clone(), "weight"),
    "no number": (lambda t: t[:0].clone(), "weight"),
}


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("kind", BAD)
def test_numbers_of_another_kind_are_named(name: str, kind: str, folder: Path) -> None:
    file, make_model, key = KINDS[name]
    change, told = BAD[kind]
    torch.manual_seed(0)
    state = dict(make_model().state_dict())
    state[key] = change(state[key])
    if kind in ("whole numbers", "a NaN"):
        torch.save(state, folder / f"{file}.pth")
    else:
        save_file({k: v.contiguous() for k, v in state.items()}, folder / f"{file}.safetensors")
    with pytest.raises(ModelError, match=told) as caught:
        build(name, ModelShape(32, 3, 1000), PRETRAINED)
    text = str(caught.value)
    assert key in text and "\n" not in text and "; try " in text, text


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float16, torch.bfloat16])
def test_real_numbers_of_any_precision_are_taken(
    name: str, dtype: torch.dtype, folder: Path
) -> None:
    file, make_model, key = KINDS[name]
    state = {
        k: v.to(dtype) if v.is_floating_point() else v for k, v in make_model().state_dict().items()
    }
    torch.save(state, folder / f"{file}.pth")
    got = build(name, ModelShape(32, 3, 1000), PRETRAINED).state_dict()[key]
    assert got.dtype == torch.float32
    torch.testing.assert_close(got, state[key].float())


@pytest.mark.parametrize(
    ("key", "change", "told"),
    [
        ("steps", lambda t: t.float(), "steps of float32 for whole numbers"),
        ("steps", lambda t: t.to(torch.int32), None),
        ("wave", lambda t: t.real.clone(), "wave of float32 for complex numbers"),
        ("wave", lambda t: t + float("inf"), "wave with numbers that are infinite"),
        ("mask", lambda t: t.clone(), None),  # its own author made it infinite
    ],
)
def test_what_a_model_wants_decides(
    key: str, change: Callable[[Tensor], Tensor], told: str | None, folder: Path
) -> None:
    state = dict(Own(5).state_dict())
    state[key] = change(state[key])
    torch.save(state, folder / "learn.test_weight_files.make.pth")
    if told is None:
        build("learn.test_weight_files:make", ModelShape(8, 3, 5), PRETRAINED)
    else:
        with pytest.raises(ModelError, match=told):
            build("learn.test_weight_files:make", ModelShape(8, 3, 5), PRETRAINED)


def meta(t: Tensor) -> Tensor:
    return t.to("meta")


ODD: dict[str, tuple[object, str]] = {
    "sparse": ({"w": torch.eye(3).to_sparse()}, "w, a nested or sparse tensor"),
    "rows": ({"w": torch.eye(3).to_sparse_csr()}, "w, a nested or sparse tensor"),
    "quantised": (
        {"w": torch.quantize_per_tensor(torch.ones(3), 0.1, 0, torch.quint8)},
        "w, a quantised tensor|tensors alone",
    ),
    "without numbers": ({"w": torch.ones(3, device="meta")}, "w, a tensor without numbers"),
    "a number as name": ({5: torch.ones(2)}, "a name that is no text: 5"),
    "nothing as name": ({None: torch.ones(2)}, "a name that is no text: None"),
    "a table inside": ({"net": {"w": torch.ones(2)}}, "net, a dict"),
    "a list": ([torch.ones(2)], "a list of other things"),
    "text beside": ({"w": torch.ones(2), "author": "me"}, "author, a str"),
    "nothing": ({}, "a dict of other things"),
    "a name of escapes": ({"\x1b[2Jw": [1]}, r"\\x1b\[2Jw, a list"),
}


@pytest.mark.parametrize("kind", ODD)
def test_what_is_no_table_of_tensors_is_named(kind: str, folder: Path) -> None:
    content, told = ODD[kind]
    torch.save(content, folder / "x.pth")
    with pytest.raises(ModelError, match=told):
        read(folder / "x.pth")


# ── nothing runs ─────────────────────────────────────────────────────────────────────────────


class Trap:
    """Leaves a trace if it is ever unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.trace),)


def legacy(content: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream, _use_new_zipfile_serialization=False)
    return stream.getvalue()


def zipped(content: object) -> bytes:
    stream = io.BytesIO()
    torch.save(content, stream)
    return stream.getvalue()


WRITERS: dict[str, Callable[[object], bytes]] = {
    "zip": zipped,
    "first format": legacy,
    "a pickle": pickle.dumps,
    "a pickle of protocol 0": lambda content: pickle.dumps(content, 0),
}


@pytest.mark.parametrize("place", ["value", "key", "whole", "checkpoint"])
@pytest.mark.parametrize("way", WRITERS)
def test_code_never_runs(way: str, place: str, folder: Path) -> None:
    trace = folder / "trace"
    contents: dict[str, Callable[[], object]] = {
        "value": lambda: {"w": Trap(trace)},
        "key": lambda: {"w": torch.ones(2), (Trap(trace),): 1},
        "whole": lambda: Trap(trace),
        "checkpoint": lambda: {"state_dict": {"w": torch.ones(2)}, "args": Trap(trace)},
    }
    content = WRITERS[way](contents[place]())
    (folder / "x.pth").write_bytes(content)
    with pytest.raises(ModelError, match=r"tensors alone|a whole file") as caught:
        read(folder / "x.pth")
    assert not trace.exists()
    assert "weights_only" not in str(caught.value)
    torch.load(io.BytesIO(content), weights_only=False) if way in ("zip", "first format") else (
        pickle.loads(content)
    )
    assert trace.exists(), "the trap was no trap"


def test_a_program_is_refused(folder: Path) -> None:
    torch.jit.script(nn.Linear(2, 2)).save(str(folder / "x.pth"))
    with pytest.raises(ModelError, match="tensors alone") as caught:
        read(folder / "x.pth")
    assert "weights_only" not in str(caught.value)


# ── nothing takes memory ─────────────────────────────────────────────────────────────────────


def test_files_of_the_first_format_are_read(folder: Path) -> None:
    state = {"a.weight": torch.randn(3, 4), "b": torch.arange(5)}
    (folder / "x.pth").write_bytes(legacy(state))
    got = read(folder / "x.pth")
    assert got.keys() == state.keys()
    assert all(torch.equal(got[name], state[name]) for name in state)


def test_what_is_shared_or_repeated_is_taken_within_reason(folder: Path) -> None:
    weight = torch.randn(10, 10)
    torch.save({"a": weight, "b": weight, "c": torch.ones(1).expand(50)}, folder / "x.pth")
    assert read(folder / "x.pth")["c"].sum() == 50


HUGE = {
    "repeated": lambda: {"w": torch.ones(1).expand(10**6, 10**6)},
    "one by many names": lambda: dict.fromkeys(map(str, range(400)), torch.ones(MIB)),
    "views": lambda: {"w": torch.ones(MIB).as_strided((2**14, 2**19), (1, 1))},
}


@pytest.mark.parametrize("write", [zipped, legacy])
@pytest.mark.parametrize("kind", HUGE)
def test_tensors_larger_than_their_file_are_refused(
    kind: str, write: Callable[[object], bytes], folder: Path
) -> None:
    (folder / "x.pth").write_bytes(write(HUGE[kind]()))
    with pytest.raises(ModelError, match=r"tensors as large as the file, got .*repeated"):
        read(folder / "x.pth")


def test_what_does_not_fit_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_files, "available_bytes", lambda: 3 * MIB)
    for content in (zipped({"w": torch.ones(MIB)}), legacy({"w": torch.ones(MIB)})):
        (folder / "x.pth").write_bytes(content)
        with pytest.raises(ResourceError, match=r"x\.pth: .* at most 3 MiB .*, got 4 MiB"):
            read(folder / "x.pth")


def rewritten(content: bytes, change: Callable[[str, bytes], bytes], packing: int = 0) -> bytes:
    """Return a zip with other parts."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w", packing) as new:
        for name in old.namelist():
            new.writestr(name, change(name, old.read(name)))
    return out.getvalue()


STATE = OrderedDict(w=torch.arange(1000.0), steps=torch.tensor(3))


def grown(ending: str) -> bytes:
    most = weight_files._most_pickled()
    longer = lambda name, part: part + bytes(most) if name.endswith(ending) else part  # noqa: E731
    return rewritten(zipped(STATE), longer)


def test_packed_or_oversized_parts_are_refused(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weight_files, "available_bytes", lambda: 64 * MIB)
    packed = rewritten(zipped(STATE), lambda name, part: part, zipfile.ZIP_DEFLATED)
    cases = {
        packed: "data.pkl compressed, which torch.save never does",
        grown("data.pkl"): r"data\.pkl of [\d,]+ bytes, more than fits",
        grown("byteorder"): r"byteorder of [\d,]+ bytes, more than fits",
        grown("version"): r"version of [\d,]+ bytes, more than fits",
        legacy(STATE)[:40] + b"}" * (2 * MIB): "tensors alone|pickle that is cut, or larger",
        b"\x80\x02X" + struct.pack("<I", 2**31): "pickle that is cut, or larger|tensors alone",
        pickle.dumps(b"x" * 2 * MIB, 2): "a pickle that is cut, or larger|tensors alone",
    }
    for content, told in cases.items():
        (folder / "x.pth").write_bytes(content)
        with pytest.raises(ModelError, match=told):
            read(folder / "x.pth")


def test_numbers_outside_of_the_file_are_not_read(folder: Path) -> None:
    """A pickle may announce more numbers than its part of the file has."""
    for count in (10**4, 10**9, 2**40):
        longer = zipped({"w": torch.arange(1000.0)})
        old, new = b"M\xe8\x03", b"\x8a\x08" + struct.pack("<q", count)
        assert longer.count(old) >= 2

        def more(name: str, part: bytes, old: bytes = old, new: bytes = new) -> bytes:
            return part.replace(old, new) if name.endswith("data.pkl") else part

        (folder / "x.pth").write_bytes(rewritten(longer, more))
        with pytest.raises(NvlError, match="expected"):
            read(folder / "x.pth")


def test_a_head_of_a_gigabyte_is_not_read(folder: Path) -> None:
    with (folder / "x.safetensors").open("wb") as file:
        file.write(struct.pack("<Q", 1 << 30) + b"{")
        file.truncate(2 << 30)
    with pytest.raises(ModelError, match="a head of 1,073,741,824 bytes"):
        read(folder / "x.safetensors")


@pytest.mark.parametrize(
    "metadata",
    [{"shared": "[]"}, {"shared": '{"a": "b"}'}, {"shared": "5"}, {"shared": "{"},
     {"complex": '["w"]'}, {"complex": '["x"]'}, {"shared": '{"a": ["w"]}'},
     {"shared": "[" * 5000}, {"complex": "[[1]]"}],
)  # fmt: skip
def test_metadata_that_mean_nothing_are_refused(metadata: dict[str, str], folder: Path) -> None:
    (folder / "x.safetensors").write_bytes(save({"w": torch.ones(3)}, metadata))
    with pytest.raises(ModelError, match="a whole file of weights"):
        read(folder / "x.safetensors")


def test_a_pipe_is_never_waited_for(folder: Path) -> None:
    for name in ("x.pth", "x.safetensors"):
        os.mkfifo(folder / name)
        with pytest.raises(ModelError, match="no ordinary file"):
            read(folder / name)


def test_a_head_for_a_million_classes_is_refused(folder: Path) -> None:
    state = dict(timm.create_model("test_resnet").state_dict())
    state["fc.weight"], state["fc.bias"] = torch.zeros(10**6, 1), torch.zeros(10**6)
    torch.save(state, folder / "test_resnet.pth")
    with pytest.raises(ModelError, match=r"a head of shape \[1000000, 1\]"):
        build("timm:test_resnet", ModelShape(32, 3, 5), PRETRAINED)


# ── in a control group ───────────────────────────────────────────────────────────────────────

READ = textwrap.dedent("""
    import sys
    from pathlib import Path
    from neurovisionlab.core.errors import NvlError
    from neurovisionlab.learn.weight_files import read
    try:
        state = read(Path(sys.argv[1]))
    except NvlError as error:
        sys.exit(f"refused: {error}")
    print(*(f"{name} {float(one[-1])}" for name, one in state.items()))
""")


def sparse_zip(path: Path, names: tuple[str, ...], num_bytes: int) -> None:
    """Make a checkpoint whose optimizer has large moments, on disk without its zeros."""
    state = {name: torch.zeros(num_bytes // 4) for name in names}
    state["weight"] = torch.arange(1000.0)
    torch.save({"state_dict": {"weight": state.pop("weight")}, "optimizer": state}, path)


def pickle_of_opcodes(path: Path) -> None:
    with path.open("wb") as file:
        file.write(legacy({"w": torch.ones(1)})[:60])
        file.write(b"}" * (64 * MIB))
        file.truncate(2 << 30)


def string_of_two_gigabytes(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"\x80\x02X" + struct.pack("<I", (1 << 31) - 100))
        file.truncate(2 << 30)


def zipped_pickle(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("x/data.pkl", b"\x80\x02" + b"\x8f" * (64 * MIB))
        file.writestr("x/version", b"3\n")


def bomb(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        with file.open("x/data.pkl", "w") as part:
            for _ in range(1024):
                part.write(bytes(MIB))
        file.writestr("x/version", b"3\n")


@pytest.mark.slow
@pytest.mark.cgroup
@pytest.mark.parametrize("write", [pickle_of_opcodes, string_of_two_gigabytes, zipped_pickle, bomb])
def test_small_heads_before_gigabytes_end_nothing(
    write: Callable[[Path], None], tmp_path: Path
) -> None:
    write(tmp_path / "x.pth")
    command = [sys.executable, "-c", READ, str(tmp_path / "x.pth")]
    ended = run_limited(command, 600 * MIB, {"NVL_THREADS": "1"})
    assert ended.num_killed == 0
    assert ended.code == 1 and "expected" in ended.err, ended.err


@pytest.mark.slow
@pytest.mark.cgroup
def test_a_large_checkpoint_is_read_in_little_memory(tmp_path: Path) -> None:
    """What nobody uses of it, 1 GiB of an optimizer's, is never read."""
    sparse_zip(tmp_path / "x.pth", ("m", "v"), 512 * MIB)
    command = [sys.executable, "-c", READ, str(tmp_path / "x.pth")]
    ended = run_limited(command, 600 * MIB)
    assert (ended.num_killed, ended.code) == (0, 0), ended.err
    assert ended.out.strip() == "weight 999.0"


@pytest.mark.slow
@pytest.mark.cgroup
@pytest.mark.parametrize("write", [zipped, legacy])
def test_weights_take_what_they_are(write: Callable[[object], bytes], tmp_path: Path) -> None:
    state = {name: torch.full((128 * MIB // 4,), float(n)) for n, name in enumerate("abcd")}
    (tmp_path / "x.pth").write_bytes(write(state))
    command = [sys.executable, "-c", READ, str(tmp_path / "x.pth")]
    ended = run_limited(command, int(1.3 * 512 + 300) * MIB)
    assert (ended.num_killed, ended.code) == (0, 0), ended.err
    assert ended.out.split() == ["a", "0.0", "b", "1.0", "c", "2.0", "d", "3.0"]
