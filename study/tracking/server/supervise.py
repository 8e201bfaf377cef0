"""Supervisor runs the server and its backups: started, asked whether it answers, ended.

It has no control socket: a pid file and SIGTERM are all that is needed, and nothing else can be reached.
"""

import http.client
import os
import shlex
import subprocess
import sys
import time
from contextlib import suppress

from cops_core.errors import InputError
from study.tracking.server.served import Served, end, processes

CONFIG, PID, LOG = "supervisord.conf", "supervisord.pid", "mlflow.log"
START_S = 90.0
# MLflow's server has 15 s to end and the last backup 120 s, see the programs.
STOP_S = 150.0
POLL_S = 0.2

# Names are those of files in the folder of the server, where supervisor runs.
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


def configuration(served: Served) -> str:
    """Supervisor's configuration. The program with the lowest priority begins first and ends last."""
    python = shlex.quote(sys.executable).replace("%", "%%")
    # A supervisor of root's warns unless it is told whose it is to be.
    user = "user = root" if os.geteuid() == 0 else ""
    here = "study.tracking.server"
    programs = [{"name": "mlflow", "module": f"{here}.program", "priority": 2, "patience": 15}]
    if served.storage is not None:
        programs.append({"name": "backup", "module": f"{here}.backup", "priority": 1, "patience": 120})
    sections = [PROGRAM.format(python=python, **program) for program in programs]
    return SUPERVISOR.format(pid=PID, user=user) + "".join(sections)


def start(served: Served) -> "subprocess.Popen[bytes]":
    """Start supervisor in a session of its own, and return once the server answers.

    InputError with the last line of the server's log if it does not within 90 s; nothing runs then.
    """
    folder = served.folder
    (folder / CONFIG).write_text(configuration(served))
    log = folder / LOG
    before = log.stat().st_size if log.exists() else 0
    with (folder / "supervisord.log").open("ab") as output:
        supervisor = subprocess.Popen(
            [sys.executable, "-m", "supervisor.supervisord", "-c", CONFIG],
            cwd=folder,
            env={**os.environ, **served.environment()},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        deadline = time.monotonic() + START_S
        while not answers(served.port):
            if supervisor.poll() is not None or time.monotonic() > deadline:
                raise InputError(f"MLflow's server does not answer ({_last_line(served, before)}): see {log}")
            time.sleep(POLL_S)
    except BaseException:
        stop(served)
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


def stop(served: Served) -> bool:
    """End a home's server, its last backup made; whether one ran."""
    home = served.home
    running = processes(home)
    if not running:
        return False
    with suppress(FileNotFoundError, ValueError):
        supervisor = int((served.folder / PID).read_text())
        end(home, {supervisor} & running, STOP_S)
    # Of a supervisor that was killed. The backup comes last, so that it has all that the server wrote.
    end(home, processes(home, "mlflow"), 15.0)
    end(home, processes(home), STOP_S)
    return True


def _last_line(served: Served, before: int) -> str:
    """What the server's log ends with, of what was written since it was `before` bytes long."""
    with suppress(FileNotFoundError), (served.folder / LOG).open("rb") as log:
        log.seek(before)
        lines = log.read().decode(errors="replace").strip().splitlines()
        return lines[-1].strip()[:200] if lines else "its log is empty"
    return "it has no log"
