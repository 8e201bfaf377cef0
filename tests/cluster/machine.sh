#!/usr/bin/env bash
# Process 1 of a machine that namespaces.py makes: hides what machines do not share, starts the ssh
# daemon if there is one, and then only collects the dead.
#
#     HIDDEN=PATH:... machine.sh NAME FOLDER PATH...
#
# FOLDER has the files that the test made: hosts, and for a machine with an ssh daemon sshd_config.
# The HIDDEN folders are empty, and its own. The PATHs stay visible where they are, also below these.
set -euo pipefail
name=$1 folder=$2
shift 2

hostname "$name"
ip link set lo up

# Folders that are about to be hidden can still be reached through an open descriptor.
declare -A open
for path in "$folder" "$@"; do
    exec {descriptor}<"$path"
    open[$path]=$descriptor
done
IFS=: read -ra hidden <<< "$HIDDEN"
for path in "${hidden[@]}"; do
    mkdir -p "$path"
    mount -t tmpfs -o mode=1777 tmpfs "$path"
done
chmod 700 "$HOME"
for path in "$folder" "$@"; do
    mkdir -p "$path"
    mount --no-canonicalize --rbind "/proc/self/fd/${open[$path]}" "$path"
    exec {open[$path]}<&-
done
mount --bind "$folder/hosts" /etc/hosts
# Commands that the launcher sends begin with `source ~/.bashrc`.
touch ~/.bashrc

if [[ -e $folder/sshd_config ]]; then
    mkdir /run/sshd ~/.ssh
    /usr/sbin/sshd -f "$folder/sshd_config" -E "$folder/sshd.log"
fi
echo ready
exec >&-
while true; do
    sleep infinity &
    wait
done
