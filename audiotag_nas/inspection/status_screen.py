"""The screen of `audiotag-nas status`: a `Status` as lines of text."""

import collections
import textwrap

from audiotag_nas.experiment.progress import format_seconds, is_eer
from audiotag_nas.inspection.status import StageStatus, Status
from audiotag_nas.search.journal import JournalEntry

_MAX_REASONS = 5
_MAX_RUNNING = 8
_WIDTH = 79


def status_lines(status: Status) -> list[str]:
    """Returns the lines of the screen."""
    lines = [
        f"{status.workdir}: experiment {status.name}",
        f"driver: {_driver_text(status)}",
        "",
        f"{'stage':<10}{'done':>6}{'failed':>8}{'running':>9}{'total':>6}"
        f"{'best EER':>10}",
    ]
    lines += [_stage_line(stage, status) for stage in status.stages]
    for part in (
        _running_lines(status),
        _best_lines(status),
        _superseded_lines(status),
        _stopped_lines(status),
        _failed_lines(status),
        _pace_lines(status),
    ):
        if part:
            lines += ["", *part]
    return lines


def _driver_text(status: Status) -> str:
    holder = status.holder
    if holder is None:
        if status.stop_reason:
            return f"none; the last driver stopped: {status.stop_reason}"
        return "none; no command is running on this experiment"
    who = f"process {holder.pid} on {holder.host} since {holder.since}"
    if holder.is_alive is None:
        return f"{who} (on another machine; its state is unknown here)"
    if holder.is_alive:
        return who
    return f"none; {who} was killed. The same command continues."


def _stage_line(stage: StageStatus, status: Status) -> str:
    best = "" if stage.best_eer is None else f"{stage.best_eer:.4f}"
    num_done = len(stage.completed) + len(stage.failed)
    end = ""
    if stage.is_ended or num_done >= stage.num_total:
        end = "  ended"
    elif status.stop_reason and stage.stage == status.current:
        end = "  stopped"
    return (
        f"{stage.stage:<10}{len(stage.completed):>6}{len(stage.failed):>8}"
        f"{len(stage.running):>9}{stage.num_total:>6}{best:>10}{end}"
    )


def _running_lines(status: Status) -> list[str]:
    running = {
        i: s for stage in status.stages for i, s in stage.running.items()
    }
    lost = [trial_id for stage in status.stages for trial_id in stage.lost]
    lines = []
    for trial_id, seconds in list(running.items())[:_MAX_RUNNING]:
        lines.append(
            f"running: {trial_id}  {format_seconds(seconds)}  "
            f"{status.architectures[trial_id].describe()}"
        )
    if len(running) > _MAX_RUNNING:
        lines.append(f"running: {len(running) - _MAX_RUNNING} more trials")
    if lost:
        lines.append(
            f"{'stopped' if status.stop_reason else 'lost'}: "
            f"{', '.join(lost[:_MAX_RUNNING])} ({len(lost)}), running when "
            "the driver stopped; the same command retrains them"
        )
    return lines


def _best_lines(status: Status) -> list[str]:
    """Returns, per stage, the best trial and any other recommended trial."""
    lines = []
    for stage in status.stages:
        if stage.stage not in ("search", "grid") or not stage.completed:
            continue
        best = stage.completed[0]
        lines += _entry_lines(f"best of the {stage.stage}", best)
        found = stage.recommended
        if found is not None and found.trial.tokens != best.trial.tokens:
            lines += _entry_lines("recommended by the searcher", found)
    return lines


def _entry_lines(title: str, entry: JournalEntry) -> list[str]:
    numbers = entry.result.metrics
    text = f"{title}: {entry.trial.trial_id}"
    if not is_eer(entry.result):
        text += f", reward {entry.result.reward:.4f}"
    if "validation_eer" in numbers:
        text += f", EER {numbers['validation_eer']:.4f}"
    if "num_parameters" in numbers:
        text += f", {numbers['num_parameters']:,.0f} parameters"
    if entry.trial.stage == "search":
        what = entry.trial.architecture.describe()
    else:
        what = ", ".join(
            f"{name} {value}" for name, value in entry.trial.hparams.items()
        )
    return [
        text,
        *textwrap.wrap(
            what, _WIDTH, initial_indent="  ", subsequent_indent="  "
        ),
    ]


def _superseded_lines(status: Status) -> list[str]:
    """Returns the number of superseded trials of each stage that has any."""
    return [
        f"superseded by later settings: {stage.num_superseded} trials of the "
        f"stage {stage.stage}"
        for stage in status.stages
        if stage.num_superseded
    ]


def _stopped_lines(status: Status) -> list[str]:
    """Returns, per stage, how many trials were stopped early, and when."""
    lines = []
    for stage in status.stages:
        epochs = [
            entry.result.stopped_epoch
            for entry in stage.completed
            if entry.result.stopped_epoch
        ]
        if epochs:
            lines.append(
                f"stopped early: {len(epochs)} trials in stage {stage.stage}, "
                f"after {sum(epochs) / len(epochs):.1f} epochs on average"
            )
    return lines


def _failed_lines(status: Status) -> list[str]:
    ids = collections.defaultdict(list)
    for stage in status.stages:
        for entry in stage.failed:
            ids[entry.result.reason.splitlines()[0]].append(
                entry.trial.trial_id
            )
    ranked = sorted(ids.items(), key=lambda item: -len(item[1]))
    lines = []
    for reason, trial_ids in ranked[:_MAX_REASONS]:
        more = ", ..." if len(trial_ids) > 3 else ""
        if len(reason) > _WIDTH:
            reason = f"{reason[: _WIDTH - 3]}..."
        lines.append(
            f"failed: {len(trial_ids)} x {reason} "
            f"({', '.join(trial_ids[:3])}{more})"
        )
    if len(ranked) > _MAX_REASONS:
        num_left = sum(len(i) for _, i in ranked[_MAX_REASONS:])
        lines.append(f"failed: {num_left} more, for other reasons")
    return lines


def _pace_lines(status: Status) -> list[str]:
    lines = []
    if status.rate_per_second is not None:
        rate = 3600 * status.rate_per_second
        text = f"rate: {rate:.{0 if rate >= 10 else 1}f} trials per hour "
        text += f"in stage {status.current}"
        if status.seconds_left is not None:
            text += f", about {format_seconds(status.seconds_left)} left"
        lines.append(text)
    if status.utilization is not None:
        lines.append(
            f"utilization: {100 * status.utilization:.0f} % of "
            f"{status.num_slots} worker{'s' if status.num_slots > 1 else ''}"
            f"{'' if status.is_driven else ' in the last session'}"
        )
    return lines
