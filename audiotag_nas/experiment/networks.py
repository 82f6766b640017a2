"""The trained networks of a working directory."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from audiotag_nas.errors import StoreError
from audiotag_nas.experiment.workspace import Workspace
from audiotag_nas.inspection.results import ranked_entries
from audiotag_nas.search.journal import JournalEntry
from audiotag_nas.stored_json import check_regular
from audiotag_nas.trial import MODEL_FILE, TrialStatus

if TYPE_CHECKING:
    import keras

KEPT = 10
"""Networks kept of each stage; all of them would fill a disk."""


def load_network(workspace: Workspace, trial_id: str) -> "keras.Model":
    """The network of a trial, with its best epoch's weights.

    Raises:
        StoreError: it is not there, or damaged.
    """
    from audiotag_nas.models import load_model

    train_again = (
        f"`audiotag-nas train --workdir={workspace.workdir} "
        f"--trial={trial_id}` trains the architecture again."
    )
    path = network_path(workspace, trial_id)
    if not path.exists():
        raise StoreError(
            f"{path}: there is no network: only the best {KEPT} of a stage "
            f"are kept, or it was removed. {train_again}"
        )
    check_regular(path)
    try:
        return load_model(path)
    except Exception as error:
        # What damage in the file raises is not documented by Keras.
        raise StoreError(
            f"{path}: can't be loaded ({type(error).__name__}), the file is "
            f"damaged. {train_again}"
        ) from error


def network_path(workspace: Workspace, trial_id: str) -> Path:
    """Where the network of a trial is, if it is kept."""
    return workspace.trials_dir / trial_id / MODEL_FILE


def missing_networks(
    workspace: Workspace, entries: Iterable[JournalEntry]
) -> list[JournalEntry]:
    """Those of the completed `entries` whose network is not there."""
    return [
        entry
        for entry in entries
        if entry.result.status is TrialStatus.COMPLETED
        and not network_path(workspace, entry.trial.trial_id).exists()
    ]


def drop_networks(workspace: Workspace, stage: str) -> None:
    """Keeps the networks of the stage's best trials only.

    Superseded ones stay: they were the best when they were trained.
    """
    for entry in ranked_entries(workspace, stage)[KEPT:]:
        directory = workspace.trials_dir / entry.trial.trial_id
        shutil.rmtree(directory, ignore_errors=True)
