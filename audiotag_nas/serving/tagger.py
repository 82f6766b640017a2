"""Tags sound files and waveforms with an exported model."""

import dataclasses
import os
from pathlib import Path
from typing import Any

import numpy as np

from audiotag_nas.config import FeatureConfig
from audiotag_nas.data import audio
from audiotag_nas.data.storage import RemotePath
from audiotag_nas.data.waveform import checked_waveform
from audiotag_nas.errors import ConfigError, DataError
from audiotag_nas.serving.clip_scores import ClipScores
from audiotag_nas.serving.events import EventSettings
from audiotag_nas.serving.model_directory import fetched
from audiotag_nas.serving.model_manifest import Manifest
from audiotag_nas.serving.saved_model import load_saved_model
from audiotag_nas.serving.stream_scorer import StreamScorer
from audiotag_nas.serving.tagged_file import TaggedFile


class Tagger:
    """A loaded model, as `Tagger.load` returns it.

    This example tags a second of noise with an untrained network. The threshold
    0 makes every tag present all the time.

    >>> import numpy as np
    >>> from audiotag_nas import Architecture, ConvBlock, FeatureConfig, Tagger
    >>> from audiotag_nas.data.audio import write_wav
    >>> from audiotag_nas.models import build_crnn
    >>> from audiotag_nas.serving import export_model
    >>> features = FeatureConfig(num_mels=8)
    >>> network = build_crnn(
    ...     Architecture((ConvBlock(2, 3, 3),), recurrent_units=3),
    ...     num_mels=8,
    ...     num_tags=2,
    ... )
    >>> export_model(
    ...     network,
    ...     "exported",
    ...     features=features,
    ...     tags=("dog", "rain"),
    ...     thresholds=(0.5, 0.5),
    ...     metrics={},
    ...     clip_seconds=0.5,
    ... )
    >>> noise = np.random.default_rng(0).normal(scale=0.1, size=16000)
    >>> write_wav("noise.wav", noise, sample_rate_hz=16000)
    >>> tagger = Tagger.load("exported", threshold=0.0)
    >>> tagged = tagger.tag_file("noise.wav")
    >>> tagged.status, list(tagged.clip_scores)
    ('tagged', ['dog', 'rain'])
    >>> [(e.tag, e.onset_seconds, e.offset_seconds) for e in tagged.events]
    [('dog', 0.0, 1.0), ('rain', 0.0, 1.0)]
    """

    def __init__(
        self,
        saved_model: Any,
        manifest: Manifest,
        *,
        thresholds: tuple[float, ...],
        events: EventSettings,
    ) -> None:
        self._manifest = manifest
        self._thresholds = thresholds
        self._scorer = StreamScorer(
            saved_model, manifest, thresholds=thresholds, events=events
        )

    @classmethod
    def load(
        cls,
        export_dir: str | os.PathLike | RemotePath,
        *,
        threshold: float | None = None,
        events: EventSettings | None = None,
    ) -> "Tagger":
        """Loads a model that `export_model` wrote.

        Args:
            export_dir: directory of the model, which may be remote (`storage`).
            threshold: one threshold for all tags. None means the thresholds of
                the model.
            events: settings that determine how active frames become events.

        Raises:
            StoreError: there is no exported model, the model's files were
                changed, or TensorFlow can't load the model.
            ConfigError: the threshold is outside [0, 1].
        """
        if threshold is not None and not 0 <= threshold <= 1:
            raise ConfigError(
                f"`threshold` must be in [0, 1]. Received: {threshold}"
            )
        # A SavedModel is a program, so its files are checked before loading.
        with fetched(export_dir) as (directory, manifest):
            saved_model = load_saved_model(
                directory, shown=export_dir, num_tags=len(manifest.tags)
            )
        return cls(
            saved_model,
            manifest,
            thresholds=manifest.thresholds
            if threshold is None
            else (threshold,) * len(manifest.tags),
            events=EventSettings() if events is None else events,
        )

    @property
    def manifest(self) -> Manifest:
        return self._manifest

    @property
    def tags(self) -> tuple[str, ...]:
        return self._manifest.tags

    @property
    def thresholds(self) -> tuple[float, ...]:
        """The model's thresholds, or for all tags the one given to `load`."""
        return self._thresholds

    @property
    def features(self) -> FeatureConfig:
        return self._manifest.features

    def tag_file(
        self, path: str | os.PathLike, *, keep_first_minute: bool = False
    ) -> TaggedFile:
        """Tags a sound file of any length, which is read as a stream.

        If the file can't be tagged, the result has the reason; no exception is
        raised.

        Args:
            path: path of the file.
            keep_first_minute: whether the result keeps the first minute (about
                300 kB) for `TaggedFile.plot`.
        """
        path = Path(path)
        scores, reason = None, ""
        notes: list[str] = []
        try:
            scores = self._scorer.score(
                audio.stream_audio(
                    path,
                    sample_rate_hz=self.features.sample_rate_hz,
                    block_seconds=self._scorer.block_seconds,
                    note=notes.append,
                ),
                keep_first_minute=keep_first_minute,
            )
        except DataError as error:
            reason = str(error).removeprefix(f"{path}: ")
        notes = [note.removeprefix(f"{path}: ") for note in notes]
        return TaggedFile(path, scores, reason, tuple(dict.fromkeys(notes)))

    def score_waveform(
        self,
        waveform: np.ndarray,
        sample_rate_hz: int,
        *,
        keep_first_minute: bool = False,
    ) -> ClipScores:
        """Tags samples in memory.

        Args:
            waveform: (samples,) or (samples, channels), floating-point with
                full scale at 1, like the waveforms that soundfile and librosa
                return. Integers are refused, because the full scale of int32
                may be 2**31 or 2**23.
            sample_rate_hz: sample rate of the waveform, from 1000 to 768000.
            keep_first_minute: whether the result keeps the network's input and
                output for the first minute.

        Raises:
            DataError: the waveform is shorter than a frame or invalid
                (`audiotag_nas.data.waveform`).
        """
        samples, notes = checked_waveform(
            waveform, sample_rate_hz, name="waveform"
        )
        if sample_rate_hz != self.features.sample_rate_hz:
            import soxr

            samples = soxr.resample(
                samples, sample_rate_hz, self.features.sample_rate_hz
            )
        scores = self._scorer.score(
            [samples], keep_first_minute=keep_first_minute
        )
        return dataclasses.replace(scores, notes=notes)
