"""Writes a synthetic data set in the layout of CHiME-Home.

Each chunk has recordings at 16 kHz and 48 kHz and an annotation file. Each
split has a raw and a refined list, and the development split has a list of
folds. `synthetic.json` holds the seed and the settings. The same seed, settings
and library versions give the same bytes.
"""

import concurrent.futures
import dataclasses
import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import soxr

from audiotag_nas.config import SyntheticConfig
from audiotag_nas.data import chime_home
from audiotag_nas.data.audio import write_wav
from audiotag_nas.data.splits import SPLITS
from audiotag_nas.data.synthesis import dsp, scenes
from audiotag_nas.data.synthesis.plan import ChunkPlan, plan_split
from audiotag_nas.errors import StoreError
from audiotag_nas.files import atomic_write_text

VERSION = 2
"""The version of the synthesizer: changes when a seed gives other bytes."""

Progress = Callable[[int, int], None]
"""A function that is called with (chunks written, chunks in total)."""

_NUM_THREADS = 2  # FFTs, filters, resampling and file writes release the GIL
_CHUNKS_IN_FLIGHT = 16


def write_dataset(
    dataset_dir: str | os.PathLike,
    settings: SyntheticConfig,
    *,
    seed: int,
    progress: Progress | None = None,
) -> None:
    """Writes a data set into `dataset_dir`, which must be empty or absent.

    The lists are written last, so a directory without lists is incomplete. Use
    `files.atomic_directory` to write all or nothing.

    Args:
        dataset_dir: the directory to write, in the layout of `chime_home`.
        settings: the number of refined clips per split, and the boost of tag
            `b`. A raw list has 1.3 times as many clips as the refined list.
        seed: random seed, 0 or more.
        progress: a function that is called after each chunk.

    Raises:
        StoreError: `dataset_dir` is not empty.
    """
    root = Path(dataset_dir)
    if root.exists() and any(root.iterdir()):
        raise StoreError(
            f"{root}: must be empty or absent to write a synthetic data set. "
            f"Received: a directory with {next(root.iterdir()).name!r}"
        )
    (root / "chunks").mkdir(parents=True, exist_ok=True)
    plans = {split: plan_split(settings, split, seed=seed) for split in SPLITS}
    chunks = [plan for split in plans.values() for plan in split]
    for done, _ in enumerate(_written(root, chunks, seed), 1):
        if progress is not None:
            progress(done, len(chunks))
    origin = {
        "version": VERSION,
        "seed": seed,
        "settings": dataclasses.asdict(settings),
    }
    atomic_write_text(
        root / "synthetic.json", json.dumps(origin, indent=2) + "\n"
    )
    for split, members in plans.items():
        _write_lists(root, split, members)


def render_chunk(
    plan: ChunkPlan, *, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Renders the two recordings of a chunk.

    Returns:
        The stereo recording at 48 kHz, float32 (192000, 2) rounded to 16 bits,
        and the mono recording at 16 kHz, float32 (64000,).
    """
    scene = np.round(scenes.render_scene(plan, seed=seed) * 32768) / 32768
    mono = soxr.resample(
        scene.mean(axis=1), dsp.SAMPLE_RATE_HZ, dsp.LOW_RATE_HZ
    )
    return scene, mono


def chunk_annotation(plan: ChunkPlan) -> chime_home.ChunkAnnotation:
    """Returns the fields of a chunk's annotation file."""
    a1, a2, a3 = plan.votes
    s1, s2, s3 = plan.sessions
    return chime_home.ChunkAnnotation(
        segmentname=plan.segment_name,
        chunknumber=plan.chunk_number,
        framestart=plan.chunk_number * dsp.CLIP_SAMPLES,
        annotation_a1=a1,
        session_a1=s1,
        annotation_a2=a2,
        session_a2=s2,
        annotation_a3=a3,
        session_a3=s3,
        majorityvote=plan.majority,
        chunkname=plan.chunk_name,
    )


def _written(
    root: Path, chunks: list[ChunkPlan], seed: int
) -> Iterator[ChunkPlan]:
    """Writes the chunks in parallel, and yields the written chunks in order."""
    with concurrent.futures.ThreadPoolExecutor(_NUM_THREADS) as pool:
        for start in range(0, len(chunks), _CHUNKS_IN_FLIGHT):
            block = chunks[start : start + _CHUNKS_IN_FLIGHT]
            yield from pool.map(
                lambda plan: _write_chunk(root, plan, seed), block
            )


def _write_chunk(root: Path, plan: ChunkPlan, seed: int) -> ChunkPlan:
    scene, mono = render_chunk(plan, seed=seed)
    recordings = ((scene, dsp.SAMPLE_RATE_HZ), (mono, dsp.LOW_RATE_HZ))
    for samples, rate_hz in recordings:
        path = chime_home.audio_path(root, plan.chunk_name, rate_hz)
        write_wav(path, samples, sample_rate_hz=rate_hz)
    chime_home.write_chunk(
        chime_home.annotation_path(root, plan.chunk_name),
        chunk_annotation(plan),
    )
    return plan


def _write_lists(root: Path, split: str, plans: list[ChunkPlan]) -> None:
    refined = [plan for plan in plans if plan.is_refined]
    for members, raw in ((plans, True), (refined, False)):
        chime_home.write_list(
            root / chime_home.list_name(split, raw=raw),
            [(i, plan.chunk_name) for i, plan in enumerate(members)],
        )
    if split == "development":
        chime_home.write_list(
            root / chime_home.FOLDS_LIST,
            [
                (i, plan.chunk_name, plan.fold)
                for i, plan in enumerate(refined)
                if plan.fold is not None
            ],
        )
