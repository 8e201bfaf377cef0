"""The quickstart, as the README has it."""

from gpu_session.launches import SMALL, launch
from gpu_session.rows import Figure, Rows
from gpu_session.setting import Setting


def quickstart(setting: Setting, rows: Rows) -> None:
    """From the command to the prompt."""

    def run() -> Figure:
        words = SMALL if setting.smallest else ()
        found = launch(*words, *(() if setting.on_gpu else ("--device", "cpu")))
        words_ = f"{found.seconds:.1f} s; {found.statuses}; best validation accuracy {found.best:.2%}"
        ended = all(trial.has_ended and trial.status != "failed" for trial in found.trials)
        return words_, found.seconds, "ok" if ended else "wrong"

    rows.measure("cops launch quickstart", run)
