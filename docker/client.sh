#!/bin/sh
# client.sh COMMAND [ARG...] - runs the container engine's client that can do the job. "build" needs
# BuildKit: by buildx where a client has it, else by a client old enough to have it built in. The
# first one on the PATH may have neither while another one does, so each is tried.
#
# DOCKER=/path/to/docker overrides the choice.
set -eu

programs=docker # a word for each engine

die()
{
	echo "client.sh: $*" >&2
	exit 1
}

[ $# -gt 0 ] || die "usage: docker/client.sh build|run|save|... [ARG...]"

candidates()
{
	if [ -n "${DOCKER-}" ]; then
		command -v "$DOCKER" || true
		return
	fi
	for program in $programs; do
		echo "$PATH:/usr/bin" | tr : '\n' | while read -r dir; do
			[ ! -x "$dir/$program" ] || echo "$dir/$program"
		done
	done
}

clients=$(candidates | awk '!seen[$0]++')
[ -n "$clients" ] || die "there is no client of a container engine ($programs): run 'docker/host-setup.sh build' as root"
first=$(echo "$clients" | head -n 1)

if [ "$1" != build ]; then
	exec "$first" "$@"
fi

shift
"$first" version >/dev/null 2>&1 ||
	die "no container engine answers: run 'docker/host-setup.sh build' as root, or see that this" \
		"user may use it (group docker)"
for client in $clients; do
	if "$client" buildx version >/dev/null 2>&1; then
		exec "$client" buildx build --load "$@"
	fi
done
for client in $clients; do
	if printf 'FROM scratch\nLABEL probe=1\n' |
		DOCKER_BUILDKIT=1 "$client" build -q - >/dev/null 2>&1; then
		DOCKER_BUILDKIT=1 exec "$client" build "$@"
	fi
done
die "none of these can build with BuildKit: $(echo "$clients" | tr '\n' ' ')- install docker-buildx" \
	"(Debian 13) or docker.io (Debian 12)"
