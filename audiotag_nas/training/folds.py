"""Splits the folds into training and validation folds, and checks the data."""

from audiotag_nas.config import ExperimentConfig
from audiotag_nas.data import clip, pipeline, splits
from audiotag_nas.data.stored_features import PreparedSet
from audiotag_nas.training import trainer


def split_folds(
    prepared: PreparedSet, config: ExperimentConfig
) -> tuple[tuple[int | None, ...], tuple[int, ...]]:
    """Returns the training folds and the validation folds.

    Raises:
        DataError: at least one validation fold has no clips, or all folds are
            validation folds.
    """
    return splits.split_folds(
        prepared.folds,
        config.data.validation_folds,
        where=str(prepared.split_dir),
    )


def check_trainable(prepared: PreparedSet, config: ExperimentConfig) -> None:
    """Raises early each error that a training would raise at its start.

    For example, the grid's first training starts only after the whole search.

    Raises:
        ConfigError: at least one tag has no clip, a batch size is greater than
            the number of training clips, or a mask is longer than the
            spectrogram.
        DataError: `split_folds` raises it, or no tag has an EER in the
            validation folds.
    """
    tags = config.data.tags
    what = "development clips that were not rejected"
    clip.check_carried(prepared.clips, tags, what=what)
    training_folds, validation_folds = split_folds(prepared, config)
    trainer.check_scorable(
        prepared.labels(tags, folds=validation_folds),
        f" (data.validation_folds {list(validation_folds)}, data.tags "
        f"{list(tags)})",
    )
    training = config.training
    for section, batch_size in (
        ("training", training.batch_size),
        *(("grid", batch_size) for batch_size in config.grid.batch_size),
    ):
        pipeline.check_fits(
            prepared,
            training_folds,
            batch_size=batch_size,
            time_mask_frames=training.time_mask_frames,
            mel_mask_bins=training.mel_mask_bins,
            prefix=f"config.{section}.",
        )


def tag_notes(prepared: PreparedSet, config: ExperimentConfig) -> list[str]:
    """Returns lines about the tags that can't be learned or have no EER.

    These tags cause no error, because the other tags are trained and scored.
    """
    training, validation = split_folds(prepared, config)
    no_eer = "the tag has no EER there and does not count in the mean EER"
    notes = []
    for which, folds, effect in (
        ("training", training, "the tag can't be learned"),
        ("validation", validation, no_eer),
    ):
        labels = prepared.labels(config.data.tags, folds=folds)
        for tag, count in zip(config.data.tags, labels.sum(0), strict=True):
            where = f"clip of the {which} folds {list(folds)} carries {tag!r}"
            if count == 0:
                notes.append(f"no {where}: {effect}")
            elif which == "validation" and count == len(labels):
                notes.append(f"every {where}: {no_eer}")
    return notes
