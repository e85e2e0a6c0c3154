#include "vmlab/simulate/wire.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <linux/rtnetlink.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/base/cleanup.h"
#include "lib/base/clock.h"
#include "lib/base/process.h"
#include "vmlab/simulate/stamp.h"

#define CARD_PATIENCE_MS 20000
#define CARRIER_PATIENCE_MS 5000
#define POLL_MS 20
#define RECEIVE_BUFFER_BYTES (8 << 20)
#define IP_TIMEOUT_MS 10000
#define FRAMES_AT_ONCE 256

/* ---- the card ------------------------------------------------------------------------------ */

/* ip(8), of the image this runs in. */
static int ip_run(const char *const *words, struct err *e)
{
	_cleanup_argv_ struct argv a = ARGV_INIT;
	_cleanup_process_result_ struct process_result r = PROCESS_RESULT_INIT;

	argv_add(&a, "ip");
	argv_add_all(&a, words);
	int rc = process_capture(&a, IP_TIMEOUT_MS, 4096, &r, e);
	if (rc < 0)
		return rc;
	return r.status ? err_set(e, EIO, "ip %s %s: %s", words[0], words[1], r.err) : 0;
}

static int wait_for_card(struct wire *w, const char *name, struct err *e)
{
	int64_t deadline = monotonic_ms() + CARD_PATIENCE_MS;

	while (!(w->card = (int)if_nametoindex(name))) {
		if (monotonic_ms() > deadline)
			return err_set(e, ENODEV, "there is no network card %s here", name);
		sleep_ms(POLL_MS);
	}
	return 0;
}

/* As long as its other end is not up, all that is sent is lost. */
static int wait_for_carrier(const char *name, struct err *e)
{
	int64_t deadline = monotonic_ms() + CARRIER_PATIENCE_MS;
	char path[64];

	snprintf(path, sizeof(path), "/sys/class/net/%s/carrier", name);
	for (;;) {
		_cleanup_fclose_ FILE *f = fopen(path, "re");
		if (f && fgetc(f) == '1')
			return 0;
		if (monotonic_ms() > deadline)
			return err_set(e, ENETDOWN, "the network card %s has no link", name);
		sleep_ms(POLL_MS);
	}
}

static int bring_up(const char *name, const struct cidr4 *network, struct err *e)
{
	char text[INET_ADDRSTRLEN], route[INET_ADDRSTRLEN + 4];
	struct in_addr first = {network->addr.s_addr & htonl(~cidr4_host_bits(network->prefix))};

	snprintf(route, sizeof(route), "%s/%u", inet_ntop(AF_INET, &first, text, sizeof(text)),
	    network->prefix);
	int r = ip_run((const char *[]){"link", "set", name, "up", NULL}, e);
	return r < 0 ? r
		     : ip_run((const char *[]){"route", "add", route, "dev", name, "scope", "link",
				  NULL},
			   e);
}

/* Only what a DHCP server sends to clients: IPv4 without options, UDP to port 68. */
static int hear_dhcp_only(int fd, struct err *e)
{
	struct sock_filter code[] = {
	    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 12),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, ETHERTYPE_IP, 0, 5),
	    BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 23),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, IPPROTO_UDP, 0, 3),
	    BPF_STMT(BPF_LD | BPF_H | BPF_ABS, 36),
	    BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, 68, 0, 1),
	    BPF_STMT(BPF_RET | BPF_K, UINT32_MAX),
	    BPF_STMT(BPF_RET | BPF_K, 0),
	};
	struct sock_fprog program = {sizeof(code) / sizeof(code[0]), code};

	return setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0
		   ? err_errno(e, "SO_ATTACH_FILTER")
		   : 0;
}

static int open_packets(struct wire *w, struct err *e)
{
	struct sockaddr_ll address = {
	    .sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = w->card};
	int bytes = RECEIVE_BUFFER_BYTES;

	w->packets = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (w->packets < 0)
		return err_errno(e, "a socket for frames (this needs NET_RAW)");
	if (setsockopt(w->packets, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof(bytes)) < 0)
		(void)setsockopt(w->packets, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof(bytes));
	stamp_ask(w->packets);
	int r = hear_dhcp_only(w->packets, e);
	if (r == 0 && bind(w->packets, (struct sockaddr *)&address, sizeof(address)) < 0)
		r = err_errno(e, "bind");
	return r;
}

/* ---- frames -------------------------------------------------------------------------------- */

static void ready(struct loop_source *s, uint32_t events)
{
	struct wire *w = (struct wire *)((char *)s - offsetof(struct wire, source));
	uint8_t frame[2048];
	struct dhcp_message m;

	(void)events;
	for (int i = 0; i < FRAMES_AT_ONCE; i++) {
		struct sockaddr_ll from;
		int64_t at_us;
		ssize_t n =
		    stamp_receive(w->packets, frame, sizeof(frame), &from, sizeof(from), 0, &at_us);
		if (n < 0)
			return;
		if (from.sll_pkttype != PACKET_OUTGOING && dhcp_frame_read(frame, (size_t)n, &m))
			w->heard(w->ctx, &m, at_us);
	}
}

int wire_send(struct wire *w, const uint8_t *frame, size_t len, struct err *e)
{
	if (send(w->packets, frame, len, 0) >= 0 || errno == EAGAIN || errno == ENOBUFS)
		return 0;
	return err_errno(e, "a frame cannot be sent");
}

/* ---- addresses ----------------------------------------------------------------------------- */

struct address_request {
	struct nlmsghdr head;
	struct ifaddrmsg address;
	struct {
		struct rtattr head;
		struct in_addr ip;
	} local;
};

/* The kernel answers at once. */
static int take_answer(struct wire *w, struct err *e)
{
	union {
		struct nlmsghdr head;
		char room[1024];
	} answer;

	ssize_t n = recv(w->netlink, &answer, sizeof(answer), 0);
	if (n < (ssize_t)NLMSG_LENGTH(sizeof(struct nlmsgerr)) ||
	    answer.head.nlmsg_type != NLMSG_ERROR)
		return err_set(e, EPROTO, "the kernel's answer about an address is malformed");
	const struct nlmsgerr *error = NLMSG_DATA(&answer.head);
	int code = -error->error;
	if (code == 0 || code == EEXIST || code == EADDRNOTAVAIL)
		return 0;
	return err_set(e, code, "an address cannot be set: %s", strerror(code));
}

int wire_address(struct wire *w, struct in_addr ip, bool ours, struct err *e)
{
	struct address_request r = {
	    .head = {.nlmsg_len = sizeof(r),
		.nlmsg_type = ours ? RTM_NEWADDR : RTM_DELADDR,
		.nlmsg_flags = (uint16_t)(NLM_F_REQUEST | NLM_F_ACK | (ours ? NLM_F_CREATE : 0)),
		.nlmsg_seq = ++w->sequence},
	    .address = {.ifa_family = AF_INET, .ifa_prefixlen = 32, .ifa_index = (unsigned)w->card},
	    .local = {{sizeof(r.local), IFA_LOCAL}, ip},
	};

	if (send(w->netlink, &r, sizeof(r), 0) < 0)
		return err_errno(e, "rtnetlink");
	return take_answer(w, e);
}

/* ---- all of it ----------------------------------------------------------------------------- */

int wire_open(
    struct wire *w, struct loop *l, const char *name, const struct cidr4 *network, struct err *e)
{
	w->packets = w->netlink = -1;
	w->loop = l;
	w->source.ready = ready;
	int r = wait_for_card(w, name, e);
	if (r == 0)
		r = bring_up(name, network, e);
	if (r == 0)
		r = wait_for_carrier(name, e);
	if (r == 0)
		r = open_packets(w, e);
	if (r < 0)
		return r;
	w->netlink = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
	if (w->netlink < 0)
		return err_errno(e, "a netlink socket");
	r = loop_watch(l, w->packets, EPOLLIN, &w->source);
	return r < 0 ? err_set(e, -r, "frames cannot be waited for") : 0;
}

void wire_close(struct wire *w)
{
	cleanup_close(&w->packets);
	cleanup_close(&w->netlink);
	w->packets = w->netlink = -1;
}

static int read_counter(const char *name, const char *which, uint64_t *out, struct err *e)
{
	char path[96];

	snprintf(path, sizeof(path), "/sys/class/net/%s/statistics/%s", name, which);
	_cleanup_fclose_ FILE *f = fopen(path, "re");
	if (!f || fscanf(f, "%" SCNu64, out) != 1)
		return err_set(e, EIO, "%s cannot be read", path);
	return 0;
}

int wire_bytes(const char *name, uint64_t *received, uint64_t *sent, struct err *e)
{
	int r = read_counter(name, "rx_bytes", received, e);

	return r < 0 ? r : read_counter(name, "tx_bytes", sent, e);
}
