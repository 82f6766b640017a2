"""Packaging: installed packages, dependencies and their versions.

Lower bounds are the oldest versions with the features that are used, upper
bounds the first untested versions.
"""

import re
from pathlib import Path

from setuptools import find_packages, setup

ROOT = Path(__file__).parent
REPOSITORY_URL = "https://github.com/audiotag-nas/audiotag-nas"


def read_version() -> str:
    """Reads the package's version without importing the package."""
    text = (ROOT / "audiotag_nas" / "__init__.py").read_text(encoding="utf-8")
    match = re.search(r'^__version__ = "([^"]+)"$', text, re.MULTILINE)
    if match is None:
        raise RuntimeError("audiotag_nas/__init__.py has no __version__.")
    return match[1]


INSTALL_REQUIRES = [
    # tensorflow-io's native library needs 2.17.1. The CPU build is a third of
    # the download and has no CUDA (extra: gpu).
    "tensorflow-cpu>=2.17.1,<2.22",
    # 3.15 fixes the known code execution from .keras files.
    "keras>=3.15,<3.16",
    # TensorFlow 2.17 needs NumPy below 2; 2.21 works with 2.4.
    "numpy>=1.26,<2.5",
    # Filters, linear algebra; 1.13 is the first for NumPy 2.
    "scipy>=1.13,<1.18",
    # Limits the searcher to one BLAS thread; 3.5 is the first for NumPy 2.
    "threadpoolctl>=3.5,<4",
    # Decodes WAV, FLAC, Ogg, Opus and MP3 without ffmpeg; MP3 since 0.12.
    "soundfile>=0.12.1,<0.15",
    # Resampling; 0.4 is the first for NumPy 2.
    "soxr>=0.4,<1.2",
    # Flags; 2.1 has typed flag holders.
    "absl-py>=2.1,<3",
    # Config flags on dataclasses.
    "ml_collections>=1.0,<1.2",
    # HParams and curves. TensorFlow 2.21 no longer installs it, 2.17 pins 2.17.
    "tensorboard>=2.17,<2.22",
    # Plots; 3.9 is the first built for NumPy 2.
    "matplotlib>=3.9,<3.12",
]

EXTRAS_REQUIRE = {
    # Has the same files as tensorflow-cpu: see docs/guide/install_gpu.md.
    "gpu": ["tensorflow[and-cuda]>=2.17.1,<2.22"],
    # ReinforceOracle; 1.4.8 is the last release, and works with Keras 3.15.
    "keras-tuner": ["keras-tuner>=1.4.8,<1.5"],
    # The searchers of other libraries in benchmarks.searchers, in the
    # measured versions; torch is for Optuna's Gaussian process only.
    "contest": [
        "optuna>=5,<5.1",
        "torch>=2.13,<2.14",
        "keras-tuner[bayesian]>=1.4.8,<1.5",
    ],
    # Trainings on a cluster with Ray Core; 2.40 is the first version whose
    # ray.wait accepts the output stream of a task.
    "ray": ["ray>=2.40,<2.61"],
    # Remote storage, in a separate environment: the newest versions on which
    # tensorflow-io's native library loads (docs/guide/remote_storage.md).
    "tfio": [
        "tensorflow-cpu==2.17.1",
        "tensorflow-io==0.37.1",
        "numpy>=1.26,<2",
    ],
    # Tests of the tfio environment; moto provides an S3 server.
    "dev-tfio": [
        "pytest>=8,<10",
        "pytest-xdist>=3.7,<4",
        "scikit-learn>=1.5,<1.10",
        "sed_eval==0.2.1",
        # sed_eval imports pkg_resources, which setuptools has until 80.
        "setuptools>=68,<81",
        "librosa>=0.11,<0.12",
        "moto[server]>=5,<6",
    ],
    "dev": [
        "ray>=2.40,<2.61",
        "keras-tuner>=1.4.8,<1.5",
        # The contest's smoke test; the TPE sampler needs no torch.
        "optuna>=5,<5.1",
        "pytest>=8,<10",
        # Tests on all cores: tracing a network's graph uses one.
        "pytest-xdist>=3.7,<4",
        # Reference implementations of metrics and features; librosa 0.11 is
        # the first for NumPy 2, and 1.0 needs Python 3.12.
        "scikit-learn>=1.5,<1.10",
        "sed_eval==0.2.1",
        # sed_eval imports pkg_resources, which setuptools has until 80.
        "setuptools>=68,<81",
        "librosa>=0.11,<1.1",
        # Controls Chromium in tests_browser; 4.20 is the oldest tested version.
        "selenium>=4.20,<5",
        # Formatting, linting and type checks.
        "ruff>=0.17,<0.18",
        "mypy>=2,<3",
    ],
}

setup(
    name="audiotag-nas",
    version=read_version(),
    description=(
        "Finds, trains and ships small networks that tag everyday sounds, by "
        "reinforcement-learning architecture search."
    ),
    long_description=(
        (ROOT / "README.md").read_text(encoding="utf-8")
        if (ROOT / "README.md").exists()
        else ""
    ),
    long_description_content_type="text/markdown",
    url=REPOSITORY_URL,
    license="Apache-2.0",
    license_files=["LICENSE"],
    python_requires=">=3.11",
    # Tools and configs are top-level directories of the checkout and part of
    # the installed package. The benchmarks are not installed.
    packages=[
        *find_packages(include=["audiotag_nas", "audiotag_nas.*"]),
        "audiotag_nas.tools",
        "audiotag_nas.configs",
    ],
    package_dir={
        "audiotag_nas.tools": "tools",
        "audiotag_nas.configs": "configs",
    },
    install_requires=INSTALL_REQUIRES,
    extras_require=EXTRAS_REQUIRE,
    entry_points={
        "console_scripts": [
            "audiotag-nas = audiotag_nas.command_line.console:main"
        ]
    },
    package_data={"audiotag_nas": ["py.typed"]},
    project_urls={
        "Source": REPOSITORY_URL,
        "Documentation": f"{REPOSITORY_URL}/tree/main/docs",
        "Changelog": f"{REPOSITORY_URL}/blob/main/CHANGELOG.md",
        "Issues": f"{REPOSITORY_URL}/issues",
    },
    classifiers=[
        "Development Status :: 4 - Beta",
        "Environment :: Console",
        "Intended Audience :: Developers",
        "Intended Audience :: Science/Research",
        "Operating System :: POSIX :: Linux",
        "Programming Language :: Python :: 3",
        "Programming Language :: Python :: 3 :: Only",
        "Programming Language :: Python :: 3.11",
        "Programming Language :: Python :: 3.12",
        "Programming Language :: Python :: 3.13",
        "Topic :: Multimedia :: Sound/Audio :: Analysis",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
        "Typing :: Typed",
    ],
)
