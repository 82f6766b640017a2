"""The trained networks that a working directory keeps."""

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from audiotag_nas.errors import StoreError
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.search.journal import JournalEntry
from audiotag_nas.stored_json import check_regular
from audiotag_nas.trial import MODEL_FILE

if TYPE_CHECKING:
    import keras

KEPT = 10
"""Maximum number of networks kept per stage, to save disk space."""


def load_network(workspace: Workspace, trial_id: str) -> "keras.Model":
    """Loads the network of a trial, with the weights of its best epoch.

    Raises:
        StoreError: the file is missing or damaged.
    """
    from audiotag_nas.models import load_model

    retrain = (
        f"`audiotag-nas train --workdir={workspace.workdir} "
        f"--trial={trial_id}` retrains the architecture."
    )
    path = network_path(workspace, trial_id)
    if not path.exists():
        raise StoreError(
            f"{path}: the network does not exist. Each stage keeps only the "
            f"best {KEPT} networks, or the file was removed. {retrain}"
        )
    check_regular(path)
    try:
        return load_model(path)
    except Exception as error:
        # Keras does not document which errors a damaged file raises.
        raise StoreError(
            f"{path}: can't be loaded ({type(error).__name__}). The file is "
            f"damaged. {retrain}"
        ) from error


def network_path(workspace: Workspace, trial_id: str) -> Path:
    """Returns the file of a trial's network. The file need not exist."""
    return workspace.trials_dir / trial_id / MODEL_FILE


def remove_networks(
    workspace: Workspace, ranked: Sequence[JournalEntry]
) -> None:
    """Removes the networks of all trials after the first `KEPT`.

    Args:
        workspace: the working directory.
        ranked: the current trials of one stage, best first. Networks of
            superseded trials are not removed.
    """
    for entry in ranked[KEPT:]:
        directory = workspace.trials_dir / entry.trial.trial_id
        shutil.rmtree(directory, ignore_errors=True)
