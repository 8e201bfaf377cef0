"""`cops unpack`: the dense network of an artefact, as weights that any program with torch can read."""

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

# A run's id, or what is left of one: MLflow is asked which one was meant.
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
    """Write the dense `state_dict` of an artefact as safetensors, with where it comes from as metadata.

    source: an artefact's path, or the id of a trial's MLflow run. out: the new file; None puts it
    into the working directory, under the source's name and `dense`. extensions: names and SHA-256 of
    the loaded plugins.

    Raises InputError in one line if there is no such artefact or `out` is there already.
    """
    path = Path(source)
    is_run = not path.exists() and RUN_ID.fullmatch(source) is not None
    if not is_run and not path.is_file():
        advice = near_path(path) or ": write an artefact's path, or the id of a trial's run"
        raise InputError(f"{source} is neither a file nor a run{advice}")
    out = out or Path(f"{path.stem}.dense.safetensors")
    if out.exists():
        raise InputError(f"{out} is there already: choose another with --out")
    if is_run:
        content = fetch(source, NETWORK_FILE, tracking_uri, home)
        artifact = load_artifact(content, extensions, name=f"{NETWORK_FILE} of run {source}")
    else:
        artifact = load_artifact(path, extensions)
    _write(artifact, source, out)
    parameters = sum(parameter.numel() for parameter in artifact.model.parameters())
    print_line(console, f"{artifact.header.model}, {parameters:,} parameters: {out}")


def _write(artifact: Artifact, source: str, out: Path) -> None:
    """Write the file, whole or not at all."""
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
