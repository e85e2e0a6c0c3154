#!/bin/bash
# port.sh BRIDGE INTERFACE MAC [INTERFACE MAC]... -- COMMAND... - makes interfaces ports of the bridge
# on which nobody but MAC sends, then becomes COMMAND. The bridge learns nothing there: the MAC is
# entered by hand, frames with another source are dropped, so a machine can neither take a neighbour's
# frames nor speak in its name. Needs NET_ADMIN; without the kernel's help it warns and goes on.
set -euo pipefail
trap 'exit 0' TERM INT # process 1 is not ended by a signal it takes no notice of

bridge=$1
shift
mtu=$(<"/sys/class/net/$bridge/mtu")
while [[ $1 != -- ]]; do
	port=$1 mac=$2
	shift 2
	ip link set "$port" mtu "$mtu" master "$bridge"
	if ! { bridge link set dev "$port" learning off locked on &&
		bridge fdb replace "$mac" dev "$port" master static; } 2>/run/err; then
		echo "run-vm: warning: the bridge cannot be made to check who sends on $port" \
			"($(head -n 1 /run/err)): this machine can pretend to be another" >&2
		bridge link set dev "$port" learning on locked off 2>/dev/null || true
	fi
	ip link set "$port" up
done
shift
exec "$@"
