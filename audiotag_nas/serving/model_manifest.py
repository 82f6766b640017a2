"""The manifest of an exported model: its settings and metrics."""

import dataclasses
import math
from typing import Any

from audiotag_nas import fields
from audiotag_nas.architecture import Architecture
from audiotag_nas.config import FeatureConfig
from audiotag_nas.errors import ConfigError

SCHEMA_VERSION = 1


@dataclasses.dataclass(frozen=True)
class Manifest:
    """The settings and metrics of an exported model.

    Attributes:
        tags: names of the network's outputs, in order.
        thresholds: one threshold per tag. A tag is present if its score reaches
            its threshold.
        features: the front end inside the model.
        clip_seconds: length of the clips that the network was trained on.
        pads_short_clips: whether some training clips were shorter and were
            padded to `clip_seconds` with zeros.
        metrics: named numbers; None if undefined.
        architecture: None if no `Architecture` describes the network.
        num_parameters: number of the network's parameters.
        versions: versions of the libraries that wrote the model.
    """

    tags: tuple[str, ...]
    thresholds: tuple[float, ...]
    features: FeatureConfig
    clip_seconds: float
    metrics: dict[str, float | None]
    architecture: Architecture | None
    num_parameters: int
    versions: dict[str, str]
    pads_short_clips: bool = False

    def to_json(self) -> dict[str, Any]:
        rate = self.features.sample_rate_hz
        architecture = self.architecture
        return {
            "schema_version": SCHEMA_VERSION,
            "tags": list(self.tags),
            "thresholds": dict(zip(self.tags, self.thresholds, strict=True)),
            "sample_rate_hz": rate,
            "frame_step_seconds": self.features.frame_step / rate,
            "frame_length_seconds": self.features.frame_length / rate,
            "clip_seconds": self.clip_seconds,
            "pads_short_clips": self.pads_short_clips,
            "features": dataclasses.asdict(self.features),
            "metrics": self.metrics,
            "architecture": architecture and architecture.to_json(),
            "num_parameters": self.num_parameters,
            "versions": self.versions,
        }

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> "Manifest":
        """Rebuilds a manifest from the value that `to_json` returned.

        Raises:
            ConfigError: a value is not allowed.
            ValueError, KeyError, TypeError, AttributeError, OverflowError:
                a value is missing or has a wrong type.
        """
        tags = tuple(value["tags"])
        if (
            not tags
            or not all(isinstance(tag, str) and tag for tag in tags)
            or len(set(tags)) != len(tags)
        ):
            raise ConfigError(
                "tags: must be different names, at least one. "
                f"Received: {value['tags']!r}"
            )
        thresholds = tuple(float(value["thresholds"][tag]) for tag in tags)
        if not all(0 <= threshold <= 1 for threshold in thresholds):
            raise ConfigError(
                f"thresholds: must be in [0, 1]. Received: {thresholds}"
            )
        clip_seconds = float(value["clip_seconds"])
        if not 0 < clip_seconds < math.inf:
            raise ConfigError(
                "clip_seconds: must be a positive finite number. "
                f"Received: {clip_seconds}"
            )
        architecture = value["architecture"]
        return cls(
            tags=tags,
            thresholds=thresholds,
            features=_features(value["features"]),
            clip_seconds=clip_seconds,
            metrics=dict(value["metrics"]),
            architecture=architecture and Architecture.from_json(architecture),
            num_parameters=int(value["num_parameters"]),
            versions=dict(value["versions"]),
            # Manifests of older models lack this field.
            pads_short_clips=bool(value.get("pads_short_clips", False)),
        )


def _features(value: dict[str, Any]) -> FeatureConfig:
    features: FeatureConfig = fields.from_json(FeatureConfig, value, "features")
    features.check("features")
    return features
