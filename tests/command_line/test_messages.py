"""Warnings, log records and errors as single lines."""

from tests.run_code import run_code


def test_a_warning_is_printed_once_as_one_line_without_its_source():
    done = run_code(
        "import warnings, numpy\n"
        "for text in ('odd\\nfile', 'odd file', 'another'):\n"
        "    warnings.warn(text)\n"
        "numpy.log(numpy.zeros(3))\n"
        "warnings.warn('an old name', DeprecationWarning, stacklevel=2)\n"
    )
    assert done.returncode == 0
    assert done.stderr.splitlines() == [
        "warning: odd file",
        "warning: another",
        "warning: divide by zero encountered in log",
    ]


def test_warnings_logs_and_errors_are_escaped():
    done = run_code(
        "import logging, warnings\n"
        "from audiotag_nas.errors import DataError\n"
        "warnings.warn('\\x1b[1mwarned')\n"
        "logging.getLogger('any').warning('%s: logged', '\\x1b[2m')\n"
        "raise DataError('\\x1b[3m\\n: raised')\n"
    )
    assert done.returncode == 1
    warned, logged, raised = done.stderr.splitlines()
    assert warned == r"warning: \x1b[1mwarned"
    assert logged.endswith(r"] \x1b[2m: logged")
    assert raised == r"error: \x1b[3m\n: raised"
