/* step_install.c - what os-installer asks for and tells, with every slice of the image verified. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "lib/definition/install_config.h"
#include "lib/json/read.h"
#include "vmlab/simulate/step_part.h"

#define CONFIG_MAX_BYTES (4 << 20)
#define DOCUMENT_MAX_BYTES (1 << 20)
#define SENTENCE_MAX_BYTES 4096
#define NESTING_MAX 16
#define PROGRESS_US 1000000

static const char *const documents[] = {"meta-data", "user-data", "vendor-data", "network-config"};

/* ---- /config ------------------------------------------------------------------------------- */

void step_install_forget(struct machine *m)
{
	image_contents_clear(&m->install.rootfs);
	json_decref(m->install.config);
	m->install.config = NULL;
	m->install.rootfs_url = m->install.report_url = m->install.cloud_init_url = NULL;
	m->install.good_bytes = m->install.slice_bytes = 0;
}

int step_config(struct machine *m, struct err *e)
{
	snprintf(m->url, sizeof(m->url), "%s", m->answer.config_url);
	return step_request(m, &(struct step_request){.text_max = CONFIG_MAX_BYTES}, e);
}

int step_config_judge(struct machine *m, struct err *e)
{
	struct machine_install *in = &m->install;
	struct json_path bad;
	struct json_first_refusal first = {.bad = &bad, .e = e};
	struct json_reader r = json_reader_first(&first);
	struct install_config c;
	size_t at;

	if (step_want_status(m, 200, e) < 0)
		return -EPROTO;
	step_install_forget(m);
	in->config = json_text_parse(m->transfer.text, m->transfer.len, NESTING_MAX, &at, e);
	transfer_clear(&m->transfer);
	if (!in->config || install_config_read(&r, in->config, &c) < 0 ||
	    image_rootfs_read(&r, c.rootfs, true, &in->rootfs) < 0)
		return -EPROTO;
	if (!c.report_url || !c.cloud_init_url)
		return err_set(e, EPROTO, "names no report_url or no cloud_init_url");
	in->rootfs_url = c.rootfs_url;
	in->report_url = c.report_url;
	in->cloud_init_url = c.cloud_init_url;
	return 0;
}

int step_seed(struct machine *m, struct err *e)
{
	snprintf(m->url, sizeof(m->url), "%s/%s", m->install.cloud_init_url, documents[m->turn]);
	return step_request(m, &(struct step_request){.text_max = DOCUMENT_MAX_BYTES}, e);
}

int step_seed_judge(struct machine *m, struct err *e)
{
	int r = step_want_status(m, 200, e);

	if (r == 0 && ++m->turn < sizeof(documents) / sizeof(*documents))
		m->next_step = STEP_SEED;
	return r;
}

/* ---- reports ------------------------------------------------------------------------------- */

/* Where they go before the configuration says it. */
static void set_report_url(struct machine *m)
{
	const char *url = m->answer.config_url, *path = strstr(url, "/config/");

	if (m->install.report_url)
		snprintf(m->url, sizeof(m->url), "%s", m->install.report_url);
	else
		snprintf(m->url, sizeof(m->url), "%.*s/report/%s", path ? (int)(path - url) : 0,
		    url, path ? path + sizeof("/config/") - 1 : "");
}

int step_tell(struct machine *m, struct err *e)
{
	const struct step_told *told = &steps[m->step].told[m->turn];

	set_report_url(m);
	snprintf(m->body, sizeof(m->body), "{\"phase\":\"%s\",\"status\":\"%s\"}", told->phase,
	    told->status);
	return step_request(m, &(struct step_request){.post = true}, e);
}

int step_tell_judge(struct machine *m, struct err *e)
{
	const struct step_told *told = steps[m->step].told;

	int r = step_want_status(m, 204, e);
	if (r == 0 && told && told[++m->turn].phase)
		m->next_step = m->step;
	return r;
}

int step_installed(struct machine *m, struct err *e)
{
	set_report_url(m);
	snprintf(m->body, sizeof(m->body),
	    "{\"phase\":\"report\",\"status\":\"done\",\"log\":\"simulated: nothing was written\"}");
	return step_request(m, &(struct step_request){.post = true}, e);
}

int step_reboot(struct machine *m, struct err *e)
{
	(void)e;
	m->install.installed = true;
	snprintf(m->system.report_url, sizeof(m->system.report_url), "%s", m->install.report_url);
	machine_reboot(m);
	return 0;
}

/* ---- rootfs -------------------------------------------------------------------------------- */

static void told_progress(struct transfer *t, const char *problem)
{
	struct machine *m = (struct machine *)((char *)t - offsetof(struct machine, side));
	struct tally_step *s = &m->sim->tally.steps[STEP_ROW_PROGRESS];

	if (problem || t->status != 204)
		s->again++;
	else
		histogram_add(&s->took, t->answered_us - t->asked_us);
}

static void tell_progress(struct loop_timer *timer)
{
	struct machine_install *in =
	    (struct machine_install *)((char *)timer - offsetof(struct machine_install, progress));
	struct machine *m = (struct machine *)((char *)in - offsetof(struct machine, install));
	unsigned long long bytes = in->good_bytes + in->slice_bytes;
	struct err ignored = ERR_INIT;

	(void)loop_timer_set(&m->sim->loop, &in->progress, loop_now_us() + PROGRESS_US);
	if (m->side.easy)
		return;
	snprintf(m->side_url, sizeof(m->side_url), "%s", in->report_url);
	snprintf(m->side_body, sizeof(m->side_body),
	    "{\"phase\":\"rootfs\",\"status\":\"running\",\"bytes\":%llu,\"total_bytes\":%llu,\"rate_bytes_per_s\":%llu,\"eta_s\":-1}",
	    bytes, (unsigned long long)in->rootfs.size_bytes,
	    (unsigned long long)(bytes * 1000000 / (uint64_t)(loop_now_us() - m->begun_us + 1)));
	m->side = (struct transfer){.url = m->side_url,
	    .body = m->side_body,
	    .source = m->lease.ip,
	    .patience_s = step_stall_s(m),
	    .text_max = SENTENCE_MAX_BYTES,
	    .ended = told_progress};
	if (transfer_begin(&m->transfers, &m->side, &ignored) < 0)
		m->sim->tally.steps[STEP_ROW_PROGRESS].again++;
}

/* False at the first slice that is not what the manifest says. */
static bool take_slices(struct transfer *t, const char *data, size_t len)
{
	struct machine *m = (struct machine *)((char *)t - offsetof(struct machine, transfer));
	struct machine_install *in = &m->install;

	while (len > 0) {
		size_t i = (size_t)(in->good_bytes / in->rootfs.chunk_bytes);
		if (i >= in->rootfs.chunk_count)
			return false;
		uint64_t left = image_chunk_length(&in->rootfs, i) - in->slice_bytes;
		size_t n = len < left ? len : (size_t)left;
		struct digest d;
		sha256_update(&in->slice, n, (const uint8_t *)data);
		in->slice_bytes += n;
		data += n;
		len -= n;
		if (n < left)
			continue;
		sha256_digest(&in->slice, sizeof(d.byte), d.byte);
		if (!digest_equal(&d, &in->rootfs.chunks[i]))
			return false;
		in->good_bytes += in->slice_bytes;
		in->slice_bytes = 0;
	}
	return true;
}

/* Goes on behind the last good slice. */
int step_rootfs(struct machine *m, struct err *e)
{
	struct machine_install *in = &m->install;

	if (in->good_bytes == in->rootfs.size_bytes)
		in->good_bytes = 0;
	in->slice_bytes = 0;
	sha256_init(&in->slice);
	snprintf(m->url, sizeof(m->url), "%s", in->rootfs_url);
	in->progress.fired = tell_progress;
	(void)loop_timer_set(&m->sim->loop, &in->progress, loop_now_us() + PROGRESS_US);
	return step_request(m,
	    &(struct step_request){
		.take = take_slices, .from = in->good_bytes, .rate = m->sim->profile.disk_rate},
	    e);
}

void step_install_stop(struct machine *m)
{
	loop_timer_stop(&m->sim->loop, &m->install.progress);
	transfer_stop(&m->side);
	transfer_clear(&m->side);
}

int step_rootfs_judge(struct machine *m, struct err *e)
{
	const struct machine_install *in = &m->install;

	step_install_stop(m);
	if (step_want_status(m, m->transfer.from ? 206 : 200, e) < 0)
		return -EPROTO;
	if (in->good_bytes != in->rootfs.size_bytes)
		return err_set(e, EPROTO, "is shorter than its manifest says");
	return 0;
}
