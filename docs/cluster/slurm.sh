#!/bin/bash
# A study on the nodes of one Slurm job: sbatch docs/cluster/slurm.sh fashion_mnist --gpus-per-trial auto
# The arguments are those of `cops launch`. If the time ran out, the same command resumes the study.
# Needs a folder that all nodes share for the project, its environment and the storage. Change the lines marked EDIT.

#SBATCH --job-name=cops
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --gpus-per-node=4
#SBATCH --cpus-per-task=32
#SBATCH --time=24:00:00
#SBATCH --exclusive
# EDIT: the numbers above. --exclusive, since Ray opens ports on every node.

set -euo pipefail
cd "$SLURM_SUBMIT_DIR"
PATH="$PWD/.venv/bin:$PATH" # EDIT: the environment in which `cops` is installed
export COPS_STORAGE="${COPS_STORAGE:-$PWD/cops-storage}" # EDIT: seen by all nodes under this path, or a URI

# A token only for this job, in a folder that all nodes see and only its owner can read.
secrets=$(mktemp -d "$PWD/.cops-job-XXXXXX")
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$secrets/token"
python -c 'import secrets; print(secrets.token_hex(32), end="")' > "$RAY_AUTH_TOKEN_PATH"

# Ports only for this job, in case two jobs share a node.
port=$((20000 + SLURM_JOB_ID % 10000))
mlflow_port=$((30000 + SLURM_JOB_ID % 10000))
head=$(hostname -I | cut -d' ' -f1)
export RAY_ADDRESS="$head:$port" COPS_TRACKING_URI="http://127.0.0.1:$mlflow_port"
# On the node's own disk: a database on a network's disk is slow, and may break. It is backed up into the storage.
export COPS_HOME="${TMPDIR:-/tmp}/cops-$SLURM_JOB_ID"

started=()
clean_up() {
    trap - EXIT TERM
    cops serve --stop || true # makes the last backup
    for ours in "${started[@]}"; do kill "$ours" 2> /dev/null || true; done
    wait
    rm -rf "$secrets"
}
trap clean_up EXIT
trap 'exit 143' TERM # the time has run out, or scancel: then clean up

cops serve --detach --storage "$COPS_STORAGE" --port "$mlflow_port"

# The head has no CPUs and no GPUs; the first node's are those of its worker, as on every node.
ray start --head --node-ip-address="$head" --port="$port" --num-cpus=0 --num-gpus=0 \
    --include-dashboard=False --block > "$secrets/head.log" 2>&1 &
started+=($!)
until ray status > /dev/null 2>&1; do
    kill -0 "${started[0]}" || { cat "$secrets/head.log"; exit 1; }
    sleep 1
done
srun ray start --address="$RAY_ADDRESS" --num-cpus="$SLURM_CPUS_PER_TASK" --dashboard-agent-listen-port=0 --block &
started+=($!)

# The head and a worker on every node.
until [ "$(ray status | grep -cE '^ +1 node_')" -gt "$SLURM_NNODES" ]; do
    kill -0 "${started[@]}" || exit 1
    sleep 2
done

# Check all nodes, then run the study. In the background, since bash handles signals only while it waits.
cops check --address "$RAY_ADDRESS" --storage "$COPS_STORAGE" &
wait $!
cops launch "$@" --address "$RAY_ADDRESS" --storage "$COPS_STORAGE" &
wait $!
