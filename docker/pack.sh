#!/bin/sh
# pack.sh NAME ARCH CONTEXT [TAR] - builds the image NAME for ARCH from a staged context. Without TAR
# it becomes this engine's NAME:latest (or NAME:$IMAGE_TAG). With TAR it is saved there, to be loaded
# under that tag by whoever gets it, and what this engine has under the tag stays what it is; TAR is
# left alone when it holds that image already.
set -eu

name=$1
arch=$2
context=$3
tar=${4-}
client=$(dirname "$0")/client.sh
tag=${IMAGE_TAG:-latest}
built=$name:build-$tag-$arch
started=$(date +%s)
# Two architectures at once would save each other's image: they share the tag.
exec 9>"$(dirname "$context")/.$name-$tag.lock"
flock 9

"$client" build -q --platform "linux/$arch" -t "$built" \
	--build-arg "VERSION=$VERSION" --build-arg "REVISION=$REVISION" \
	--build-arg "CREATED=$CREATED" "$context" >/dev/null
id=$("$client" image inspect -f '{{.Id}}' "$built")
if [ -z "$tar" ]; then
	"$client" tag "$id" "$name:$tag"
	exit 0
fi
if [ -s "$tar" ] && [ "$(cat "$context.id" 2>/dev/null)" = "$id $tag" ]; then
	exit 0
fi

before=$("$client" image inspect -f '{{.Id}}' "$name:$tag" 2>/dev/null || true)
restore()
{
	rm -f "$tar.new"
	if [ -n "$before" ]; then
		"$client" tag "$before" "$name:$tag"
	else
		"$client" rmi "$name:$tag" >/dev/null 2>&1 || true
	fi
}
trap restore EXIT
trap 'exit 1' INT TERM
"$client" tag "$id" "$name:$tag"
"$client" save -o "$tar.new" "$name:$tag"
chmod 0644 "$tar.new"
mv "$tar.new" "$tar"
echo "$id $tag" >"$context.id"
echo "pack.sh: $tar: $(($(stat -c %s "$tar") / 1048576)) MiB in $(($(date +%s) - started)) s" >&2
