#!/bin/sh
# load.sh TAR... - docker load, only where the engine's NAME:latest (or NAME:$IMAGE_TAG) is not that
# image already.
set -eu

client=$(dirname "$0")/client.sh
for tar; do
	name=${tar##*/}
	name=${name%_*}
	arch=${tar##*_}
	arch=${arch%.tar}
	id=$(cut -d " " -f 1 "build/context/$name-$arch.id" 2>/dev/null || true)
	if [ -z "$id" ] ||
		[ "$("$client" image inspect -f '{{.Id}}' "$name:${IMAGE_TAG:-latest}" 2>/dev/null)" != "$id" ]; then
		"$client" load -q -i "$tar"
	fi
done
