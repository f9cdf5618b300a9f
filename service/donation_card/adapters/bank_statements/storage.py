"""Write the state of the imports and the bank files beside the campaigns: all of them or none.

Every file is first written under another name. Then the state replaces its old version, marked `unfinished`. From here
on a second run completes what a crash left: it renames or writes the bank files again, and removes the mark.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from donation_card.application.statement_import import ImportState
from donation_card.errors import ConfigFault, ConfigurationError

_STATE: TypeAdapter[ImportState] = TypeAdapter(ImportState)


@contextlib.contextmanager
def locked(state_file: Path) -> Iterator[None]:
    """Hold the folder of the state file, so that two imports do not run at once. Raise ConfigurationError."""
    with _reported(state_file):
        descriptor = os.open(state_file.parent, os.O_RDONLY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            fault = ConfigFault(str(state_file), "the file", "another import is running", "one import at a time")
            raise ConfigurationError([fault]) from None
        yield
    finally:
        os.close(descriptor)


def read_state(state_file: Path) -> ImportState:
    """Read the state; a missing file is an empty one. Raise ConfigurationError."""
    try:
        return _STATE.validate_json(state_file.read_bytes())
    except FileNotFoundError:
        return ImportState()
    except (OSError, ValidationError):
        fault = ConfigFault(str(state_file), "the file", "no state that can be read", "the file that an import wrote")
        raise ConfigurationError([fault]) from None


def write_all(state_file: Path, state: ImportState, bank_files: Mapping[Path, str | None]) -> None:
    """Write the state and the bank files. None removes a bank file. Raise ConfigurationError if nothing was written."""
    texts = {path: text.encode() for path, text in bank_files.items() if text is not None}
    unfinished = _STATE.dump_json(ImportState(state.statements, unfinished=True), indent=1)
    with _reported(state_file):
        try:
            for path, text in texts.items():
                _stage(path, text)
            _stage(state_file, unfinished, 0o600)
        except OSError:
            for path in [*texts, state_file]:
                _staged(path).unlink(missing_ok=True)
            raise
        _publish(state_file)
        for path in bank_files:
            _publish(path) if path in texts else _remove(path)
        _stage(state_file, _STATE.dump_json(ImportState(state.statements), indent=1), 0o600)
        _publish(state_file)


@contextlib.contextmanager
def _reported(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        given = f"{error.strerror or 'an error'} ({error.filename or path})"
        raise ConfigurationError([ConfigFault(str(path), "the file", given, "a folder that can be written")]) from error


def _staged(path: Path) -> Path:
    """Return the name under which a file is written first. The loader reads no hidden file."""
    return path.with_name(f".{path.name}.new")


def _stage(path: Path, data: bytes, mode: int = 0o644) -> None:
    with open(os.open(_staged(path), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, mode), "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def _publish(path: Path) -> None:
    os.replace(_staged(path), path)
    _sync_folder(path)


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _sync_folder(path)


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
