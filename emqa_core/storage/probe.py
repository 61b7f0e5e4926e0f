"""The probe of an output location, before anything is computed.

A commit is safe only where a store refuses to create what exists: several S3 servers accept the condition
and overwrite, and two runs would lose each other's commits silently. So a run starts with two conditional
puts, of which the second must fail, and in a store with a Delta table made by Delta's own client too.
"""

from __future__ import annotations

import uuid
from pathlib import Path

import pyarrow as pa

from emqa_core.errors import EmqaError, StorageError
from emqa_core.storage.conditional_put import create_once
from emqa_core.storage.location import Location
from emqa_core.storage.repetition import repeat_s, repeated
from emqa_core.storage.store_errors import explained, http_status, is_store_error, may_pass, reason

_FOLDER = "_emqa"
_ANSWER_S = 15.0
_REPEAT_S = 2.0  # a store that is away for a moment is not a name that was mistyped


def probe_location(location: Location) -> None:
    """Check that a location can be listed, written, committed to and cleaned, leaving nothing behind.

    Raises StorageError that names the place and what to fix: unreachable endpoint, wrong credentials,
    missing bucket, no right to write, a file in the way, no conditional puts.
    """
    place = location.child(_FOLDER, f"probe-{uuid.uuid4().hex}")
    if location.store == "file":
        _probe_folder(location)
    else:
        reach_location(location)
    try:
        _probe_conditional_put(location, place.child("created-once"))
        if location.store != "file":
            _probe_delta(location, place.child("table"))
    finally:
        _remove_quietly(place)


def _probe_folder(location: Location) -> None:
    folder = Path(location.path)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise StorageError(
            f"output {location} cannot be a folder",
            expected="a folder, or nothing yet",
            found=f"a file at {error.filename}" if folder.exists() else f"a file above {error.filename}",
            next_step="choose another output",
        ) from error
    except OSError as error:
        raise explained(location, error) from error


def reach_location(location: Location) -> None:
    """List the bucket, without much patience: what a user mistyped should be told in seconds.

    Raises StorageError as `probe_location` does.
    """
    if location.store != "s3":
        return
    try:
        location.within(_ANSWER_S).filesystem(limit_s=_REPEAT_S).call_s3(
            "list_objects_v2", Bucket=location.bucket, MaxKeys=1
        )
    except FileNotFoundError as error:
        raise StorageError(
            f"{location.where} cannot be used: bucket {location.bucket!r} does not exist",
            next_step="create the bucket, or correct the output's name or storage.endpoint_url",
        ) from error
    except Exception as error:
        if not is_store_error(error):
            raise
        raise explained(location, error) from error


def _probe_conditional_put(location: Location, file: Location) -> None:
    # The first put may be refused too: its name is new, so it was there already, its answer was lost, and
    # the client put it again.
    for _ in range(2):
        try:
            create_once(file, b"emqa")
        except FileExistsError:
            return
        except Exception as error:
            if not is_store_error(error):
                raise
            if http_status(error) in (400, 501):
                raise _unconditional(location, reason(error)) from error
            raise explained(location, error) from error
    raise _unconditional(location, "a second put of the same object succeeded with If-None-Match: *")


def _probe_delta(location: Location, table: Location) -> None:
    """Delta's own client must reach the same place: it takes TLS and addresses in its own way."""
    from deltalake import DeltaTable

    options = table.within(_ANSWER_S).delta_options()
    schema = pa.schema([pa.field("run_id", pa.string())])

    def create() -> None:
        DeltaTable.create(table.delta_url, schema=schema, mode="ignore", storage_options=options)

    try:
        repeated(create, repeat_s(table.within(_ANSWER_S).storage), may_pass)
    except Exception as error:
        if not is_store_error(error):
            raise
        problem = f"{location.where} can be written, but Delta tables cannot be committed there"
        raise explained(location, error, problem) from error


def _unconditional(location: Location, found: str) -> StorageError:
    return StorageError(
        f"the store of {location.where} cannot commit safely: it has no conditional puts",
        expected="a put with If-None-Match: * to an existing object is refused (412)",
        found=found,
        next_step="use a store that has them (AWS S3, SeaweedFS, MinIO, Ceph from Tentacle) or update it",
    )


def _remove_quietly(place: Location) -> None:
    """Clean up after the probe; an error here would hide the one that matters."""
    try:
        place.remove()
        if place.store == "file":
            Path(place.path).parent.rmdir()
    except (EmqaError, OSError):
        return
