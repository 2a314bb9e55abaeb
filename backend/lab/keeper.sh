#!/bin/sh
# PID 1 of a lab's PID namespace. It starts the daemon, starts it again when it dies, and reaps every orphan; when it
# ends, the kernel ends all that is left in the lab. The launcher holds it to one lab by a lock on descriptor 9.
#
# From the launcher: BOOTYARD_NODE, BOOTYARD_DAEMON, BOOTYARD_RUN, BOOTYARD_LOG, BOOTYARD_HOST_PROC.
set -eu
run=$BOOTYARD_RUN
log=$BOOTYARD_LOG
hostproc=$BOOTYARD_HOST_PROC

say() {
  echo "$(date '+%Y-%m-%dT%H:%M:%S%z') keeper: $*" >&2
}
fail() {
  say "$*"
  exit 1
}
# Sets pid, parent and start (clock ticks since the host's boot) of a process, in the host's numbers.
identify() {
  read -r pid x x parent x x x x x x x x x x x x x x x x x start x <"$hostproc/$1/stat"
}
# Writes a file in one step, so that no reader sees half of it.
put() {
  printf '%s\n' "$2" >"$1.new"
  mv -f "$1.new" "$1"
}

# The daemon keeps its log below this size while it runs; one that dies before it can must not fill the disk either.
bound_log() {
  [ "$(wc -c <"$log")" -ge 16777216 ] || return 0
  cp -f "$log" "$log.1" || say 'the log before this line is lost'
  : >"$log"
}

# The host's /proc stays visible beside the lab's own: processes of the lab learn their host numbers from it.
mkdir -p "$hostproc"
mount --rbind /proc "$hostproc" || fail 'the host refuses a bind mount of /proc in a mount namespace'
mount -t proc proc /proc || fail 'the host refuses a new /proc in a PID namespace'

exec >>"$log" 2>&1 </dev/null

stopping='' daemon='' failures=0
trap 'stopping=1; [ -z "$daemon" ] || kill -TERM "$daemon" 2>/dev/null || :' TERM

# From here on the lab is known, and may be asked to stop.
read -r boot </proc/sys/kernel/random/boot_id
identify self
keeper=$pid keeper_start=$start
identify "$parent"
put "$run/lab.json" "{\"boot\":\"$boot\",\"keeper\":{\"pid\":$keeper,\"start\":$keeper_start},\"unshare\":{\"pid\":$pid,\"start\":$start}}"

start_daemon() {
  bound_log
  began=$(date +%s)
  (
    identify self
    put "$run/daemon.json" "{\"pid\":$pid,\"start\":$start}"
    # Objects of a packet die young: a small nursery holds a flood of them in 60 MB less.
    # Its threads are few: with an arena each, the C library would hold on to what they have freed.
    export MALLOC_ARENA_MAX=2
    exec "$BOOTYARD_NODE" --max-semi-space-size=8 "$BOOTYARD_DAEMON" 9>&-
  ) &
  daemon=$!
  [ -z "$stopping" ] || kill -TERM "$daemon" 2>/dev/null || :
}
# wait also returns when a signal comes, and reaps whatever else has died meanwhile.
await_daemon() {
  while :; do
    status=0
    wait "$daemon" || status=$?
    kill -0 "$daemon" 2>/dev/null || return 0
  done
}
# The first death costs nothing; a daemon that keeps dying within seconds is given more and more time, up to 2 s.
back_off() {
  case $failures in
    0 | 1) return 0 ;;
    2) pause=0.2 ;;
    3) pause=0.5 ;;
    4) pause=1 ;;
    *) pause=2 ;;
  esac
  sleep "$pause" 9>&- &
  wait "$!" || :
}

while [ -z "$stopping" ]; do
  start_daemon
  await_daemon
  [ -z "$stopping" ] || break
  if [ $(($(date +%s) - began)) -lt 5 ]; then failures=$((failures + 1)); else failures=1; fi
  say "the daemon ended with status $status; starting it again"
  put "$run/daemon.failures" "$failures"
  back_off
done
say 'the lab ends'
