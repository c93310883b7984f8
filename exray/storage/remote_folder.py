"""A folder of an object store: whole objects, of which one can be created by one process only."""

import errno

from exray.storage.remote_files import file_system, tried

FOLDERS = ("file", "local")


class RemoteFolder:
    """Objects below a URL, by their names. A store that does not answer is asked three times.

    An object store writes an object whole or not at all, which is why URLs of folders are refused.

    Args:
        url: Of a store that fsspec knows: ``s3://``, ``gs://``, ...

    Raises:
        ValueError: If it is a folder of this machine, or what reads such stores is not installed.
    """

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._files, self._path = file_system(self.url)
        protocols = self._files.protocol
        if (
            {protocols} & set(FOLDERS)
            if isinstance(protocols, str)
            else set(protocols) & set(FOLDERS)
        ):
            raise ValueError(
                f"{url} must be the URL of an object store, which writes objects whole, such as "
                "s3://bucket/results; a folder is what paths.results is for"
            )

    def names(self) -> list[str]:
        """The names of all objects, sorted."""

        def find() -> list[str]:
            self._files.invalidate_cache()
            return [str(name) for name in self._files.find(self._path)]

        try:
            found = tried(self.url, find)
        except FileNotFoundError:
            return []
        return sorted(name.removeprefix(f"{self._path}/") for name in found)

    def read(self, name: str) -> bytes | None:
        """An object's content; None if there is none.

        Args:
            name: The object's.

        Raises:
            UnreachableError: If the store does not answer.
        """
        try:
            content = tried(f"{self.url}/{name}", lambda: self._files.cat_file(self._place(name)))
        except FileNotFoundError:
            return None
        return bytes(content)

    def write(self, name: str, content: bytes) -> None:
        """Writes an object, or replaces it.

        Args:
            name: The object's.
            content: Its bytes.

        Raises:
            UnreachableError: If the store does not answer, or refuses.
        """
        place = self._place(name)
        tried(f"{self.url}/{name}", lambda: self._files.pipe_file(place, content), name="written")

    def create(self, name: str, content: bytes) -> bool:
        """Writes an object unless it exists; of several writers one wins.

        Args:
            name: The object's.
            content: Its bytes, by which a writer knows its own.

        Returns:
            Whether it is there with this content: by this call, or by an earlier try of it.

        Raises:
            UnreachableError: If the store does not answer, or refuses.
        """
        place = self._place(name)

        def pipe() -> bool:
            try:
                self._files.pipe_file(place, content, mode="create")
            except FileExistsError:
                return False
            except OSError as error:  # S3 says it by 412, "precondition failed"
                if error.errno == errno.EEXIST or "recondition" in str(error):
                    return False
                raise
            return True

        return tried(f"{self.url}/{name}", pipe, name="written") or self.read(name) == content

    def remove(self, name: str) -> None:
        """Removes an object, if there is one.

        Args:
            name: The object's.

        Raises:
            UnreachableError: If the store does not answer, or refuses.
        """
        try:
            tried(f"{self.url}/{name}", lambda: self._files.rm_file(self._place(name)))
        except FileNotFoundError:
            return

    def _place(self, name: str) -> str:
        return f"{self._path}/{name}"
