"""`python -m study.tracking.server.program`: the process that becomes MLflow's server."""

import os
import sys
from typing import NoReturn

from study.tracking.server.command import server_command
from study.tracking.server.processes import ServerSettings, end, processes

PATIENCE_S = 5.0


def main() -> NoReturn:
    """End the children of a killed server, which would block its port; then become the server."""
    server = ServerSettings.of_this_process()
    end(server.home, processes(server.home, "mlflow"), PATIENCE_S)
    command, environment = server_command(server.home, server.port, server.storage)
    os.execve(sys.executable, command, environment)  # noqa: S606


if __name__ == "__main__":
    main()
