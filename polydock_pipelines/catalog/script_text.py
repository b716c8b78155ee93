"""Scripts of a catalogue: written in place, or in a file beside the YAML."""

from pathlib import Path
from typing import TypeGuard

from polydock_pipelines.catalog.texts import clean_text

LARGEST = 64 * 1024
TOO_LARGE = f"is larger than {LARGEST // 1024} KiB; let it fetch what it needs from the repository"


def read_script(value: object, folder: Path) -> str:
    """Return the script that *value* is or names. ValueError says why there is none."""
    if isinstance(value, str):
        return value
    if not _is_file_entry(value):
        raise ValueError("expected the script's text, or `file: path` with a path beside the YAML")
    return _content(folder, value["file"])


def _is_file_entry(value: object) -> TypeGuard[dict[str, str]]:
    return isinstance(value, dict) and value.keys() == {"file"} and isinstance(value["file"], str)


def _content(folder: Path, name: str) -> str:
    # A catalogue comes from a repository, perhaps by a stranger's pull request, and what it names
    # is sent to Lagoon: so it may name nothing outside its own folder.
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise ValueError("names a file outside the folder of the YAML; expected one inside it")
    try:
        if path.stat().st_size > LARGEST:
            raise ValueError(TOO_LARGE)
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ValueError("names a file that is not text in UTF-8") from None
    except OSError as error:
        raise ValueError(
            f"names a file that cannot be read: {error.strerror or 'unknown reason'}"
        ) from None


def fit_to_run(script: str) -> str:
    """Refuse what cannot be a script. ValueError says why."""
    if not script.strip():
        raise ValueError("is empty; expected a shell script, or leave the stage out")
    if len(script.encode("utf-8", "replace")) > LARGEST:
        raise ValueError(TOO_LARGE)
    return clean_text(script)
