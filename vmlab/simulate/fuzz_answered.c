/* What a simulation reads, any bytes; the first one chooses what they are: its profile, a script
 * for iPXE, an Ethernet frame. */
#include "vmlab/simulate/dhcp_frame.h"
#include "vmlab/simulate/ipxe_answer.h"
#include "vmlab/simulate/profile.h"

#include "lib/base/cleanup.h"
#include "lib/base/test_promise.h"

#define MACHINES 20

static void refused(void *ctx, const struct json_path *bad, const struct err *why)
{
	char where[100];

	json_path_format(bad, where, sizeof(where));
	promise_clean(where, sizeof(where));
	PROMISE(why->msg[0]);
	promise_clean(why->msg, sizeof(why->msg));
	++*(unsigned *)ctx;
}

static bool is_within(double value, double min, double max)
{
	return value >= min && value <= max;
}

static void check_profile(const struct simulate_profile *p)
{
	PROMISE(p->seed >= 0 && is_within(p->speed, 0.01, 1e6));
	PROMISE(is_within(p->over_s, 0, 86400) && is_within(p->patience_s, 0.1, 86400));
	PROMISE(is_within(p->firmware_s, 0, 3600) && is_within(p->kernel_s, 0, 3600));
	PROMISE(is_within(p->disk_s, 0, 86400) && is_within(p->first_boot_s, 0, 86400));
	PROMISE(p->rootfs_bytes && p->rootfs_bytes <= UINT64_C(1) << 34);
	PROMISE(p->kernel_bytes && p->modules_bytes && p->slow_rate);
	for (unsigned n = 1; n <= MACHINES; n++) {
		unsigned faults = simulate_faults_of(p, n);

		PROMISE(faults < 1u << SIMULATE_FAULT_COUNT && faults == simulate_faults_of(p, n));
	}
}

static void hear_profile(const char *text, size_t len)
{
	unsigned refusals = 0;
	struct json_reader r = {.refuse = refused, .ctx = &refusals};
	json_t *doc = json_loadb(text, len, 0, NULL);
	struct simulate_profile profile;

	if (simulate_profile_read(&r, doc, MACHINES, &profile) == 0)
		check_profile(&profile);
	else
		PROMISE(refusals > 0);
	simulate_profile_clear(&profile);
	json_decref(doc);
}

static bool is_inside(const struct ipxe_answer *a, const char *text)
{
	return text >= a->room && text + strlen(text) < a->room + sizeof(a->room);
}

static void hear_script(const char *text, size_t len)
{
	_cleanup_free_ struct ipxe_answer *a = malloc(sizeof(*a));
	struct err e = ERR_INIT;

	PROMISE(a);
	if (ipxe_answer_read(text, len, a, &e) < 0) {
		PROMISE(e.msg[0]);
		return;
	}
	PROMISE(a->files <= IPXE_FILES_MAX && (a->verb != IPXE_KERNEL || a->files > 0));
	for (unsigned i = 0; i < a->files; i++)
		PROMISE(is_inside(a, a->file[i]) && !strpbrk(a->file[i], " \n"));
	PROMISE(!a->config_url || is_inside(a, a->config_url));
	PROMISE(!*a->says || is_inside(a, a->says));
}

static void hear_frame(const uint8_t *frame, size_t len)
{
	struct dhcp_message m;
	uint8_t *copy = malloc(len ? len : 1); /* a look past its end is noticed */

	PROMISE(copy);
	memcpy(copy, frame, len);
	if (dhcp_frame_read(copy, len, &m)) {
		PROMISE(m.kind != 0);
		PROMISE(strnlen(m.file, sizeof(m.file)) < sizeof(m.file));
	}
	free(copy);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size == 0)
		return -1;
	_cleanup_free_ char *text = promise_string(data + 1, size - 1);
	switch (data[0]) {
	case 'p':
		hear_profile(text, size - 1);
		return 0;
	case 'i':
		hear_script(text, size - 1);
		return 0;
	case 'd':
		hear_frame(data + 1, size - 1);
		return 0;
	default:
		return -1;
	}
}
