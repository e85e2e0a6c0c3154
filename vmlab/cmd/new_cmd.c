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
#include "vmlab/lab/beside.h"
#include "vmlab/lab/command.h"
#include "vmlab/cmd/define.h"
#include "vmlab/judge/preflight.h"
#include "vmlab/lab/problems.h"
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

/* Refuses what another file says already, also one that is refused itself: the stack would not use
 * the new one. */
static int check_free(const struct lab *lab, const struct define_words *w, struct err *e)
{
	_cleanup_closedir_ DIR *d = opendir(lab->vms_dir);
	struct define_claims claims;
	struct dirent *entry;
	struct err ignored = ERR_INIT;

	if (define_claims_of(w, &claims, e) < 0)
		return -e->code;
	while (d && (entry = readdir(d))) {
		const char *dot = strrchr(entry->d_name, '.'), *field;
		_cleanup_free_ char *text = NULL, *path = NULL;
		size_t len;
		if (!vm_file_is_definition(entry->d_name) || !dot ||
		    (strncmp(entry->d_name, w->name, (size_t)(dot - entry->d_name)) == 0 &&
			w->name[dot - entry->d_name] == '\0'))
			continue; /* its own file is write_new()'s to refuse */
		if (asprintf(&path, "%s/%s", lab->vms_dir, entry->d_name) < 0)
			return err_set(e, ENOMEM, "out of memory");
		if (file_read(path, VM_FILE_MAX_BYTES, &text, &len, &ignored) < 0 ||
		    !(field = define_taken(&claims, text, len)))
			continue;
		return err_set(e, EEXIST, "%s \"%s\" is taken by %s: give another%s", field,
		    strcmp(field, "name") == 0 ? w->name
		    : strcmp(field, "ip") == 0 ? w->ip
					       : w->mac,
		    path, strcmp(field, "name") == 0 ? "" : ", or leave the option out");
	}
	return 0;
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

/* Refuses text that the lab would refuse, before anything is written. */
static int check_text(const struct lab *lab, const char *text, struct err *e)
{
	_cleanup_beside_ struct beside beside = {0};
	const struct vm_listener nobody = {0};
	struct vm_where where;
	struct vm *vm = NULL;

	int r = beside_open(&beside, lab->vms_dir, e);
	if (r == 0)
		r = vm_parse_all(text, strlen(text), &beside.base, &vm, &where, &nobody, e);
	vm_free(vm);
	return r;
}

static int write_new(const char *path, const char *text, struct err *e)
{
	_cleanup_close_ int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	size_t len = strlen(text);

	if (fd < 0 && errno == EEXIST)
		return err_set(
		    e, EEXIST, "%s exists already: edit it, or choose another name", path);
	if (fd < 0)
		return err_errno(e, "cannot create %s", path);
	if (write(fd, text, len) != (ssize_t)len || fsync(fd) < 0 || fchmod(fd, 0644) < 0 ||
	    close(steal_fd(&fd)) < 0) {
		int r = err_errno(e, "cannot write %s", path);
		unlink(path);
		return r;
	}
	return 0;
}

/* What can be known of its installation by now. */
static void print_outlook(FILE *f, const struct lab *lab, const struct vm *vm)
{
	_cleanup_subject_ struct subject subject = SUBJECT_INIT;
	struct preflight found = {0};
	struct err e = ERR_INIT;

	if (subject_load(lab, vm, &subject, &e) == 0)
		preflight_check(&subject, &found);
	else
		fprintf(f, "%s: warning: %s\n", vm->name, e.msg);
	for (size_t i = 0; i < found.count; i++)
		fprintf(f, "%s: %s\"%s\": %s\n", vm->name,
		    found.finding[i].fatal ? "" : "warning: ", found.finding[i].field,
		    found.finding[i].text);
}

/* What only the folder as a whole can tell: two machines with one address. Says what `vmlab
 * validate` would say of a definition that is used. */
static int check_conflicts(struct lab *lab, const char *name, struct err *e)
{
	struct vm_store *store = NULL;

	int r = definitions_open(lab, &store, e);
	if (r < 0)
		return r;
	const struct vm_snapshot *snap = vm_store_snapshot(store);
	const struct vm *vm = vm_snapshot_by_name(snap, name);
	if (vm) {
		problems_print_vm(stderr, lab, snap, name);
		print_outlook(stderr, lab, vm);
	} else {
		if (!problems_hide(stderr, lab, snap, name, e))
			err_set(e, EINVAL, "it is not used");
		r = err_wrap(e, "%s/%s.json is not written", lab->vms_dir, name);
	}
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

	if (!vm_label_valid(w->name))
		return err_set(e, EINVAL,
		    "\"%s\" is no VM name: lower case letters, digits and '-', at most 63 characters, no '-' at either end",
		    w->name);
	if (asprintf(&path, "%s/%s.json", lab->vms_dir, w->name) < 0)
		return err_set(e, ENOMEM, "out of memory");
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
	r = check_free(lab, w, e);
	if (r < 0)
		return r;
	text = define_render(w);
	if (!text)
		return err_set(e, ENOMEM, "out of memory");
	r = check_text(lab, text, e);
	if (r == 0)
		r = write_new(path, text, e);
	if (r == 0) {
		r = check_conflicts(lab, w->name, e);
		if (r < 0)
			unlink(path); /* ours: write_new() overwrites nothing */
	}
	if (r == 0)
		printf("%s: %s, %s\n%sNow: vmlab up %s\n", path, w->mac, w->ip, text, w->name);
	return r;
}

/* FIELD=VALUE, for the fields that have no option. */
static int set_field(json_t *more, const char *text, struct err *e)
{
	size_t len = strcspn(text, "=");
	_cleanup_free_ char *name = strndup(text, len);

	if (!name)
		return err_set(e, ENOMEM, "out of memory");
	if (!text[len])
		return err_set(e, EINVAL, "--set \"%s\" is not FIELD=VALUE", text);
	json_t *value = vm_field_value(name, text + len + 1, e);
	return value ? json_object_set_new(more, name, value) : err_wrap(e, "--set");
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
		else if (set_field(more, optarg, &e) < 0)
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
