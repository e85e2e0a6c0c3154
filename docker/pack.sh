#!/bin/sh
# pack.sh NAME ARCH CONTEXT TAR - builds the image NAME for ARCH from a staged context and saves it
# as TAR, to be loaded as NAME:latest. The NAME:latest this engine has at the moment stays what it
# is. Leaves TAR alone when the image is the one it holds already.
set -eu

name=$1
arch=$2
context=$3
tar=$4
client=$(dirname "$0")/client.sh
started=$(date +%s)

"$client" build -q --platform "linux/$arch" -t "$name:build-$arch" \
	--build-arg "VERSION=$VERSION" --build-arg "REVISION=$REVISION" \
	--build-arg "CREATED=$CREATED" "$context" >/dev/null
id=$("$client" image inspect -f '{{.Id}}' "$name:build-$arch")
if [ -s "$tar" ] && [ "$(cat "$context.id" 2>/dev/null)" = "$id" ]; then
	exit 0
fi

latest=$("$client" image inspect -f '{{.Id}}' "$name:latest" 2>/dev/null || true)
restore()
{
	rm -f "$tar.new"
	if [ -n "$latest" ]; then
		"$client" tag "$latest" "$name:latest"
	else
		"$client" rmi "$name:latest" >/dev/null 2>&1 || true
	fi
}
trap restore EXIT
trap 'exit 1' INT TERM
"$client" tag "$id" "$name:latest"
"$client" save -o "$tar.new" "$name:latest"
chmod 0644 "$tar.new"
mv "$tar.new" "$tar"
echo "$id" >"$context.id"
echo "pack.sh: $tar: $(($(stat -c %s "$tar") / 1048576)) MiB in $(($(date +%s) - started)) s" >&2
