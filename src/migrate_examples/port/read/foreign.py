"""Says what a file looks like that is none of ours."""

from pathlib import Path

from migrate_examples.port.archive import ReadError

HDF5 = b"\x89HDF\r\n\x1a\n"
ZIP = (b"PK\x03\x04", b"PK\x05\x06")
BEGINNINGS = (
    (HDF5, "an HDF5 file"),
    (b"PK\x03\x04", "a zip archive"),
    (b"PK\x05\x06", "an empty zip archive"),
    (b"version https://git-lfs", "a Git LFS pointer: fetch the file itself first"),
    (b"\x93NUMPY", "a single NumPy array (.npy)"),
    (b"\x1f\x8b", "a gzip archive: unpack it first"),
    (b"BZh", "a bzip2 archive: unpack it first"),
    (b"\xfd7zXZ", "an xz archive: unpack it first"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive: unpack it first"),
    (b"GGUF", "a GGUF file"),
    (b"%PDF", "a PDF"),
    (b"\x89PNG", "a PNG image"),
    (b"\x80\x02\x8a\x0al\xfc\x9cF", "an old PyTorch file, which is a pickle"),
    (b"\x80", "a pickle, which is a program and is never run"),
    (b"{", "JSON"),
)
"""First bytes, and what begins so."""
PAGES = (b"<!doctype", b"<html", b"<?xml", b"<head", b"<body")


def looks_like(head: bytes) -> str:
    r"""What a file is, by its first bytes; empty if there is no telling.

    >>> looks_like(b"\x80\x04\x95")
    'a pickle, which is a program and is never run'
    """
    page = head.lstrip()[:9].lower().startswith(PAGES)
    onnx = head[:1] == b"\x08" and (b"onnx" in head or b"pytorch" in head)
    safe = head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 32
    signs = [
        (not head, "an empty file"),
        (head[4:8] == b"TFL3", "a TensorFlow Lite model"),
        (page, "a web page, perhaps an error in place of the download"),
        *((head.startswith(beginning), what) for beginning, what in BEGINNINGS),
        (head[257:262] == b"ustar", "a tar archive: unpack it first"),
        (onnx, "an ONNX model"),
        (safe, "a safetensors file"),
    ]
    return next((what for fits, what in signs if fits), "")


def looks_like_entries(names: list[str]) -> str:
    """What a zip archive is, by the names in it; empty if there is no telling.

    >>> looks_like_entries(["archive/data.pkl", "archive/version"])
    'a PyTorch file, which holds a pickle that is never run'
    """
    if any(name.endswith("data.pkl") for name in names):
        return "a PyTorch file, which holds a pickle that is never run"
    if any(name.endswith(".npy") for name in names):
        return "an .npz of NumPy arrays"
    if "word/document.xml" in names or "xl/workbook.xml" in names:
        return "an office document"
    if "META-INF/MANIFEST.MF" in names:
        return "a Java archive"
    return ""


def head_of(path: Path) -> bytes:
    """First bytes of a file.

    Raises
    ------
    ReadError
        It cannot be opened.
    """
    try:
        with path.open("rb") as file:
            return file.read(512)
    except OSError as error:
        raise ReadError(f"{path}: cannot be read: {error.strerror}") from None


def refuse(path: Path, expected: str, head: bytes) -> ReadError:
    """The error for a file that is not what its name says."""
    what = looks_like(head)
    found = f"it looks like {what}" if what else "its first bytes are of no known kind"
    return ReadError(f"{path}: this is not {expected}: {found}")
