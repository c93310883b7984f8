"""A stranger's file while it is inspected: each part is read once and kept for the loader."""

from enum import Enum
from functools import cached_property
from pathlib import Path

from exray.errors import CheckpointError
from exray.models.checkpoints.keras.archive import is_keras_archive, read_keras_archive
from exray.models.checkpoints.keras.hdf5 import KerasFile, read_keras
from exray.models.checkpoints.onnx.file import OnnxFile, read_onnx
from exray.models.checkpoints.pickles.interpreter import MAX_BYTES, PickleProgram, follow
from exray.models.checkpoints.pickles.values import BrokenPickleError
from exray.models.checkpoints.state_dict import SAVE_AGAIN
from exray.models.checkpoints.zip_archive import Archive, ArchiveError, open_archive

COPY_AGAIN = f"copy or download the file again, or {SAVE_AGAIN}"
LEGACY_MAGIC = 0x1950A86A20F9469CFC6C  # the first of the older form's pickles
NUM_LEGACY_PICKLES = 5  # at the start of what torch.save wrote before 1.6
_HEAD_BYTES = 16
_ONNX_FIELDS = b"\x12\x1a\x22\x28\x32\x3a\x42"  # the producer, the graph, ...


class FileForm(Enum):
    """How a model file is stored, as its bytes say; the value is for reports."""

    ZIP = "zip archive"
    PICKLES = "pickles, as torch.save wrote them before 1.6"
    HDF5 = "HDF5, as Keras writes it"
    KERAS = "Keras archive"
    SAFETENSORS = "safetensors"
    ONNX = "ONNX graph"
    UNKNOWN = "unknown"


class ModelFile:
    """A model file whose parts are parsed at first use, once, without executing anything.

    Args:
        path: The file; it is not opened yet.

    Example:
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp()) / "m.pt"
        >>> _ = path.write_bytes(b"PK and so on")
        >>> ModelFile(path).form.value
        'zip archive'
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def of(cls, file: "Path | ModelFile") -> "ModelFile":
        """The file itself where it has been opened already, else the file at a path."""
        return file if isinstance(file, ModelFile) else cls(file)

    @cached_property
    def head(self) -> bytes:
        """The first 16 bytes.

        Raises:
            CheckpointError: If the path is no file that can be read, or the file is empty.
        """
        path = self.path
        if path.is_dir():
            raise CheckpointError(path, "is a folder, not a file", "name the checkpoint inside it")
        if not path.exists():
            raise CheckpointError(path, "does not exist", "check the path")
        try:
            with path.open("rb") as file:
                head = file.read(_HEAD_BYTES)
        except OSError as error:
            raise CheckpointError(
                path, f"cannot be read ({error.strerror})", "make it readable"
            ) from error
        if not head:
            raise CheckpointError(path, "is empty", COPY_AGAIN)
        return head

    @property
    def form(self) -> FileForm:
        """How the file is stored.

        Raises:
            CheckpointError: As :attr:`head`.
        """
        if self.head.startswith(b"PK"):
            return FileForm.KERAS if self._is_keras else FileForm.ZIP
        if self.head.startswith(b"\x80") and not _is_small_header(self.head):
            return FileForm.PICKLES
        if self.head.startswith(b"\x89HDF\r\n\x1a\n"):
            return FileForm.HDF5
        if self.head[8:9] == b"{":
            return FileForm.SAFETENSORS
        return FileForm.ONNX if _starts_as_onnx(self.head) else FileForm.UNKNOWN

    @cached_property
    def _is_keras(self) -> bool:
        """Whether a zip archive is one of Keras; a broken one is said where it is read."""
        try:
            return is_keras_archive(self.archive)
        except ArchiveError:
            return False

    @cached_property
    def archive(self) -> Archive:
        """The zip archive, its directory checked.

        Raises:
            ArchiveError: If it is truncated, or not one that torch would write.
        """
        return open_archive(self.path)

    @cached_property
    def zipped_pickle(self) -> PickleProgram:
        """What the pickle in the zip archive would do.

        Raises:
            ArchiveError: If the archive cannot be read.
            BrokenPickleError: If the pickle is none that torch writes.
        """
        return follow(self.archive.read("data.pkl"))

    @cached_property
    def legacy_pickles(self) -> tuple[PickleProgram, ...]:
        """What the five pickles at the start of a file of the older form would do.

        A file that starts with another pickle is that pickle alone, as ``pickle.dump`` writes it.

        Raises:
            BrokenPickleError: If one is none that torch writes; with the names in all before it.
        """
        with self.path.open("rb") as file:
            data = file.read(MAX_BYTES)
        programs: list[PickleProgram] = []
        names: dict[str, None] = {}
        try:
            for _ in range(NUM_LEGACY_PICKLES):
                programs.append(follow(data, programs[-1].end if programs else 0))
                names |= dict.fromkeys(programs[-1].names)
                if programs[0].value != LEGACY_MAGIC:
                    break
        except BrokenPickleError as error:
            raise BrokenPickleError(str(error), (*names, *error.names)) from None
        return tuple(programs)

    @cached_property
    def onnx(self) -> OnnxFile:
        """The graph in an ONNX file, rehearsed.

        Raises:
            CheckpointError: If it is damaged, or no classifier's.
            ValueError: If the converter is not installed.
        """
        return read_onnx(self.path)

    @cached_property
    def keras(self) -> KerasFile:
        """The layers in an HDF5 file or an archive of Keras.

        Raises:
            CheckpointError: If it is damaged, or holds what Keras does not write.
        """
        if self.form is FileForm.KERAS:
            return read_keras_archive(self.archive)
        return read_keras(self.path)


def _starts_as_onnx(head: bytes) -> bool:
    """Whether a file begins as exporters begin ONNX: with its version, then another field."""
    known = len(head) > 2 and head[0] == 8 and 0 < head[1] < 32
    return known and head[2] in _ONNX_FIELDS


def _is_small_header(head: bytes) -> bool:
    """Whether a file's start is the length of a safetensors header, which may look like a pickle's.

    One header in 256 has the length's first byte in common with pickles. Of what may follow it in a
    pickle, only a float (G) can be followed by five zeros.
    """
    return head[8:9] == b"{" and head[3:8] == bytes(5) and head[2:3] != b"G"
