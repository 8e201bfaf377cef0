"""`cops unpack`: writes the dense network of an artefact as weights that torch alone can load."""

import re
from collections.abc import Mapping
from pathlib import Path

from rich.console import Console
from safetensors.torch import save

from cops_core.artifact import Artifact, load_artifact
from cops_core.errors import InputError, near_path
from cops_core.whole_file import write_whole
from study.console import print_line
from study.tracking import NETWORK_FILE, fetch

# A run's id, or the beginning of one, which MLflow completes.
RUN_ID = re.compile("[0-9a-f]{8,32}")


def unpack(
    source: str,
    out: Path | None,
    *,
    home: Path,
    tracking_uri: str | None,
    extensions: Mapping[str, str],
    console: Console,
) -> None:
    """Write the dense `state_dict` of an artefact as safetensors, with its origin as metadata.

    Args:
        source: An artefact's path, or the id of a trial's MLflow run.
        out: The new file; None is `{source's name}.dense.safetensors` in the working directory.
        home: Of the study.
        tracking_uri: MLflow; None is the database of the home.
        extensions: Names and SHA-256 of the loaded plugins.
        console: Receives the name of the file.

    Raises:
        InputError: There is no such artefact, or `out` already exists or cannot be written.
    """
    path = Path(source)
    is_run = not path.exists() and RUN_ID.fullmatch(source) is not None
    if not is_run and not path.is_file():
        advice = near_path(path) or ": write an artefact's path, or the id of a trial's run"
        raise InputError(f"{source} is neither a file nor a run{advice}")
    out = out or Path(f"{path.stem}.dense.safetensors")
    if out.exists():
        raise InputError(f"{out} already exists: choose another file with --out")
    if is_run:
        content = fetch(source, NETWORK_FILE, tracking_uri, home)
        artifact = load_artifact(content, extensions, name=f"{NETWORK_FILE} of run {source}")
    else:
        artifact = load_artifact(path, extensions)
    _write(artifact, source, out)
    parameters = sum(parameter.numel() for parameter in artifact.model.parameters())
    print_line(console, f"{artifact.header.model}, {parameters:,} parameters: {out}")


def _write(artifact: Artifact, source: str, out: Path) -> None:
    """Write the file completely or not at all."""
    tensors = {name: tensor.clone().contiguous() for name, tensor in artifact.model.state_dict().items()}
    metadata = {
        "format": "pt",
        "source": source,
        "header": artifact.header.model_dump_json(),
        "weights_sha256": artifact.contents.weights_sha256,
    }
    try:
        write_whole(out, save(tensors, metadata))
    except OSError as error:
        raise InputError(f"{out} cannot be written ({type(error).__name__}): choose another --out") from error
