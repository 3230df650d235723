"""Storage that workers and the driver both reach: where tables wait that a worker cannot write into the run itself."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from simworld.errors import RunError
from simworld.execution._parcel import Parcel

_ENDING = ".tar"


class Storage:
    """A folder for one run at any URI that ``pyarrow.fs`` knows: ``file:///mnt/...``, ``s3://bucket/...``, ``gs://...``.

    A parcel is one object that has its name only when it is whole. What is left there by workers survives the driver:
    whoever resumes the run collects it.

    Raises:
        RunError: The URI cannot be used, in this and in all methods.
    """

    def __init__(self, uri: str, run: str = "") -> None:
        """Open the folder of a run, or the place itself, to see whether it can be used."""
        import pyarrow.fs  # noqa: PLC0415  only who uses it pays for it

        self._uri = uri
        with self._told():
            self._files, path = pyarrow.fs.FileSystem.from_uri(uri)
            self._folder = f"{path.rstrip('/')}/{run}"
            self._files.create_dir(self._folder, recursive=True)

    def leave(self, name: str, parcel: Parcel) -> None:
        """Put files there, under the name of one of their episodes."""
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w") as tar:
            for path, content in parcel.items():
                head = tarfile.TarInfo(path)
                head.size = len(content)
                tar.addfile(head, io.BytesIO(content))
        with self._told():
            waiting = f"{self._folder}/{name}.tmp"
            with self._files.open_output_stream(waiting) as out:
                out.write(packed.getbuffer())
            self._files.move(waiting, self._path(name))

    def take(self, name: str) -> Parcel:
        """Files that were left; they stay there until they are dropped."""
        with self._told(), self._files.open_input_stream(self._path(name)) as source:
            packed = io.BytesIO(source.read())
        with tarfile.open(fileobj=packed) as tar:
            # The driver writes them below its run directory: nothing else may be named here.
            return {
                member.name: file.read()
                for member in tar
                if member.name.startswith(("tables/", "tape/"))
                and ".." not in member.name
                and (file := tar.extractfile(member))
            }

    def drop(self, name: str) -> None:
        """Remove files: they are in the run."""
        with self._told():
            self._files.delete_file(self._path(name))

    def left(self) -> Sequence[str]:
        """Names of the parcels that are there."""
        import pyarrow.fs  # noqa: PLC0415

        with self._told():
            found: list[Any] = self._files.get_file_info(pyarrow.fs.FileSelector(self._folder, allow_not_found=True))
        return sorted(info.base_name.removesuffix(_ENDING) for info in found if info.base_name.endswith(_ENDING))

    def close(self) -> None:
        """Remove the run's folder; what nobody collected goes with it."""
        with self._told():
            self._files.delete_dir(self._folder)

    def _path(self, name: str) -> str:
        return f"{self._folder}/{name}{_ENDING}"

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (OSError, ValueError) as error:  # those of Arrow are both
            raise RunError(f"storage {self._uri!r}: {' '.join(str(error).split())}") from error
