/* os-installer - writes an operating system onto a disk of this machine, as its configuration on
 * the server says.
 *
 * Exit codes: 0 done and the configuration wants no reboot (or a check found nothing wrong);
 * 1 failed; 2 wrong usage. After a success that wants a reboot or a poweroff it does not return.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "lib/base/log.h"
#include "lib/base/size.h"
#include "lib/plan/plan.h"
#include "os_installer/agent/agent.h"
#include "os_installer/base/cmdline.h"
#include "os_installer/base/config.h"
#include "os_installer/base/ending.h"
#include "os_installer/fetch/http.h"
#include "os_installer/install.h"
#include "os_installer/inventory/inventory.h"
#include "os_installer/report/journal.h"

#define URL_SIZE 2048
#define CMDLINE_SIZE 8192

static const char usage_text[] =
    "usage: os-installer [options]                 install, configured by config_url= of the kernel's\n"
    "                                              command line\n"
    "       os-installer --check FILE              say what is wrong with a configuration\n"
    "       os-installer --plan FILE --disk-size BYTES\n"
    "                                              show the layout it would make on such a disk\n"
    "       os-installer --agent [--agent-url URL]  register with the server, tell what the machine is\n"
    "                                              made of, carry out orders; agent_url= of the kernel's\n"
    "                                              command line\n"
    "       os-installer --inventory [--root DIR]   say what the machine is made of, by /sys and /proc\n"
    "                                              (of DIR)\n"
    "options:\n"
    "  --config-url URL   use this configuration\n"
    "  --disk PATH        install onto this disk and no other\n"
    "  --directory DIR    mount the new system here meanwhile (/target)\n"
    "  --until PHASE      stop after this phase\n"
    "  --reinstall        also where a disk says that this machine is installed\n"
    "  --no-disk          only unpack the image into DIR, which has to exist; stop then\n"
    "  --no-nvram         leave the firmware's boot menu alone\n"
    "  --no-reboot        exit instead of rebooting or powering off\n"
    "  --verbose          show debug lines\n"
    "  --version, --help\n";

struct arguments {
	struct install_options install;
	const char *check;
	const char *plan;
	uint64_t disk_bytes;
	bool agent;
	const char *agent_url;
	bool inventory;
	const char *root; /* what the inventory is of; "": this machine */
	bool no_reboot;
	bool verbose;
};

/* Returns 0, or an exit code plus 1. */
static int arguments_parse(int argc, char **argv, struct arguments *a)
{
	enum {
		CONFIG_URL = 1,
		CHECK,
		PLAN,
		DISK_SIZE,
		DISK,
		DIRECTORY,
		UNTIL,
		NO_DISK,
		NO_NVRAM,
		NO_REBOOT,
		REINSTALL,
		AGENT,
		AGENT_URL,
		INVENTORY,
		ROOT
	};
	static const struct option options[] = {
	    {"config-url", required_argument, NULL, CONFIG_URL},
	    {"check", required_argument, NULL, CHECK},
	    {"plan", required_argument, NULL, PLAN},
	    {"disk-size", required_argument, NULL, DISK_SIZE},
	    {"disk", required_argument, NULL, DISK},
	    {"directory", required_argument, NULL, DIRECTORY},
	    {"until", required_argument, NULL, UNTIL},
	    {"reinstall", no_argument, NULL, REINSTALL},
	    {"no-disk", no_argument, NULL, NO_DISK},
	    {"no-nvram", no_argument, NULL, NO_NVRAM},
	    {"no-reboot", no_argument, NULL, NO_REBOOT},
	    {"agent", no_argument, NULL, AGENT},
	    {"agent-url", required_argument, NULL, AGENT_URL},
	    {"inventory", no_argument, NULL, INVENTORY},
	    {"root", required_argument, NULL, ROOT},
	    {"verbose", no_argument, NULL, 'v'},
	    {"version", no_argument, NULL, 'V'},
	    {"help", no_argument, NULL, 'h'},
	    {0},
	};
	int c;

	while ((c = getopt_long(argc, argv, "vhV", options, NULL)) != -1) {
		switch (c) {
		case CONFIG_URL:
			a->install.config_url = optarg;
			break;
		case CHECK:
			a->check = optarg;
			break;
		case PLAN:
			a->plan = optarg;
			break;
		case DISK:
			a->install.disk = optarg;
			break;
		case DIRECTORY:
			a->install.directory = optarg;
			break;
		case UNTIL:
			a->install.until = optarg;
			break;
		case REINSTALL:
			a->install.reinstall = true;
			break;
		case NO_DISK:
			a->install.no_disk = true;
			break;
		case NO_NVRAM:
			a->install.no_nvram = true;
			break;
		case NO_REBOOT:
			a->no_reboot = true;
			break;
		case AGENT:
			a->agent = true;
			break;
		case AGENT_URL:
			a->agent_url = optarg;
			break;
		case INVENTORY:
			a->inventory = true;
			break;
		case ROOT:
			a->root = optarg;
			break;
		case 'v':
			a->verbose = true;
			break;
		case DISK_SIZE:
			if (size_parse(optarg, &a->disk_bytes) == 0)
				break;
			fprintf(stderr, "os-installer: --disk-size %s is no size such as 20G\n",
			    optarg);
			return 3;
		case 'V':
			puts("os-installer " VMLAB_VERSION);
			return 1;
		case 'h':
			fputs(usage_text, stdout);
			return 1;
		default:
			fputs(usage_text, stderr);
			return 3;
		}
	}
	if (optind < argc || (a->plan && !a->disk_bytes)) {
		fputs(usage_text, stderr);
		return 3;
	}
	return 0;
}

/* ---- check and plan ----------------------------------------------------------------------------
 */

static const char *warn_file;

static void warn_print(const char *text)
{
	fprintf(stderr, "%s: warning: %s\n", warn_file, text);
}

static int config_load(const char *path, struct config **out)
{
	_cleanup_free_ char *text = NULL;
	struct config_where where = {0, 0};
	struct err e = ERR_INIT;
	size_t len;

	if (file_read(path, CONFIG_MAX_BYTES, &text, &len, &e) < 0) {
		fprintf(stderr, "os-installer: %s\n", e.msg);
		return -1;
	}
	warn_file = path;
	if (config_parse(text, len, out, &where, warn_print, &e) == 0)
		return 0;
	if (where.line)
		fprintf(stderr, "%s:%d:%d: %s\n", path, where.line, where.column, e.msg);
	else
		fprintf(stderr, "%s: %s\n", path, e.msg);
	return -1;
}

static int check_run(const char *path)
{
	struct config *c = NULL;

	if (config_load(path, &c) < 0)
		return 1;
	printf("%s: good%s\n", path,
	    c->has_rootfs ? "" : "; manifest.json beside rootfs_url has to describe the rootfs");
	config_free(c);
	return 0;
}

static int plan_run(const char *path, uint64_t disk_bytes)
{
	struct disk d = {
	    .name = "disk", .path = "/dev/disk", .size_bytes = disk_bytes, .sector_bytes = 512};
	struct config *c = NULL;
	struct err e = ERR_INIT;
	struct plan p;

	if (config_load(path, &c) < 0)
		return 1;
	struct plan_request q = config_plan_request(c);
	q.match = NULL; /* of which disk this is the size, nobody knows */
	int r = plan_make(&q, &d, 1, &p, &e);
	if (r == 0)
		plan_print(stdout, &p);
	else
		fprintf(stderr, "os-installer: %s\n", e.msg);
	config_free(c);
	return r == 0 ? 0 : 1;
}

/* ---- install -----------------------------------------------------------------------------------
 */

/* The kernel's command line; "" when it cannot be read. */
static void cmdline_read(char text[CMDLINE_SIZE])
{
	_cleanup_close_ int fd = open("/proc/cmdline", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, text, CMDLINE_SIZE - 1);

	text[n < 0 ? 0 : n] = '\0';
}

static bool config_url_find(char *out)
{
	char text[CMDLINE_SIZE];

	cmdline_read(text);
	return cmdline_get(text, "config_url", out, URL_SIZE);
}

/* <base>/config/<mac> -> <base>/report/<mac>: known before the configuration is. */
static bool report_url_guess(const char *config_url, char *out)
{
	const char *part = strstr(config_url, "/config/");

	if (!part)
		return false;
	snprintf(out, URL_SIZE, "%.*s/report/%s", (int)(part - config_url), config_url, part + 8);
	return true;
}

static void failure_tell(struct report *report, const struct install_failure *f)
{
	struct err e = ERR_INIT;

	log_error("install failed in phase %s: %s", f->phase, f->err.msg);
	log_error("hint: %s", f->hint);
	if (report_failure(report, f->phase, f->err.msg, f->hint, &e) < 0)
		log_warn("the server could not be told: %s", e.msg);
}

static int install_main(struct arguments *a)
{
	char config_url[URL_SIZE], report_url[URL_SIZE];
	enum vm_after after = VM_AFTER_SHELL;
	struct install_failure failure;
	struct report *report = NULL;

	if (!a->install.config_url) {
		if (!config_url_find(config_url)) {
			log_error(
			    "the kernel's command line has no config_url=: boot by the server's iPXE script or give --config-url");
			return 2;
		}
		a->install.config_url = config_url;
	}
	bool guessed = report_url_guess(a->install.config_url, report_url);
	if (report_start(guessed ? report_url : NULL, &report, &failure.err) < 0) {
		log_error("%s", failure.err.msg);
		return 1;
	}
	int r = install_run(&a->install, report, &after, &failure);
	if (r < 0) {
		failure_tell(report, &failure);
		report_stop(report);
		return 1;
	}
	bool ends =
	    after != VM_AFTER_SHELL && !a->no_reboot && !a->install.until && !a->install.no_disk;
	log_info("install finished, next: %s", ends ? vm_after_name(after) : "shell");
	if (ends) {
		report_phase(report, "reboot", false);
		usleep(200000); /* a courtesy; nobody depends on it */
		machine_end(after);
	}
	report_stop(report);
	return 0;
}

/* ---- agent and inventory -----------------------------------------------------------------------
 */

static int inventory_main(const char *root)
{
	struct err e = ERR_INIT;
	json_t *doc;

	if (inventory_make(root, &doc, &e) < 0) {
		fprintf(stderr, "os-installer: %s\n", e.msg);
		return 1;
	}
	int r = json_dumpf(doc, stdout, JSON_INDENT(2)) < 0 || putchar('\n') < 0 || fflush(stdout);
	json_decref(doc);
	return r ? 1 : 0;
}

static int agent_main(const struct arguments *a)
{
	char text[CMDLINE_SIZE], url[URL_SIZE];
	struct err e = ERR_INIT;

	cmdline_read(text);
	if (a->agent_url)
		snprintf(url, sizeof(url), "%s", a->agent_url);
	else if (!cmdline_get(text, "agent_url", url, sizeof(url))) {
		log_error(
		    "the kernel's command line has no agent_url=: boot by the server's script or give --agent-url");
		return 2;
	}
	if (agent_run(url, text, &e) < 0)
		log_error("%s", e.msg);
	return 1;
}

int main(int argc, char **argv)
{
	struct arguments a = {.install.directory = "/target", .root = ""};
	int r = arguments_parse(argc, argv, &a);

	if (r)
		return r - 1;
	signal(SIGPIPE, SIG_IGN);
	setlocale(
	    LC_CTYPE, "C.UTF-8"); /* file names; see unpack/archive.c for where it has no effect */
	if (a.check)
		return check_run(a.check);
	if (a.plan)
		return plan_run(a.plan, a.disk_bytes);
	if (a.inventory)
		return inventory_main(a.root);
	if (geteuid() != 0) {
		fputs("os-installer: has to run as root\n", stderr);
		return 1;
	}
	umask(022);
	journal_start(a.verbose);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	return a.agent ? agent_main(&a) : install_main(&a);
}
