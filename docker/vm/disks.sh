#!/bin/bash
# disks.sh [all] - one line "NUMBER BYTES" for each disk in /disks: its size as the machine sees it.
# all: "NAME NUMBER BYTES", of the machines whose disks are in /disks/NAME.
set -euo pipefail
shopt -s nullglob

list()
{
	local file n bytes

	for file in "$1"/disk*.qcow2; do
		n=${file##*/disk}
		bytes=$(qemu-img info -U -f qcow2 "$file" | sed -n 's/^virtual size: .*(\([0-9]*\) bytes)$/\1/p')
		echo "$2${n%.qcow2} $bytes"
	done
}

if [[ ${1-} != all ]]; then
	list /disks ""
	exit
fi
for folder in /disks/*/; do
	folder=${folder%/}
	list "$folder" "${folder##*/} "
done
