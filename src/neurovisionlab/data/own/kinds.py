"""Kinds of files: readable images, images of other formats, or other files."""

from __future__ import annotations

from enum import Enum
from pathlib import Path

from PIL import Image

from neurovisionlab.data import files
from neurovisionlab.data.decoders import SUFFIXES, opened_picture, readable_formats

# formats that their first bytes identify, whatever the file is called
_BY_CONTENT = frozenset(
    ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "JPEG2000", "AVIF", "QOI", "PSD")
)
# Some are TIFF files that start with a thumbnail: the suffix decides.
_RAW = ".3fr .arw .cr2 .cr3 .crw .dcr .dng .erf .iiq .kdc .mef .mrw .nef .nrw .orf .pef .raf .raw"
_NOT_READ = frozenset(
    f"{_RAW} .rw2 .rwl .sr2 .srf .srw .x3f .heic .heics .heif .hif .jxl .jxr .svg .svgz .eps .ai "
    ".wmf .emf .cdr .xcf .kra .ico .cur .icns .exr .hdr .dcm .dicom .nii .fits .djvu .bpg".split()
)
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF87a", b"GIF89a")
_MAGIC_NOT_READ = (b"\xff\x0a", b"\0\0\0\x0cJXL ", b"\0\0\1\0", b"icns", b"\x76\x2f\x31\x01")
_HEIF_BRANDS = frozenset((b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"))


class FileKind(Enum):
    """The kind of a file."""

    PICTURE = "picture"
    NOT_READ = "picture of a kind that is not read"
    OTHER = "no picture"
    UNREADABLE = "cannot be read"


def kind_by_name(path: Path) -> FileKind | None:
    """Return the kind if the suffix identifies it; None if the content must be examined."""
    suffix = path.suffix.lower()
    if suffix in SUFFIXES:
        return FileKind.PICTURE
    return FileKind.NOT_READ if suffix in _NOT_READ else None


def kind_by_content(path: Path) -> FileKind:
    """Return the kind by the first bytes of a file; no pixel is decoded."""
    formats = [name for name in readable_formats() if name in _BY_CONTENT]
    try:
        with opened_picture(path, formats):
            return FileKind.PICTURE
    except Image.DecompressionBombError:  # reported when it is read
        return FileKind.PICTURE
    except OSError as error:
        files.refuse_shortage(error, str(path))
        if error.errno is not None:  # from the system, not from Pillow
            return FileKind.UNREADABLE
    except Exception:  # a text that starts like an image: decoders may raise anything
        pass
    return _kind_by_magic(path)


def _kind_by_magic(path: Path) -> FileKind:
    try:
        with files.opened(path) as file:
            head = file.read(1024)
    except OSError as error:
        files.refuse_shortage(error, str(path))
        return FileKind.UNREADABLE
    if head.startswith(_MAGIC) or (head.startswith(b"RIFF") and head[8:12] == b"WEBP"):
        return FileKind.PICTURE  # a damaged one
    is_heif = head[4:8] == b"ftyp" and head[8:12] in _HEIF_BRANDS
    is_svg = head.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<") and b"<svg" in head
    if head.startswith(_MAGIC_NOT_READ) or is_heif or is_svg or head[128:132] == b"DICM":
        return FileKind.NOT_READ
    return FileKind.OTHER
