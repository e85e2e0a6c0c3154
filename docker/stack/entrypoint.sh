#!/bin/sh
# entrypoint.sh - prepares the network the stack serves, then becomes supervisord.
#
# Bridge mode (default): makes LAB_BRIDGE with LAB_CIDR in this network namespace, which may be a
# pause container's and may still hold the bridge of an earlier start with machines on it: what is
# there already is left alone. Host-interface mode (PROVISIONER_IP): serves the interface that has
# this address and changes nothing about the network. Either way the stack refuses to start with
# one sentence when the interface, an address or a port is not to be had.
#
# Settings: `docker run IMAGE --help`. With other arguments, runs those instead (docker run IMAGE
# vm_watcher --help).
set -eu

run=/run/vmlab
lib=/usr/lib/vmlab

say()
{
	printf 'entrypoint: %s\n' "$*"
}

die()
{
	printf 'entrypoint: cannot start: %s\n' "$*" >&2
	exit 1
}

# as USER COMMAND...
as()
{
	user=$1
	shift
	setpriv --reuid "$user" --regid "$(id -g "$user")" --init-groups "$@"
}

case ${1-} in
'') ;;
--help | -h) exec "$lib/settings.py" help ;;
*) exec "$@" ;;
esac

# ---- settings -----------------------------------------------------------------------------------

is_mount()
{
	awk -v at="$1" '$5 == at {found = 1} END {exit !found}' /proc/self/mountinfo
}

# folder OURS PVMLABS - which of the two the user has mounted.
folder()
{
	if is_mount "$2"; then
		if ! is_mount "$1"; then
			echo "$2"
			return
		fi
		say "warning: $1 and $2 are both mounted: $1 is used" >&2
	fi
	echo "$1"
}

VMS_DIR=$(folder /vms /mnt/host/vms)
IMAGES_DIR=$(folder /srv/images /www/images)
export VMS_DIR IMAGES_DIR

# The interface that has the address PROVISIONER_IP.
interface_of()
{
	case $1 in
	*[!0-9.]*) die "PROVISIONER_IP=$1 is no IPv4 address: give one as in 10.0.0.1" ;;
	esac
	found=$(ip -o -4 addr show | awk -v ip="$1" '{split($4, a, "/")} a[1] == ip {print $2; exit}')
	[ -n "$found" ] ||
		die "PROVISIONER_IP=$1 is not an address of any interface here (there are:" \
			"$(ip -o -4 addr show | awk '{printf "%s %s, ", $2, $4}' | sed 's/, $//')): give" \
			"one of these, or run with --network host"
	echo "$found"
}

# The network of the interface's IPv6 address, for a DHCP_RANGE_V6_START that needs one.
cidr6_of()
{
	ip -o -6 addr show dev "$1" scope global -temporary -deprecated | awk '
		$4 ~ /\/64$/ && ($4 ~ /^f[cd]/ || !best) {best = $4} END {print best}'
}

if [ -z "${INTERFACE-}" ] && [ -n "${PROVISIONER_IP-}" ]; then
	INTERFACE=$(interface_of "$PROVISIONER_IP") || exit 1
	export INTERFACE
	say "$INTERFACE has PROVISIONER_IP=$PROVISIONER_IP"
fi
# In host-interface mode the network is the one the address is in.
if [ -n "${INTERFACE-}" ] && [ -n "${PROVISIONER_IP-}" ]; then
	case $INTERFACE in
	*[!A-Za-z0-9_.-]* | -*) die "INTERFACE='$INTERFACE' is no interface name" ;;
	esac
	[ -e "/sys/class/net/$INTERFACE" ] ||
		die "INTERFACE=$INTERFACE does not exist here (there are: $(ip -o link |
			awk '{sub(/[:@].*/, "", $2); printf "%s ", $2}')): name one of these, and run" \
			"with --network host"
	LAB_CIDR=$(ip -o -4 addr show dev "$INTERFACE" | awk '{print $4}' |
		awk -F/ -v ip="$PROVISIONER_IP" '$1 == ip')
	[ -n "$LAB_CIDR" ] ||
		die "PROVISIONER_IP=$PROVISIONER_IP is not an address of $INTERFACE (it has:" \
			"$(ip -o -4 addr show dev "$INTERFACE" | awk '{printf "%s ", $4}')): give one it" \
			"has, or add it with 'ip addr add'"
	export LAB_CIDR
	if [ -z "${LAB_CIDR6-}" ] && [ -n "${DHCP_RANGE_V6_START-}" ]; then
		LAB_CIDR6=$(cidr6_of "$INTERFACE")
		export LAB_CIDR6
		[ -n "$LAB_CIDR6" ] ||
			say "warning: DHCP_RANGE_V6_START is set, but $INTERFACE has no IPv6 address with a" \
				"/64: serving IPv4 only"
	fi
else
	# How the engine connects this namespace: see nftables.conf.
	UPLINK_NETS=$({ ip -o -4 route show scope link; ip -o -6 route show proto kernel; } |
		awk -v lab="dev ${LAB_BRIDGE:-lab0} " '!index($0, lab) && $1 ~ /\// {printf "%s ", $1}')
	UPLINK_GATEWAYS=$(ip -o -4 route show default |
		awk '{for (i = 1; i < NF; i++) if ($i == "via" && $(i + 1) ~ /^[0-9.]+$/)
			printf "%s ", $(i + 1)}')
	export UPLINK_NETS UPLINK_GATEWAYS
fi

assignments=$("$lib/settings.py" check 2>&1) || die "$assignments"
eval "$assignments" # quoted values of known characters, from parsed input

# ---- what is lost with the container ------------------------------------------------------------

# What becomes of /state when the container is removed; nothing when it outlives it. An engine makes
# a volume without a name where none was given, and the next container gets a new one.
state_loss()
{
	awk '
		$5 == "/state" {
			seen = 1; type = ""
			for (i = 7; i < NF; i++) if ($i == "-") type = $(i + 1)
			if (type == "tmpfs") print "is a tmpfs, which ends with this container"
			else if ($4 ~ /\/volumes\/[0-9a-f]+\/_data$/ && length($4) - length("/volumes//_data") >= 64)
				print "is a volume without a name, which no other container gets"
		}
		END {if (!seen) print "is not a volume"}
	' /proc/self/mountinfo | tail -n 1
}

# ---- the bridge ---------------------------------------------------------------------------------

# The first nameserver of this container that lies in the lab's network, where nobody can reach it.
resolver_inside()
{
	python3 -c '
import ipaddress, re, sys
lab = ipaddress.ip_interface(sys.argv[1])
for word in re.findall(r"(?m)^\s*nameserver\s+(\S+)", open("/etc/resolv.conf").read()):
    try:
        if ipaddress.ip_address(word) in lab.network:
            print(word)
            break
    except ValueError:
        pass' "$LAB_CIDR" 2>/dev/null || true
}

bridge_up()
{
	have=$(ip -o -4 addr show dev "$LAB_IF" scope global 2>/dev/null | awk '{print $4}')
	if [ -z "$have" ]; then
		# shellcheck disable=SC2153 # LAB_IP is one of the assignments
		clash=$(ip -o -4 route show match "$LAB_IP" | awk '$1 != "default" {print $1, $2, $3; exit}')
		[ -z "$clash" ] ||
			die "LAB_CIDR=$LAB_CIDR overlaps a network this container is in already ($clash):" \
				"give another LAB_CIDR, such as 192.168.200.1/24"
	fi
	hidden=$(resolver_inside)
	[ -z "$hidden" ] ||
		die "LAB_CIDR=$LAB_CIDR holds $hidden, which resolves names for this container: machines would" \
			"resolve none outside the lab; give another LAB_CIDR, such as 192.168.200.1/24, or another" \
			"resolver with --dns"
	if [ ! -e "/sys/class/net/$LAB_IF" ]; then
		ip link add "$LAB_IF" address "$LAB_MAC" type bridge forward_delay 0 mcast_snooping 0 \
			2>"$run/err" ||
			die "the bridge $LAB_IF cannot be made ($(cat "$run/err")): run the container" \
				"with --cap-add NET_ADMIN"
		say "made bridge $LAB_IF"
	elif [ ! -d "/sys/class/net/$LAB_IF/bridge" ]; then
		die "LAB_BRIDGE=$LAB_IF exists and is no bridge: give another name, or set INTERFACE and" \
			"PROVISIONER_IP to serve it as it is"
	fi

	if [ -z "$have" ]; then
		ip addr add "$LAB_CIDR" dev "$LAB_IF" 2>"$run/err" ||
			die "$LAB_IF cannot get the address $LAB_CIDR ($(cat "$run/err")): run the" \
				"container with --cap-add NET_ADMIN"
	elif [ "$have" != "$LAB_CIDR" ]; then
		die "the bridge $LAB_IF already has $have where LAB_CIDR=$LAB_CIDR was asked for: start" \
			"with LAB_CIDR=$have, or end the lab that holds the bridge first"
	fi

	if [ "$LAB_MTU" = 0 ]; then
		uplink=$(ip -o -4 route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
		[ -z "$uplink" ] || LAB_MTU=$(cat "/sys/class/net/$uplink/mtu")
		[ "$LAB_MTU" -ge 1280 ] && [ "$LAB_MTU" -le 9216 ] || LAB_MTU=1500
		export LAB_MTU
	fi
	[ "$(cat "/sys/class/net/$LAB_IF/mtu")" = "$LAB_MTU" ] ||
		ip link set "$LAB_IF" mtu "$LAB_MTU" 2>/dev/null ||
		say "warning: $LAB_IF does not take an MTU of $LAB_MTU"
	ip link set "$LAB_IF" up 2>"$run/err" ||
		die "$LAB_IF cannot be brought up ($(cat "$run/err")): run the container with" \
			"--cap-add NET_ADMIN"
}

# The bridge has no carrier until the first machine comes: nodad, or the address stays tentative.
bridge_up6()
{
	if ip -o -6 addr show dev "$LAB_IF" scope global | grep -q " $LAB_IP6/64 "; then
		return 0
	fi
	[ ! -w /proc/sys/net/ipv6/conf/all/disable_ipv6 ] ||
		echo 0 >"/proc/sys/net/ipv6/conf/$LAB_IF/disable_ipv6" || true
	ip addr add "$LAB_IP6/64" dev "$LAB_IF" nodad 2>/dev/null
}

# QEMU's user mode emulation, by which an image of another architecture can be tried, translates no
# netfilter calls. Read from a child: a process asking for itself is told what it wants to hear.
emulated()
{
	case $(readlink /proc/1/exe) in
	*qemu*) return 0 ;;
	*) return 1 ;;
	esac
}

lab_forwarding()
{
	if emulated; then
		say "warning: this image runs under emulation, where no packet filter can be set: machines" \
			"have no way out of the lab, and a TCP port of the operator's API is on 127.0.0.1 only"
		return
	fi
	# shellcheck disable=SC2153 # OPERATOR_PORT is one of the assignments
	nft -f "$run/nftables.conf" 2>"$run/err" ||
		die "the packet filter that keeps guests from the operator's port $OPERATOR_PORT cannot" \
			"be set ($(head -n 1 "$run/err")): run the container with --cap-add NET_ADMIN on a" \
			"kernel with nf_tables"
	if [ "$(cat /proc/sys/net/ipv4/ip_forward)" != 1 ] &&
		! { echo 1 >/proc/sys/net/ipv4/ip_forward; } 2>/dev/null; then
		say "warning: machines have no way out of the lab: run the container with" \
			"--sysctl net.ipv4.ip_forward=1"
	fi
}

# Machines are kept from playing server for each other where the kernel can filter on a bridge.
machine_ports()
{
	emulated || nft -f "$run/ports.nft" 2>"$run/err" ||
		say "warning: machines in the lab can pretend to be its DHCP server or router, or another" \
			"machine: this kernel filters nothing on a bridge ($(head -n 1 "$run/err"))"
}

# ---- ports --------------------------------------------------------------------------------------

# port_free t|u PORT ADDRESS WHAT - dies when someone else holds it where we would listen.
port_free()
{
	taken=$(ss -Hln"$1" "sport = :$2" 2>/dev/null | awk -v want="$3" -v ifname="$LAB_IF" '
		{
			at = $4; sub(/:[0-9]+$/, "", at); scope = at
			if (sub(/%.*/, "", at)) sub(/.*%/, "", scope); else scope = ""
			gsub(/[][]/, "", at)
			if (scope != "" && scope != ifname) next
			if (at == want || at == "0.0.0.0" || at == "*" || at == "::" || want == "0.0.0.0")
				{ print $4; exit }
		}')
	[ -z "$taken" ] ||
		die "port $2 ($4) is taken: someone listens at $taken; end that service, or keep it off" \
			"$LAB_IF"
}

ports_check()
{
	port_free u 67 0.0.0.0 DHCP
	port_free u 69 "$LAB_IP" TFTP
	[ "$DHCP_MODE" != proxy ] || port_free u 4011 0.0.0.0 "PXE, DHCP_MODE=proxy"
	port_free u 53 "$LAB_IP" DNS
	port_free t 53 "$LAB_IP" DNS
	port_free t 80 "$LAB_IP" HTTP
	[ -z "$OPERATOR_HOST" ] ||
		port_free t "$OPERATOR_PORT" "$OPERATOR_HOST" "the operator's API, OPERATOR_LISTEN"
}

# ---- files --------------------------------------------------------------------------------------

# Two stacks on one /state would overwrite what the other acknowledged. Held, as long as this container runs,
# by supervisord, which inherits descriptor 9; boot_handler locks its own file besides.
state_lock()
{
	mkdir -p /state
	exec 9</state
	locked=0
	flock --nonblock --conflict-exit-code 75 9 2>"$run/err" || locked=$?
	[ "$locked" != 75 ] ||
		die "/state is in use by another stack that runs: stop that one, or mount another volume at" \
			"/state"
	[ "$locked" = 0 ] ||
		say "warning: /state cannot be locked ($(head -n 1 "$run/err")): see to it that no other stack" \
			"uses it"
}

folders()
{
	# Also what a killed container left: a stale pid may belong to another process by now.
	rm -rf /run/boot_handler /run/vm_watcher /run/dnsmasq /run/nginx /run/machines /run/image_adopt
	mkdir -p /run/boot_handler /run/vm_watcher /run/dnsmasq /run/nginx /run/machines \
		/run/image_adopt /state/dnsmasq "$MADE_ROOT/images" "$BACKUP_ROOT" /run/vm_watcher/tftp
	ln -s /srv/tftp/* /srv/initrds /run/vm_watcher/tftp/
	ln -s "$IMAGES_DIR/raspberrypi/arm64" /run/vm_watcher/tftp/raspberrypi
	chmod 2750 /run/boot_handler # sockets made there belong to nginx's group
	chown boot_handler:www-data /run/boot_handler
	chown boot_handler: /run/machines # what it tells vm_watcher
	chown dnsmasq: /run/vm_watcher /run/vm_watcher/tftp /run/dnsmasq /state/dnsmasq
	[ ! -e /state/dnsmasq/leases ] || as dnsmasq cp /state/dnsmasq/leases /run/dnsmasq/leases
	# dnsmasq's script writes it as boot_handler, and vm_watcher empties it.
	: >/run/dnsmasq/journal
	chmod 0664 /run/dnsmasq/journal
	chown dnsmasq:boot_handler /run/dnsmasq/journal
	chown www-data: /run/nginx
	chown "$ADOPT_UID:$ADOPT_UID" /run/image_adopt
	chown "$ADOPT_UID:$ADOPT_UID" "$MADE_ROOT/images" 2>/dev/null || true
	chown boot_handler: /state "$BACKUP_ROOT" 2>/dev/null || true
	as boot_handler test -w /state -a -x /state ||
		die "/state cannot be written by the user boot_handler: mount a volume there, or make" \
			"the folder writable for uid $(id -u boot_handler)"
	as dnsmasq test -x /state || chmod a+x /state 2>/dev/null || true
	as dnsmasq test -x /state ||
		die "/state cannot be entered by the user dnsmasq: make the folder passable for all" \
			"(chmod a+x)"
	setpriv --reuid "$ADOPT_UID" --regid "$ADOPT_UID" --clear-groups \
		test -w "$MADE_ROOT/images" -a -x "$MADE_ROOT/images" ||
		die "$MADE_ROOT/images cannot be written by the user $ADOPT_UID: mount a volume at /state, or" \
			"make that folder writable for this uid"
	for user in boot_handler dnsmasq; do
		as "$user" test -r "$VMS_DIR" -a -x "$VMS_DIR" ||
			die "$VMS_DIR cannot be read by the user $user: make the folder with the VM" \
				"definitions readable for all (chmod a+rx)"
	done
	as www-data test -r "$IMAGES_DIR" -a -x "$IMAGES_DIR" ||
		die "$IMAGES_DIR cannot be read by the user www-data: make the folder with the images" \
			"readable for all (chmod a+rx)"
}

# Serial consoles of this host's VMs, where their folders are mounted: whoever comes there may type into them.
consoles_folder()
{
	mkdir -p /run/consoles
	# Only its owner may change its mode, and root is no more than that.
	{ chown root: /run/consoles && chmod 0500 /run/consoles && chown boot_handler: /run/consoles; } ||
		die "/run/consoles cannot be kept for the user boot_handler: mount the folder of consoles at" \
			"/run/consoles/vms"
}

# The operator's own folder: the API's socket is made there by handler-sockets, for the folder's owner.
operator_folder()
{
	[ -d /run/operator ] || mkdir -m 0700 /run/operator
	[ -n "$OPERATOR_HOST" ] || return 0
	token=/run/operator/token
	if [ -n "${OPERATOR_TOKEN-}" ] && [ -n "${OPERATOR_TOKEN_FILE-}" ]; then
		die "OPERATOR_TOKEN and OPERATOR_TOKEN_FILE are both set: give one of them"
	elif [ -n "${OPERATOR_TOKEN-}" ]; then
		token=OPERATOR_TOKEN
		(umask 077 && printf '%s\n' "$OPERATOR_TOKEN" >/run/boot_handler/token)
	else
		if [ -n "${OPERATOR_TOKEN_FILE-}" ]; then
			token=$OPERATOR_TOKEN_FILE
		elif [ ! -s "$token" ]; then
			rm -f "$token.new"
			{ (umask 077 && { od -An -N 24 -tx1 /dev/urandom | tr -d ' \n' && echo; } >"$token.new") &&
				chown "$(stat -c %u:%g /run/operator)" "$token.new" &&
				mv -f "$token.new" "$token"; } 2>"$run/err" ||
				die "the operator's token cannot be kept in /run/operator ($(cat "$run/err")):" \
					"mount a writable folder there, or give OPERATOR_TOKEN_FILE"
		fi
		(umask 077 && cat "$token" >/run/boot_handler/token) 2>"$run/err" ||
			die "the operator's token cannot be read ($(cat "$run/err"))"
	fi
	chown boot_handler: /run/boot_handler/token
	if [ -n "${OPERATOR_CERTIFICATE-}" ]; then
		(umask 077 && cat "$OPERATOR_CERTIFICATE" >/run/boot_handler/certificate.pem &&
			cat "$OPERATOR_KEY" >/run/boot_handler/key.pem) 2>"$run/err" ||
			die "the operator's certificate cannot be read ($(cat "$run/err"))"
		chown boot_handler: /run/boot_handler/certificate.pem /run/boot_handler/key.pem
	fi
	grep -Eqx '[!-~]{16,256}' /run/boot_handler/token ||
		die "the operator's token ($token) is not one line of 16 to 256 printable characters" \
			"without blanks: give such a one, or none to have it made"
}

# ---- start --------------------------------------------------------------------------------------

mkdir -p "$run"
ln -sfn "$IMAGES_DIR/_loaders" "$run/loaders" # /srv/tftp/own leads here
rm -f "$run/health.json" "$run/notices"
set --
if [ "$MODE" = bridge ]; then
	bridge_up
	if [ -n "$LAB_IP6" ]; then
		if bridge_up6; then
			set -- ipv6
			ip -6 route show default | grep -q . || set -- "$@" noroute6
		else
			say "IPv6 is disabled in this network namespace: serving IPv4 only"
			LAB_IP6=
		fi
	fi
elif [ -n "$LAB_IP6" ]; then
	ip -o -6 addr show dev "$LAB_IF" | grep -q " $LAB_IP6/64 " ||
		die "LAB_CIDR6=$LAB_IP6/64 is not an address of $LAB_IF: give one it has, or unset it"
	set -- ipv6 noroute6
fi
if [ "$MODE" = bridge ] && emulated; then
	if [ -n "$OPERATOR_HOST" ]; then
		OPERATOR_HOST=127.0.0.1
		export OPERATOR_LISTEN="127.0.0.1:$OPERATOR_PORT"
	fi
fi
ports_check
state_lock
folders
consoles_folder
operator_folder
unset OPERATOR_TOKEN # nobody else here has to know it
if [ -e /etc/vmlab/authorized_keys ]; then
	# boot_handler reads it again when it changes; a file only root may read is copied once.
	rm -f "$run/authorized_keys"
	if as boot_handler test -r /etc/vmlab/authorized_keys; then
		ln -s /etc/vmlab/authorized_keys "$run/authorized_keys"
	else
		install -m 0644 /etc/vmlab/authorized_keys "$run/authorized_keys"
	fi ||
		die "/etc/vmlab/authorized_keys cannot be read: mount a readable file of public SSH keys"
	set -- "$@" keys
fi
loss=$(state_loss)
if [ -n "$loss" ]; then
	{
		printf '/state %s: when this container is removed, what happened to each machine is ' "$loss"
		printf 'forgotten (installed machines still boot their disks, which say so; events and '
		printf 'logs are lost): mount a named volume with -v pxe-state:/state\n'
	} >"$run/notices"
	say "warning: $(cat "$run/notices")"
	set -- "$@" notices
fi
if [ "$MODE" = host ] && [ -z "${ROUTER-}" ]; then
	say "machines get no default router: set ROUTER to an address in the network, or to 'self'"
fi
[ "$MODE" != bridge ] || emulated || set -- "$@" guard
"$lib/settings.py" render "$run" "$@"
if [ "$MODE" = bridge ]; then
	lab_forwarding
	machine_ports
fi

# Have the declared machines known before the first packet is answered. 2: it refuses its options, and would
# do so for ever.
watched=0
as dnsmasq vm_watcher --once --vms "$VMS_DIR" --dhcp-hosts /run/vm_watcher/dhcp-hosts \
	--dns-hosts /run/vm_watcher/dns-hosts --dhcp-opts /run/vm_watcher/dhcp-opts \
	--tftp /run/vm_watcher/tftp --pid-file /run/dnsmasq/dnsmasq.pid --dns-pid-file /run/dnsmasq/dns.pid \
	--domain "$LAB_DOMAIN" --lab "$LAB_CIDR" ${LAB_IP6:+--lab6 "$LAB_IP6/64"} ||
	watched=$?
[ "$watched" != 2 ] || die "vm_watcher refuses the settings, see above"
[ "$watched" = 0 ] ||
	say "warning: the VM definitions could not be read before the start; vm_watcher goes on trying"

say "serving $LAB_CIDR on $LAB_IF ($MODE mode${LAB_IP6:+, IPv6 $LAB_IP6}), operator's API at" \
	"/run/operator/api.sock${OPERATOR_HOST:+ and, with its token, at $OPERATOR_HOST:$OPERATOR_PORT}"
# Some engines give 1,024 open files and allow more: each transfer by TFTP and each connection is one.
# shellcheck disable=SC3045 # dash has -H and -S
files=$(ulimit -H -n)
[ "$files" != unlimited ] && [ "$files" -lt 16384 ] || files=16384
# shellcheck disable=SC3045
ulimit -S -n "$files"
exec "$lib/supervise.py" -c "$run/supervisord.conf"
