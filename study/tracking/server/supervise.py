"""Starts and ends supervisor, which runs the server and its backups.

Supervisor has no control socket, so that nothing can connect to it: a pid file and SIGTERM are enough.
"""

import http.client
import os
import shlex
import subprocess
import sys
import time
from contextlib import suppress

from cops_core.errors import InputError
from study.tracking.server.processes import ServerSettings, end, processes

CONFIG, PID, LOG = "supervisord.conf", "supervisord.pid", "mlflow.log"
START_S = 90.0
# The server has 15 s to end, the last backup 120 s: see `configuration`.
STOP_S = 150.0
POLL_S = 0.2

# File names are relative to the folder of the server, in which supervisor runs.
SUPERVISOR = """\
[supervisord]
nodaemon = true
silent = true
pidfile = {pid}
logfile = supervisord.log
logfile_maxbytes = 1MB
logfile_backups = 1
{user}
"""
PROGRAM = """
[program:{name}]
command = {python} -m {module}
priority = {priority}
autorestart = true
startsecs = 3
startretries = 100
stopasgroup = true
killasgroup = true
stopwaitsecs = {patience}
redirect_stderr = true
stdout_logfile = {name}.log
stdout_logfile_maxbytes = 10MB
stdout_logfile_backups = 1
"""


def configuration(server: ServerSettings) -> str:
    """Supervisor's configuration. The program with the lowest priority starts first and ends last."""
    python = shlex.quote(sys.executable).replace("%", "%%")
    # As root, supervisor warns unless a user is set.
    user = "user = root" if os.geteuid() == 0 else ""
    here = "study.tracking.server"
    programs = [{"name": "mlflow", "module": f"{here}.program", "priority": 2, "patience": 15}]
    if server.storage is not None:
        programs.append({"name": "backup", "module": f"{here}.backup", "priority": 1, "patience": 120})
    sections = [PROGRAM.format(python=python, **program) for program in programs]
    return SUPERVISOR.format(pid=PID, user=user) + "".join(sections)


def start(server: ServerSettings) -> "subprocess.Popen[bytes]":
    """Start supervisor in a session of its own, and return as soon as the server answers.

    Raises:
        InputError: The server does not answer within 90 s. Its processes are ended. The message has the
            last line of its log.
    """
    folder = server.folder
    (folder / CONFIG).write_text(configuration(server))
    log = folder / LOG
    before = log.stat().st_size if log.exists() else 0
    with (folder / "supervisord.log").open("ab") as output:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-c", CONFIG],
            cwd=folder,
            env={**os.environ, **server.environment()},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_S
        while not answers(server.port):
            if supervisor.poll() is not None or time.monotonic() > deadline:
                raise InputError(f"MLflow's server does not answer ({_last_line(server, before)}): see {log}")
            time.sleep(POLL_S)
    except BaseException:
        stop(server)
        raise
    return supervisor


def answers(port: int) -> bool:
    """Whether an MLflow server answers on the port."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        connection.request("GET", "/health")
        return connection.getresponse().status == http.client.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def stop(server: ServerSettings) -> bool:
    """End a home's server, after a last backup. Return whether one was running."""
    home = server.home
    running = processes(home)
    if not running:
        return False
    with suppress(FileNotFoundError, ValueError):
        supervisor = int((server.folder / PID).read_text())
        end(home, {supervisor} & running, STOP_S)
    # What a killed supervisor left. The backup ends last, so that it has everything that the server wrote.
    end(home, processes(home, "mlflow"), 15.0)
    end(home, processes(home), STOP_S)
    return True


def _last_line(server: ServerSettings, before: int) -> str:
    """The last line of the server's log after its first `before` bytes."""
    with suppress(FileNotFoundError), (server.folder / LOG).open("rb") as log:
        log.seek(before)
        lines = log.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip()[:200] if lines else "its log is empty"
    return "it has no log"
