"""`python -m study.tracking.server.program`: becomes MLflow's server, as often as supervisor starts it."""

import os
import sys
from typing import NoReturn

from study.tracking.server.command import server_command
from study.tracking.server.served import Served, end, processes

PATIENCE_S = 5.0


def main() -> NoReturn:
    """End what a killed server left behind, which would keep its port; then become the server."""
    served = Served.of_this_process()
    end(served.home, processes(served.home, "mlflow"), PATIENCE_S)
    command, environment = server_command(served.home, served.port, served.storage)
    os.execve(sys.executable, command, environment)  # noqa: S606


if __name__ == "__main__":
    main()
