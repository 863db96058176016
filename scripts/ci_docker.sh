#!/usr/bin/env bash
# A Docker daemon of our own, for the tests of the docker backend. No registry is asked: the image is an empty skeleton, and the
# host's /usr is mounted into it read-only when it runs.
#
#   eval "$(scripts/ci_docker.sh)"    install (Debian, Ubuntu), start, and set DOCKER_HOST; doing it again changes nothing
#   scripts/ci_docker.sh stop         end the daemon and remove what it stored
#
# A daemon that already answers (DOCKER_HOST, or the usual socket) is used as it is, and never stopped.
# What happens is told on stderr; stdout holds one line to be evaluated. Ends with status 3 where it cannot be done here.
set -u -o pipefail
shopt -s inherit_errexit

home=${TURNWISE_DOCKER_HOME:-/var/tmp/turnwise-docker}
image=turnwise-skeleton:1
socket=$home/docker.sock

say() { echo "ci_docker: $*" >&2; }
cannot() {
  say "$*"
  exit 3
}
answers() { timeout 10 docker ${1:+-H "$1"} version --format '{{.Server.Version}}' 2>/dev/null; }

stop() {
  if [ -s "$home/pid" ] && pid=$(<"$home/pid") && grep -qz -- "--data-root" "/proc/$pid/cmdline" 2>/dev/null; then
    # Containers first: those of a runtime outside runc can outlive their daemon.
    ids=$(timeout 10 docker -H "unix://$socket" ps -aq 2>/dev/null)
    [ -z "$ids" ] || timeout 60 docker -H "unix://$socket" rm -f $ids >/dev/null 2>&1
    kill "$pid"
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -9 "$pid" 2>/dev/null
  fi
  awk -v home="$home/" 'index($2, home) == 1 {print $2}' /proc/self/mounts | sort -r | xargs -r -n1 umount -l
  rm -rf "$home"
  say "stopped, $home removed"
}

install() {
  local wanted=() program
  for program in dockerd:docker.io containerd:containerd runc:runc iptables:iptables docker:docker.io; do
    command -v "${program%%:*}" >/dev/null || wanted+=("${program##*:}")
  done
  [ ${#wanted[@]} -eq 0 ] && return
  command -v apt-get >/dev/null || cannot "no Docker and no apt-get here; install Docker and run this again"
  say "installing ${wanted[*]}"
  export DEBIAN_FRONTEND=noninteractive
  { timeout 120 apt-get -qq update && timeout 300 apt-get -qq install -y --no-install-recommends "${wanted[@]}"; } >&2 </dev/null ||
    cannot "apt-get could not install ${wanted[*]}"
}

start() {
  mkdir -p "$home/root" "$home/exec"
  # No bridge and no iptables: containers have no network, and the host's firewall stays as it is.
  dockerd --data-root "$home/root" --exec-root "$home/exec" -H "unix://$socket" -p "$home/pid" \
    --iptables=false --bridge=none >"$home/log" 2>&1 </dev/null &
  for _ in $(seq 150); do
    [ -n "$(answers "unix://$socket")" ] && return
    kill -0 $! 2>/dev/null || break
    sleep 0.2
  done
  tail -n 3 "$home/log" >&2
  cannot "dockerd did not start; its log is $home/log"
}

skeleton() {
  local tree
  timeout 10 docker ${1:+-H "$1"} image inspect "$image" >/dev/null 2>&1 && return
  tree=$(mktemp -d)
  ln -s usr/bin "$tree/bin"; ln -s usr/sbin "$tree/sbin"; ln -s usr/lib "$tree/lib"; ln -s usr/lib64 "$tree/lib64"
  chmod 755 "$tree"
  tar -C "$tree" -c . | timeout 60 docker ${1:+-H "$1"} import - "$image" >/dev/null || cannot "the skeleton image could not be imported"
  rm -r "$tree"
  say "imported $image"
}

case "${1:-start}" in
  stop) stop ;;
  start)
    host=${DOCKER_HOST:-}
    if ! command -v docker >/dev/null || [ -z "$(answers "$host")" ]; then
      [ "$(id -u)" = 0 ] || cannot "no Docker daemon answers, and only root can start one"
      host=unix://$socket
      if ! command -v docker >/dev/null || [ -z "$(answers "$host")" ]; then
        install
        start
      fi
    fi
    skeleton "$host"
    say "Docker $(answers "$host") answers${host:+ at $host}"
    [ -z "$host" ] || echo "export DOCKER_HOST=$host"
    ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
