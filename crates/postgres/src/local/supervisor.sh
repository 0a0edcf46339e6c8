# Runs one command for an owner who holds the other end of standard input, and ends it with the
# owner: however the owner ends, the pipe closes then.
#
#   $1   the server's folder, removed at the end unless the owner says "release"
#   ...  the command
#
# Words from the owner: "keep" (go on without me), "release" (leave the folder to me).
# A TERM or INT signal stops the command too. Standard output is a lock file, held by being open;
# so is the folder itself, as descriptor 4.

directory=$1
shift
exec 3<&0 </dev/null 4<&2 2>/dev/null
# A closing terminal does not end a server that was kept.
trap '' HUP

"$@" >>"$directory/server.log" 2>&1 3<&- 4<&- &
command=$!

# INT: cut off the clients and shut down. QUIT: shut down at once. Then the system's way.
stop_command() {
    rounds=0
    signal=INT
    while [ "$rounds" -lt 400 ] && kill -s "$signal" "$command"; do
        signal=0
        sleep 0.05
        rounds=$((rounds + 1))
        case $rounds in
            200) signal=QUIT ;;
            300) signal=KILL ;;
        esac
    done
}

# Removes the folder. A child of the command may outlive it for a moment and still write, hence the
# rounds. The locks go last: a folder without them would never be known for a stale one.
remove() {
    rounds=0
    while [ -d "$directory" ] && [ "$rounds" -lt 100 ]; do
        rm -rf "$directory/data" && rm -rf "$directory"
        [ -d "$directory" ] && sleep 0.05
        rounds=$((rounds + 1))
    done
}

trap 'stop_command 3<&- &' TERM INT

# It can do all the stopping by itself, so that killing the main shell does not save the command.
(
    trap - TERM INT
    while read -r word <&3; do
        case $word in
            keep) exit 10 ;;
            release) exit 11 ;;
        esac
    done
    stop_command
    remove
) &
watcher=$!
exec 3<&-

# Waits for a child and sets $status. A signal interrupts "wait", hence the loop.
await() {
    wait "$1"
    status=$?
    while kill -s 0 "$1"; do
        wait "$1"
        status=$?
    done
}

await "$command"
echo "$status" >"$directory/exit-status.draft" &&
    mv "$directory/exit-status.draft" "$directory/exit-status"

# The folder has the log, which the owner may want to read: it stays until the owner is gone.
await "$watcher"
[ "$status" -eq 11 ] || remove
