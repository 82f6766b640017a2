"""The trained networks of a working directory."""

import shutil
from typing import TYPE_CHECKING

from audiotag_nas.errors import StoreError
from audiotag_nas.experiment.results import ranked_entries
from audiotag_nas.experiment.workspace import Workspace

if TYPE_CHECKING:
    import keras

KEPT = 10
"""Networks kept of each stage; all of them would fill a disk."""


def load_network(workspace: Workspace, trial_id: str) -> "keras.Model":
    """The network of a trial, with its best epoch's weights.

    Raises:
        StoreError: it is not there.
    """
    from audiotag_nas.models import load_model
    from audiotag_nas.training.child import MODEL_FILE

    path = workspace.trials_dir / trial_id / MODEL_FILE
    if not path.exists():
        raise StoreError(
            f"{path}: there is no network. The best {KEPT} of a stage are kept."
        )
    return load_model(path)


def drop_networks(workspace: Workspace, stage: str) -> None:
    """Keeps the networks of the stage's best trials only."""
    for entry in ranked_entries(workspace, stage)[KEPT:]:
        directory = workspace.trials_dir / entry.trial.trial_id
        shutil.rmtree(directory, ignore_errors=True)
