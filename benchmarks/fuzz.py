"""Fuzz test: runs the commands on damaged files and counts failures.

The program first runs the smoke experiment in the working directory. This takes
one minute if the experiment is not finished. Then the program mutates sound
files, manifests, configs, journals, score files and exported models, and runs
the commands that read such files. A command fails if it prints a traceback,
ends by a signal, exits with a nonzero status and no output, hangs, or needs
more memory than the limit. The program prints one row per kind of input, and
the number of failures. If a command failed, the exit status is 1. The inputs
and the output of each failed command are kept in `failures/`.

  python -m benchmarks.fuzz --workdir=/tmp/fuzz --seconds=300
"""

import collections
import dataclasses
import json
import os
import random
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from absl import flags

from audiotag_nas.command_line import command, flag_paths

_WORKDIR = flags.DEFINE_string(
    "workdir",
    None,
    "Directory of the experiment and the inputs.",
    required=True,
)
_SECONDS = flags.DEFINE_float(
    "seconds", 300.0, "Time for all kinds of input together.", lower_bound=1.0
)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the mutations.", lower_bound=0)
_KINDS = flags.DEFINE_list(
    "kinds", None, "Kinds of input, comma-separated (default: all)."
)
_FILES_PER_BATCH = flags.DEFINE_integer(
    "files_per_batch", 100, "Number of sound files per command.", lower_bound=1
)

HANG_SECONDS = 120.0
"""A command that takes longer counts as a hang. Most commands take seconds."""
MEMORY_LIMIT_MIB = 1536
EXIT_FOUND = 1

SOUND_FORMATS = (
    ("wav", "WAV", "PCM_16"),
    ("float.wav", "WAV", "FLOAT"),
    ("flac", "FLAC", "PCM_16"),
    ("ogg", "OGG", "VORBIS"),
    ("opus", "OGG", "OPUS"),
    ("mp3", "MP3", "MPEG_LAYER_III"),
    ("aiff", "AIFF", "PCM_16"),
    ("au", "AU", "PCM_16"),
    ("w64", "W64", "PCM_16"),
    ("rf64", "RF64", "PCM_16"),
    ("caf", "CAF", "PCM_16"),
)


@dataclasses.dataclass(frozen=True)
class Ended:
    """How one command ended.

    Attributes:
        problem: `traceback`, `signal`, `silent`, `hang` or `memory`; empty
            if the command did not fail.
        peak_mib: peak of the resident memory in MiB.
        output: standard output and standard error.
    """

    problem: str
    peak_mib: float
    output: str


Case = tuple[int, list[str]]
"""Number of mutated inputs of a command, and the arguments of the command."""
MakeCases = Callable[[Path, Path, random.Random], Iterator[Case]]
"""Function (experiment, empty directory, generator) -> endless cases."""


def main(argv: Sequence[str]) -> int:
    del argv
    from audiotag_nas.errors import ConfigError

    unknown = set(_KINDS.value or ()) - set(KINDS)
    if unknown:
        raise ConfigError(
            f"--kinds: each must be one of {', '.join(KINDS)}. "
            f"Received: {', '.join(sorted(unknown))}"
        )
    workdir = Path(flag_paths.directory(_WORKDIR)).resolve()
    experiment = _prepared_experiment(workdir)
    names = list(_KINDS.value or KINDS)
    failures = workdir / "failures"
    print(f"{'input':<10}{'inputs':>8}{'commands':>10}{'peak MiB':>10}  failed")
    num_failed = 0
    for name in names:
        num_failed += _attack(
            name, experiment, workdir, failures, _SECONDS.value / len(names)
        )
    print(f"failures: {num_failed}")
    return EXIT_FOUND if num_failed else 0


def _attack(
    name: str, experiment: Path, workdir: Path, failures: Path, seconds: float
) -> int:
    """Runs commands on one kind of input. Returns the number of failures."""
    generator = random.Random(f"{_SEED.value} {name}")
    inputs = workdir / "inputs" / name
    end = time.monotonic() + seconds
    num_inputs = num_commands = 0
    peak = 0.0
    problems: collections.Counter[str] = collections.Counter()
    shutil.rmtree(inputs, ignore_errors=True)
    inputs.mkdir(parents=True)
    for count, arguments in KINDS[name](experiment, inputs, generator):
        ended = _run(arguments)
        num_inputs += count
        num_commands += 1
        peak = max(peak, ended.peak_mib)
        if ended.problem:
            problems[ended.problem] += 1
            kept = failures / f"{name}-{num_commands}-{ended.problem}"
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(inputs, kept, symlinks=True)
            text = f"{' '.join(arguments)}\n{ended.output}"
            (kept / "output.txt").write_text(text)
        if time.monotonic() > end:
            break
    found = ", ".join(f"{n} {problem}" for problem, n in problems.items())
    print(
        f"{name:<10}{num_inputs:>8}{num_commands:>10}{peak:>10.0f}  "
        f"{found or 0}",
        flush=True,
    )
    return problems.total()


def _run(arguments: list[str]) -> Ended:
    """Runs a command of the package, and kills the command if it hangs."""
    command = [sys.executable, "-m", "audiotag_nas", *arguments]
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    hung = threading.Event()

    def kill() -> None:
        hung.set()
        process.kill()

    timer = threading.Timer(HANG_SECONDS, kill)
    timer.start()
    if process.stdout is None:
        raise RuntimeError("the output is a pipe")
    output = process.stdout.read().decode(errors="replace")
    _, status, usage = os.wait4(process.pid, 0)
    timer.cancel()
    # After wait4, the process no longer exists. Popen must not wait for it.
    process.returncode = os.waitstatus_to_exitcode(status)
    peak_mib = usage.ru_maxrss / 1024
    problem = ""
    if hung.is_set():
        problem = "hang"
    elif process.returncode < 0:
        problem = "signal"
    elif "Traceback (most recent call last)" in output:
        problem = "traceback"
    elif process.returncode and not output.strip():
        problem = "silent"
    elif peak_mib > MEMORY_LIMIT_MIB:
        problem = "memory"
    return Ended(problem, peak_mib, output)


def _prepared_experiment(workdir: Path) -> Path:
    """Returns the directory of the finished smoke experiment."""
    from audiotag_nas.errors import SearchError

    experiment = workdir / "experiment"
    ended = _run(["run", "--config=smoke", f"--workdir={experiment}"])
    if not (experiment / "export").is_dir():
        raise SearchError(
            f"{experiment}: must finish. The output was: {ended.output}"
        )
    return experiment


def _sound_cases(
    experiment: Path, inputs: Path, generator: random.Random
) -> Iterator[Case]:
    """Yields mutated sound files for `tag` and `check` in turn."""
    from benchmarks.fuzzing.mutations import mutate_bytes

    originals = _sounds(inputs.parent / "sounds")
    batch = inputs / "batch"
    while True:
        shutil.rmtree(batch, ignore_errors=True)
        batch.mkdir()
        paths = []
        for number in range(_FILES_PER_BATCH.value):
            name, data = generator.choice(originals)
            if generator.random() < 0.2:
                # A file of two concatenated streams, whose formats may differ.
                data += generator.choice(originals)[1]
            path = batch / f"{number:04d}.{name}"
            path.write_bytes(mutate_bytes(data, generator))
            paths.append(str(path))
        yield len(paths), ["tag", f"--model={experiment / 'export'}", *paths]
        manifest = batch / "manifest.csv"
        rows = [f"{Path(path).name},x,development\n" for path in paths]
        manifest.write_text("".join(["path,tags,split\n", *rows]))
        yield len(paths), ["check", f"--manifest={manifest}"]


def _sounds(directory: Path) -> list[tuple[str, bytes]]:
    """Returns one sound per format, as pairs (file extension, bytes)."""
    import numpy as np
    import soundfile

    directory.mkdir(exist_ok=True)
    times = np.arange(16000 * 3) / 16000
    mono = 0.3 * np.sin(2 * np.pi * 440 * times)
    samples = np.stack([mono, 0.5 * mono], axis=1).astype(np.float32)
    sounds = []
    for name, container, subtype in SOUND_FORMATS:
        path = directory / f"sound.{name}"
        soundfile.write(path, samples, 16000, subtype, format=container)
        sounds.append((name, path.read_bytes()))
    return sounds


def _manifest_cases(
    experiment: Path, inputs: Path, generator: random.Random
) -> Iterator[Case]:
    from benchmarks.fuzzing.mutations import hostile_csv, mutate_bytes

    chunks = sorted((experiment / "dataset" / "chunks").glob("*.16kHz.wav"))[:6]
    rows = [
        f"{path.name},a;b,{'evaluation' if n > 3 else 'development'},{n % 3},s"
        for n, path in enumerate(chunks)
    ]
    text = "\n".join(["path,tags,split,fold,segment", *rows]) + "\n"
    path = inputs / "manifest.csv"
    root = f"--data_root={chunks[0].parent}"
    while True:
        path.write_text(hostile_csv(text, generator))
        yield 1, ["check", f"--manifest={path}", root]
        path.write_bytes(mutate_bytes(text.encode(), generator))
        yield 1, ["check", f"--manifest={path}", root, "--noaudio"]


def _score_cases(
    experiment: Path, inputs: Path, generator: random.Random
) -> Iterator[Case]:
    from benchmarks.fuzzing.mutations import hostile_csv, mutate_bytes

    labels, scores = inputs / "labels.csv", inputs / "scores.csv"
    label_text = "x.wav,c\ny.wav,\nz.wav,cm\n"
    score_text = "".join(
        f"{clip}.wav,{tag},0.{number}\n"
        for number, clip in enumerate("xyz", start=1)
        for tag in "cmfvpbo"
    )
    command = ["score", f"--labels={labels}", f"--scores={scores}"]
    while True:
        labels.write_text(label_text)
        scores.write_text(hostile_csv(score_text, generator))
        yield 1, command
        labels.write_bytes(mutate_bytes(label_text.encode(), generator))
        scores.write_text(score_text)
        yield 1, command


def _directory_cases(
    experiment: Path, inputs: Path, generator: random.Random
) -> Iterator[Case]:
    """Yields copies of an experiment's files, of which one is damaged."""
    from benchmarks.fuzzing import mutations

    names = ("config.json", "trials.jsonl", "running.json", "driver.lock")
    originals = {name: (experiment / name).read_bytes() for name in names}
    workdir = f"--workdir={inputs}"
    commands = (
        ["status", workdir],
        ["results", workdir],
        ["results", "--pareto", workdir],
        ["export_trials", workdir, f"--csv={inputs / 'trials.csv'}"],
        ["explain", workdir],
    )
    while True:
        for name, data in originals.items():
            (inputs / name).write_bytes(data)
        name = generator.choice(names)
        kind = generator.random()
        if kind < 0.1:
            data = mutations.deeply_nested_json().encode() + b"\n"
        elif kind < 0.4:
            data = mutations.mutate_bytes(originals[name], generator)
        else:
            data = _wrong_content(originals[name], generator)
        (inputs / name).write_bytes(data)
        yield 1, list(generator.choice(commands))


def _wrong_content(data: bytes, generator: random.Random) -> bytes:
    """Returns `data` (JSON, or lines of JSON) with one wrong value."""
    from benchmarks.fuzzing.mutations import mutate_json

    try:
        return json.dumps(mutate_json(json.loads(data), generator)).encode()
    except ValueError:
        return _wrong_line(data, generator)


def _wrong_line(data: bytes, generator: random.Random) -> bytes:
    """Returns a journal with one wrong value but with right checksums."""
    from audiotag_nas.search.journal import with_checksum
    from benchmarks.fuzzing.mutations import mutate_json

    # The lock file is empty after a command has finished.
    lines = data.splitlines() or [b"{}"]
    index = generator.randrange(len(lines))
    document = json.loads(lines[index])
    document.pop("checksum", None)
    document = mutate_json(document, generator)
    line = json.dumps(document).encode()
    # The mutation may return an empty object, or a value of another type.
    is_record = isinstance(document, dict) and document
    lines[index] = with_checksum(line) if is_record else line
    return b"\n".join(lines) + b"\n"


def _model_cases(
    experiment: Path, inputs: Path, generator: random.Random
) -> Iterator[Case]:
    """Yields exported models in which one file is damaged."""
    from benchmarks.fuzzing.mutations import mutate_bytes

    model = inputs / "export"
    sound = next((experiment / "dataset" / "chunks").glob("*.16kHz.wav"))
    while True:
        shutil.rmtree(model, ignore_errors=True)
        shutil.copytree(experiment / "export", model)
        files = sorted(path for path in model.rglob("*") if path.is_file())
        path = generator.choice(files)
        if path.suffix == ".json" and generator.random() < 0.7:
            path.write_bytes(_wrong_content(path.read_bytes(), generator))
        else:
            path.write_bytes(mutate_bytes(path.read_bytes(), generator))
        yield 1, ["tag", f"--model={model}", str(sound)]


KINDS: dict[str, MakeCases] = {
    "sounds": _sound_cases,
    "manifests": _manifest_cases,
    "scores": _score_cases,
    "workdirs": _directory_cases,
    "models": _model_cases,
}


if __name__ == "__main__":
    command.run(main)
