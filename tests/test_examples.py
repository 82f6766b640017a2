"""The examples in docstrings run, and what users call has one."""

import doctest
import importlib
import pkgutil

import pytest

import audiotag_nas

USERS_CALL = (
    "audiotag_nas.architecture.Architecture",
    "audiotag_nas.architecture.conv_space",
    "audiotag_nas.data.chime_home.read_clips",
    "audiotag_nas.data.manifest.read_clips",
    "audiotag_nas.experiment.tuner.ArchitectureTuner",
    "audiotag_nas.metrics.reports.evaluate_tags",
    "audiotag_nas.metrics.eer.equal_error_rate",
    "audiotag_nas.metrics.score_files.read_scores",
    "audiotag_nas.models.crnn.build_crnn",
    "audiotag_nas.search.searcher.make_searcher",
    "audiotag_nas.serving.tagger.Tagger",
    "audiotag_nas.space.Decision",
    "audiotag_nas.space.SearchSpace",
)


def examples() -> dict[str, doctest.DocTest]:
    """The docstrings of the package that have examples, by name."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    found = {}
    for module in pkgutil.walk_packages(audiotag_nas.__path__, "audiotag_nas."):
        if module.name.startswith("audiotag_nas.__main__"):
            continue
        source = importlib.util.find_spec(module.name).loader.get_source(
            module.name
        )
        if ">>>" in source:
            for test in finder.find(importlib.import_module(module.name)):
                if test.examples:
                    found[test.name] = test
    return found


EXAMPLES = examples()


@pytest.mark.parametrize("name", EXAMPLES)
def test_an_example_gives_what_it_says(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    output: list[str] = []
    runner.run(EXAMPLES[name], out=output.append)
    assert runner.summarize(verbose=False).failed == 0, "".join(output)


@pytest.mark.parametrize("name", USERS_CALL)
def test_what_users_call_has_an_example(name):
    assert any(
        found == name or found.startswith(f"{name}.") for found in EXAMPLES
    )
