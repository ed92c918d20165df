"""What people's editors and shells leave in files, and what no file can be called."""

from __future__ import annotations

import codecs
import errno
import os
from pathlib import Path

import pytest

from neurovisionlab.core.errors import NvlError, SpecError
from neurovisionlab.data.home import DataHome
from neurovisionlab.data.texts import MOST_BYTES, decoded, is_there, read_text, user_path
from neurovisionlab.lab.named_files import read_publication, read_study

STUDY = 'name = "mini"\ndescription = "Щітка é"\ndatasets = ["digits"]\nmodels = ["vit-tiny"]\n'
KNOWN = {"datasets": ["digits"], "models": ["vit-tiny"]}
FORMS = {
    "utf-8": STUDY.encode(),
    "utf-8 with a mark": STUDY.encode("utf-8-sig"),
    "utf-16 of this machine": STUDY.encode("utf-16"),
    "utf-16 le": codecs.BOM_UTF16_LE + STUDY.encode("utf-16-le"),
    "utf-16 be": codecs.BOM_UTF16_BE + STUDY.encode("utf-16-be"),
    "utf-32 le": codecs.BOM_UTF32_LE + STUDY.encode("utf-32-le"),
    "utf-32 be": codecs.BOM_UTF32_BE + STUDY.encode("utf-32-be"),
    **{f"{one}, no mark": STUDY.encode(one) for one in ("utf-16-le", "utf-16-be")},
    **{f"{one}, no mark": STUDY.encode(one) for one in ("utf-32-le", "utf-32-be")},
    "windows lines": STUDY.replace("\n", "\r\n").encode(),
    "old mac lines": STUDY.replace("\n", "\r").encode(),
    "powershell": codecs.BOM_UTF16_LE + STUDY.replace("\n", "\r\n").encode("utf-16-le"),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_study_is_read_in_every_unicode(tmp_path: Path, form: str) -> None:
    path = tmp_path / "study.toml"
    path.write_bytes(FORMS[form])
    assert read_study(str(path), KNOWN).description == "Щітка é"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (STUDY.replace("Щітка ", "").encode("latin-1"), "text in UTF-8, got byte 0xe9 in line 2"),
        (STUDY.replace(" é", "").encode("cp1251"), "text in UTF-8, got byte 0xf2 in line 2"),
        (b'name = "a\0b"\n', "text, got a NUL byte in line 1"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\xff", "text in UTF-8, got byte 0x89 in line 1"),
        (b"PK\x03\x04\0\0\0\0", "got a NUL byte"),
        (codecs.BOM_UTF16_LE + b"a\0b", "text in UTF-16, got byte"),
        (codecs.BOM_UTF32_LE + b"\xff\xff\xff\xff", "text in UTF-32, got byte 0xff"),
        (codecs.BOM_UTF16_LE + b"a\0\0\0b\0", "a NUL byte"),
    ],
)
def test_what_is_no_unicode_or_might_be_several_is_one_error(content: bytes, words: str) -> None:
    with pytest.raises(SpecError, match=r"expected .*try to save it as UTF-8") as caught:
        decoded(content, "my.toml")
    assert words in str(caught.value)


@pytest.mark.parametrize("read", [lambda name: read_study(name, KNOWN), read_publication])
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("folder", "got a folder"),
        ("fifo", "got a pipe or a device"),
        ("device", "got a pipe or a device"),
        ("huge", f"at most {MOST_BYTES:,} bytes"),
        ("long", "File name too long"),
        ("nul", "without NUL"),
        ("nobody", "home folder that is not known"),
        ("surrogate", "no text"),
        ("absent", "try "),
        ("latin", "byte 0xe9"),
    ],
)
def test_what_is_no_text_file_is_one_error(
    tmp_path: Path, read: object, kind: str, words: str
) -> None:
    path = tmp_path / "it"
    if kind == "folder":
        path.mkdir()
    elif kind == "fifo":
        os.mkfifo(path)
    elif kind == "huge":
        path.write_bytes(b"#" * (MOST_BYTES + 1))
    elif kind == "latin":
        path.write_bytes(b"x = '\xe9'")
    names = {
        "device": "/dev/zero",
        "long": "x" * 300,
        "nul": "a\0b",
        "nobody": "~no-such-user-here/x",
        "surrogate": "a\ud800b",
    }
    if kind == "long":
        words = "at most 255 bytes"
    with pytest.raises(NvlError, match="expected") as caught:
        read(names.get(kind, str(path)))  # type: ignore[operator]
    assert words in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_file_that_one_may_not_read_is_one_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "study.toml"
    path.write_text(STUDY)

    def refuse(*_: object, **__: object) -> None:  # as the system does, but to root as well
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(SpecError, match="Permission denied"):
        read_text(path)


def test_a_name_that_is_no_utf_8_is_a_name(tmp_path: Path) -> None:
    path = Path(os.fsdecode(os.fsencode(tmp_path) + b"/st\xff.toml"))
    path.write_text(STUDY, encoding="utf-8")
    assert read_study(str(path), KNOWN).name == "mini"
    assert is_there(path)
    assert not is_there(path / "below")


def test_a_home_folder_is_found_and_one_that_is_not_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert user_path("~/x", "--data") == tmp_path / "x"
    for bad in ("~no-such-user-here/x", "x" * 300, "a\0b"):
        with pytest.raises(SpecError, match="--data: expected a path"):
            DataHome.find(bad)


def test_nobody_s_cache_is_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HOME", "NVL_CACHE", "NVL_DATA", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_000)  # a user without an entry
    monkeypatch.chdir(tmp_path)
    with pytest.raises(NvlError, match=r"HOME: expected a home folder, got .*; try NVL_CACHE=DIR"):
        DataHome.find()
    monkeypatch.setenv("NVL_CACHE", str(tmp_path / "cache"))
    assert DataHome.find().data_dir == tmp_path / "cache" / "data"
    assert list(tmp_path.iterdir()) == []
