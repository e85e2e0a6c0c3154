#!/bin/bash
# disks.sh - one line "NUMBER BYTES" for each disk in /disks: its size as the machine sees it.
set -euo pipefail
shopt -s nullglob

for file in /disks/disk*.qcow2; do
	n=${file#/disks/disk}
	bytes=$(qemu-img info -U -f qcow2 "$file" | sed -n 's/^virtual size: .*(\([0-9]*\) bytes)$/\1/p')
	echo "${n%.qcow2} $bytes"
done
