/* new_cmd.c - `vmlab new`: a definition that works, for its user to edit. Needs no container
 * engine. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>

#include "lib/base/atomic_file.h"
#include "lib/base/cleanup.h"
#include "vmlab/lab/command.h"
#include "vmlab/cmd/define.h"
#include "vmlab/cmd/define_file.h"
#include "vmlab/lab/readable.h"

static const struct option new_options[] = {
    {"distro", required_argument, NULL, 'd'},
    {"arch", required_argument, NULL, 'a'},
    {"cpus", required_argument, NULL, 'c'},
    {"memory", required_argument, NULL, 'm'},
    {"disk", required_argument, NULL, 'k'},
    {"ip", required_argument, NULL, 'I'},
    {"mac", required_argument, NULL, 'M'},
    {"set", required_argument, NULL, 's'},
    {0},
};

/* The "ip" of every definition in the folder, also of those that are refused: host order. */
static size_t used_ips(const char *folder, uint32_t **out)
{
	_cleanup_closedir_ DIR *d = opendir(folder);
	struct dirent *entry;
	size_t count = 0;

	*out = NULL;
	while (d && (entry = readdir(d))) {
		char path[PATH_MAX];
		if (!vm_file_is_definition(entry->d_name) ||
		    snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name) >= PATH_MAX)
			continue;
		_cleanup_free_ char *text = NULL;
		struct err ignored = ERR_INIT;
		struct cidr4 ip;
		size_t len;
		if (file_read(path, VM_FILE_MAX_BYTES, &text, &len, &ignored) < 0)
			continue;
		_cleanup_json_ json_t *o = json_loadb(text, len, 0, NULL);
		const char *value = json_string_value(json_object_get(o, "ip"));
		if (!value || cidr4_parse(value, false, &ip, &ignored) < 0)
			continue;
		uint32_t *grown = reallocarray(*out, count + 1, sizeof(**out));
		if (!grown)
			break;
		*out = grown;
		(*out)[count++] = ntohl(ip.addr.s_addr);
	}
	return count;
}

static int choose_ip(struct lab *lab, char *ip, struct err *e)
{
	_cleanup_free_ uint32_t *used = NULL;
	size_t count = used_ips(lab->vms_dir, &used);
	struct in_addr free_ip = {htonl(define_free_ip(&lab->cidr, used, count))};

	if (free_ip.s_addr == 0)
		return err_set(e, EADDRNOTAVAIL,
		    "no address is free in the lower half of %s: give one with --ip",
		    lab->cidr_text);
	inet_ntop(AF_INET, &free_ip, ip, INET_ADDRSTRLEN);
	return 0;
}

static int choose_mac(struct lab *lab, char *text, struct err *e)
{
	struct vm_store *store = NULL;
	uint32_t random;

	int r = definitions_open(lab, &store, e);
	if (r < 0)
		return r;
	const struct vm_snapshot *snap = vm_store_snapshot(store);
	struct mac mac;
	do {
		if (getrandom(&random, sizeof(random), 0) != sizeof(random)) {
			r = err_errno(e, "no random number for a MAC address");
			break;
		}
		mac = define_mac(random);
		mac_format(&mac, text);
	} while (vm_snapshot_by_mac(snap, &mac));
	vm_snapshot_unref(snap);
	vm_store_close(store);
	return r;
}

static int make(struct lab *lab, const struct define_words *asked, struct err *e)
{
	struct define_words words = *asked, *w = &words;
	char ip[INET_ADDRSTRLEN], mac[MAC_TEXT_SIZE];
	_cleanup_free_ char *text = NULL, *path = NULL;
	int r = 0;

	if (!w->ip) {
		r = choose_ip(lab, ip, e);
		w->ip = ip;
	}
	if (r == 0 && !w->mac) {
		r = choose_mac(lab, mac, e);
		w->mac = mac;
	}
	if (r < 0)
		return r;
	r = define_write(lab, w, &path, &text, e);
	if (r == 0)
		printf("%s: %s, %s\n%sNow: vmlab up %s\n", path, w->mac, w->ip, text, w->name);
	return r;
}

static int new_run(struct lab *lab, int argc, char **argv)
{
	struct define_words w = {.distro = "debian-13",
	    .arch = vm_arch_name(VM_ARCH_AMD64),
	    .cpus = "2",
	    .memory = "1G",
	    .disk = "10G"};
	_cleanup_json_ json_t *more = w.more = json_object();
	struct err e = ERR_INIT;
	int o;

	while ((o = getopt_long(argc, argv, "", new_options, NULL)) != -1) {
		const char **slot = o == 'd'   ? &w.distro
				    : o == 'a' ? &w.arch
				    : o == 'c' ? &w.cpus
				    : o == 'm' ? &w.memory
				    : o == 'k' ? &w.disk
				    : o == 'I' ? &w.ip
				    : o == 'M' ? &w.mac
					       : NULL;
		if (slot)
			*slot = optarg;
		else if (o != 's')
			return command_wrong_option(&new_command, argv);
		else if (define_set(more, optarg, &e) < 0)
			return command_usage(&new_command, "%s", e.msg);
	}
	if (argc - optind != 1)
		return command_usage(&new_command, "one NAME, please");
	if (strspn(w.cpus, "0123456789") != strlen(w.cpus) || strlen(w.cpus) > 4)
		return command_usage(&new_command, "--cpus \"%s\" is no number", w.cpus);
	w.name = argv[optind];
	/* The first definition of a folder that has none yet. */
	if (!lab->vms_given && readable_mkdir("vms", &e) < 0)
		return command_fail(&e);
	/* A lab that runs has a network; without an engine, or a lab, it is the default or what is
	 * given. */
	_cleanup_session_ struct session s = SESSION_INIT;
	struct err ignored = ERR_INIT;
	int r = session_open(&s, lab, &ignored);
	if (r < 0)
		r = lab_adopt(lab, &(struct container_list)CONTAINER_LIST_INIT, &e);
	if (r == 0)
		r = lab_need_vms(lab, &e);
	if (r == 0)
		r = make(lab, &w, &e);
	return r < 0 ? command_fail(&e) : STATUS_OK;
}

const struct command new_command = {
    .name = "new",
    .args = "NAME [OPTION...]",
    .summary = "write vms/NAME.json with a free MAC and IP address",
    .help = "Writes a definition that works, for you to edit. Never overwrites a file.\n"
	    "\n"
	    "  --distro NAME    image to install (default debian-13; `vmlab image ls` lists them)\n"
	    "  --arch ARCH      " ARCH_OR_DEFAULT "\n"
	    "  --cpus N         default 2\n"
	    "  --memory SIZE    e.g. 512M, 2G (default 1G)\n"
	    "  --disk SIZE      e.g. 8G (default 10G)\n"
	    "  --ip ADDRESS     default: the first free one of the lab's network\n"
	    "  --mac ADDRESS    default: a free one that begins with 52:54:00\n"
	    "  --set FIELD=VALUE  any other field of one value (`vmlab reference` has them all)\n"
	    "\n"
	    "Examples:\n"
	    "  vmlab new web1\n"
	    "  vmlab new db1 --memory 2G --disk 20G && vmlab up db1\n"
	    "  vmlab new pi1 --arch arm64 --set kernel_args=mitigations=off\n",
    .run = new_run,
};
