"""Creating a file or object that must not exist: what safe commits and leases rest on."""

from __future__ import annotations

import uuid
from contextlib import suppress
from pathlib import Path

from emqa_core.errors import StorageError
from emqa_core.storage.folders import open_new
from emqa_core.storage.location import Location
from emqa_core.storage.store_errors import http_status, reason

_ANSWER_S = 15.0
_EXISTS = (409, 412)


def create_once(file: Location, data: bytes, *, is_own: bool = False) -> None:
    """Create a file or object with these bytes, whole, unless it exists.

    A put whose answer was lost is made again, and finds what it has put; is_own: nobody else would write
    these bytes, so that what is there with them is this call's. Raises FileExistsError where it exists,
    StorageError on a disk without hard links; other errors of the store come as they are.
    """
    if file.store == "file":
        _link(file, data)
        return
    near = file.within(_ANSWER_S)
    files = near.filesystem()
    try:
        if file.store == "s3":
            key = file.path.partition("/")[2]
            files.call_s3("put_object", Bucket=file.bucket, Key=key, Body=data, IfNoneMatch="*")
        else:
            files.pipe_file(file.path, data, mode="create")
    except Exception as error:
        exists = isinstance(error, FileExistsError) or http_status(error) in _EXISTS
        if exists and is_own and near.read_bytes() == data:
            return
        if exists:
            raise FileExistsError(str(file)) from error
        raise


def _link(file: Location, data: bytes) -> None:
    """As Delta's client commits to a disk: by a hard link, which not every one knows."""
    path = Path(file.path)
    staged = path.with_name(f".{path.name}.{uuid.uuid4().hex}")
    with open_new(staged) as sink:
        sink.write(data)
    try:
        path.hardlink_to(staged)
    except FileExistsError:
        raise
    except OSError as error:
        raise StorageError(
            f"the file system of {path.parent} cannot commit safely: it has no hard links",
            found=reason(error),
            next_step="choose an output on another disk, or in an object store",
        ) from error
    finally:
        with suppress(FileNotFoundError):
            staged.unlink()
