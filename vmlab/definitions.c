/* definitions.c - `vmlab new`, `vmlab validate`, `vmlab schema`, `vmlab reference`: commands about
 * the files in vms/. None of them needs a container engine.
 */
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

#include "atomic_file.h"
#include "cleanup.h"
#include "vmlab/command.h"
#include "vmlab/define.h"
#include "vmlab/preflight.h"
#include "vmlab/problems.h"
#include "vmlab/readable.h"

static int no_containers(struct lab *lab, struct err *e)
{
	struct container_list none = CONTAINER_LIST_INIT;

	return lab_adopt(lab, &none, e);
}

/* ---- new ------------------------------------------------------------------------------------- */

static const struct option new_options[] = {
    {"distro", required_argument, NULL, 'd'},
    {"arch", required_argument, NULL, 'a'},
    {"cpus", required_argument, NULL, 'c'},
    {"memory", required_argument, NULL, 'm'},
    {"disk", required_argument, NULL, 'k'},
    {"ip", required_argument, NULL, 'I'},
    {"mac", required_argument, NULL, 'M'},
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
		const char *dot = strrchr(entry->d_name, '.');
		char path[PATH_MAX];
		if (!dot || strcmp(dot, ".json") != 0 ||
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
		if (*entry->d_name == '_' || *entry->d_name == '.' || !dot ||
		    strcmp(dot, ".json") != 0 ||
		    (strncmp(entry->d_name, w->name, (size_t)(dot - entry->d_name)) == 0 &&
			w->name[dot - entry->d_name] == '\0'))
			continue; /* its own file is write_new()'s to refuse */
		if (asprintf(&path, "%s/%s", lab->vms_dir, entry->d_name) < 0)
			return err_set(e, ENOMEM, "out of memory");
		if (file_read(path, VM_FILE_MAX_BYTES, &text, &len, &ignored) < 0 ||
		    !(field = define_taken(&claims, text, len)))
			continue;
		return err_set(e, EEXIST,
		    "%s \"%s\" is taken by %s: give another%s", field,
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
	_cleanup_free_ char *path = NULL, *defaults_text = NULL;
	_cleanup_json_ json_t *defaults = NULL;
	struct vm_where where;
	struct err ignored = ERR_INIT;
	struct vm *vm = NULL;
	size_t len;

	if (asprintf(&path, "%s/_defaults.json", lab->vms_dir) < 0)
		return err_set(e, ENOMEM, "out of memory");
	if (file_read(path, VM_FILE_MAX_BYTES, &defaults_text, &len, &ignored) == 0 &&
	    vm_defaults_parse(defaults_text, len, &defaults, &where, &ignored) < 0)
		defaults = NULL;
	int r = vm_parse(text, strlen(text), defaults, &vm, &where, NULL, NULL, e);
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

/* What only the folder as a whole can tell: two machines with one address. */
static int check_conflicts(struct lab *lab, const char *name, struct err *e)
{
	struct vm_store *store = NULL;

	int r = definitions_open(lab, &store, e);
	if (r < 0)
		return r;
	const struct vm_snapshot *snap = vm_store_snapshot(store);
	if (!vm_snapshot_by_name(snap, name)) {
		problems_print_vm(stderr, lab, snap, name);
		r = err_set(e, EINVAL, "%s/%s.json is not usable yet, see above: edit it",
		    lab->vms_dir, name);
	}
	vm_snapshot_unref(snap);
	vm_store_close(store);
	return r;
}

static int make(struct lab *lab, struct define_words *w, struct err *e)
{
	char ip[INET_ADDRSTRLEN], mac[MAC_TEXT_SIZE];
	_cleanup_free_ char *text = NULL, *path = NULL;
	int r = 0;

	if (!vm_name_valid(w->name))
		return err_set(e, EINVAL,
		    "\"%s\" is no VM name: lower case letters, digits and '-', at most 63 "
		    "characters, no '-' at either end",
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
	if (r == 0)
		r = check_conflicts(lab, w->name, e);
	if (r == 0)
		printf("%s: %s, %s\n%sNow: vmlab up %s\n", path, w->mac, w->ip, text, w->name);
	return r;
}

static int new_run(struct lab *lab, int argc, char **argv)
{
	struct define_words w = {
	    .distro = "debian-13", .arch = "amd64", .cpus = "2", .memory = "1G", .disk = "10G"};
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
		if (!slot)
			return command_usage(&new_command, "wrong option");
		*slot = optarg;
	}
	if (argc - optind != 1)
		return command_usage(&new_command, "one NAME, please");
	if (strspn(w.cpus, "0123456789") != strlen(w.cpus) || strlen(w.cpus) > 4)
		return command_usage(&new_command, "--cpus \"%s\" is no number", w.cpus);
	w.name = argv[optind];
	/* The first definition of a folder that has none yet. */
	if (!lab->vms_given && readable_mkdir("vms", &e) < 0)
		return command_fail(&e);
	int r = no_containers(lab, &e);
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
	    "  --arch ARCH      amd64 (default) or arm64\n"
	    "  --cpus N         default 2\n"
	    "  --memory SIZE    e.g. 512M, 2G (default 1G)\n"
	    "  --disk SIZE      e.g. 8G (default 10G)\n"
	    "  --ip ADDRESS     default: the first free one of the lab's network\n"
	    "  --mac ADDRESS    default: a free one that begins with 52:54:00\n"
	    "\n"
	    "Examples:\n"
	    "  vmlab new web1\n"
	    "  vmlab new db1 --memory 2G --disk 20G && vmlab up db1\n"
	    "  vmlab new pi1 --arch arm64\n",
    .run = new_run,
};

/* ---- validate -------------------------------------------------------------------------------- */

struct report {
	bool json;
	json_t *list;
	size_t errors, warnings, files;
	const char *file;
};

static void report_add(struct report *rp, const char *folder, const char *file,
    struct vm_where where, bool warning, const char *text)
{
	struct vm_problem p = {
	    .file = (char *)file, .where = where, .text = (char *)text, .warning = warning};

	if (warning)
		rp->warnings++;
	else
		rp->errors++;
	if (rp->json)
		json_array_append_new(rp->list, problem_json(&p));
	else
		problem_print(stdout, folder, file, where, warning, text);
}

static void on_warning(void *ctx, struct vm_where where, const char *text)
{
	struct report *rp = ctx;

	report_add(rp, NULL, rp->file, where, true, text);
}

static void on_error(void *ctx, struct vm_where where, const char *text)
{
	struct report *rp = ctx;

	report_add(rp, NULL, rp->file, where, false, text);
}

/* What is valid and will not work all the same, at the field that says it. */
static void validate_outlook(
    struct report *rp, const struct lab *lab, const struct vm *vm, const char *file)
{
	_cleanup_subject_ struct subject subject = SUBJECT_INIT;
	_cleanup_free_ char *path = NULL, *text = NULL;
	struct err e = ERR_INIT;
	struct preflight found;
	size_t len = 0;

	if (subject_load(lab, vm, &subject, &e) < 0) {
		report_add(rp, lab->vms_dir, file, (struct vm_where){0, 0}, true, e.msg);
		return;
	}
	preflight_check(&subject, &found);
	if (found.count > 0 && asprintf(&path, "%s/%s", lab->vms_dir, file) > 0 &&
	    file_read(path, VM_FILE_MAX_BYTES, &text, &len, &e) < 0)
		text = NULL;
	for (size_t i = 0; i < found.count; i++) {
		const struct preflight_finding *f = &found.finding[i];
		char sentence[1100];
		snprintf(sentence, sizeof(sentence), "\"%s\": %s", f->field, f->text);
		report_add(rp, lab->vms_dir, file, problem_where(text, len, f->field), true, sentence);
	}
}

static void validate_folder(
    struct report *rp, const struct lab *lab, const struct vm_snapshot *snap, const char *only)
{
	char complaint[PATH_MAX + 200], path[PATH_MAX];

	if (!only && readable_complaint(lab->vms_dir, complaint, sizeof(complaint)))
		report_add(rp, NULL, lab->vms_dir, (struct vm_where){0, 0}, true, complaint);
	for (size_t i = 0; i < vm_snapshot_count(snap); i++) {
		const struct vm *vm = vm_snapshot_at(snap, i);
		const char *file = vm_snapshot_file(snap, vm);
		snprintf(path, sizeof(path), "%s/%s", lab->vms_dir, file);
		if ((!only || strcmp(only, file) == 0) &&
		    readable_complaint(path, complaint, sizeof(complaint)))
			report_add(rp, lab->vms_dir, file, (struct vm_where){0, 0}, true, complaint);
		if (!only || strcmp(only, file) == 0)
			validate_outlook(rp, lab, vm, file);
	}
	for (size_t i = 0; i < vm_snapshot_problem_count(snap); i++) {
		const struct vm_problem *p = vm_snapshot_problem_at(snap, i);
		if (!only || strcmp(only, p->file) == 0)
			report_add(rp, lab->vms_dir, p->file, p->where, p->warning, p->text);
	}
}

/* A file that is not in vms/: on its own, with the defaults beside it. */
static void validate_alone(struct report *rp, const char *path)
{
	_cleanup_free_ char *text = NULL, *defaults_path = NULL, *defaults_text = NULL;
	_cleanup_json_ json_t *defaults = NULL;
	struct vm_listener listener = {on_warning, on_error, rp};
	struct vm_where where = {0, 0};
	struct err e = ERR_INIT, ignored = ERR_INIT;
	struct vm *vm = NULL;
	size_t len;
	const char *slash = strrchr(path, '/');
	int folder = slash ? (int)(slash + 1 - path) : 0;

	rp->file = path;
	int r = file_read(path, VM_FILE_MAX_BYTES, &text, &len, &e);
	if (r == 0 && strcmp(path + folder, "_defaults.json") == 0) {
		r = vm_defaults_parse_all(text, len, &defaults, &where, &listener, &e);
	} else if (r == 0) {
		size_t defaults_len;
		if (asprintf(&defaults_path, "%.*s_defaults.json", folder, path) < 0)
			return;
		if (file_read(defaults_path, VM_FILE_MAX_BYTES, &defaults_text, &defaults_len,
			&ignored) == 0 &&
		    vm_defaults_parse(defaults_text, defaults_len, &defaults, &where, &ignored) < 0)
			defaults = NULL;
		r = vm_parse_all(text, len, defaults, &vm, &where, &listener, &e);
	}
	if (r < 0)
		report_add(rp, NULL, path, where, false, e.msg);
	vm_free(vm);
}

/* The base name when `path` lies directly in vms/, else NULL. */
static const char *in_folder(const struct lab *lab, const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *folder =
	    slash ? strndup(path, (size_t)(slash - path + 1)) : strdup(".");
	_cleanup_free_ char *real = folder ? realpath(folder, NULL) : NULL;
	const char *base = slash ? slash + 1 : path;

	if (!lab->vms_dir || !real || strcmp(real, lab->vms_dir) != 0 || *base == '_')
		return NULL;
	return access(path, F_OK) == 0 ? base : NULL;
}

static int validate(struct lab *lab, struct report *rp, int count, char **files, struct err *e)
{
	struct vm_store *store = NULL;
	const struct vm_snapshot *snap = NULL;

	int r = no_containers(lab, e);
	if (r == 0 && (count == 0 || lab->vms_dir))
		r = definitions_open(lab, &store, e);
	if (r < 0 && count == 0)
		return r;
	if (store)
		snap = vm_store_snapshot(store);
	if (count == 0) {
		validate_folder(rp, lab, snap, NULL);
		rp->files = vm_snapshot_count(snap);
	}
	for (int i = 0; i < count; i++) {
		const char *base = snap ? in_folder(lab, files[i]) : NULL;
		if (base)
			validate_folder(rp, lab, snap, base);
		else
			validate_alone(rp, files[i]);
		rp->files++;
	}
	if (snap)
		vm_snapshot_unref(snap);
	if (store)
		vm_store_close(store);
	return 0;
}

static int validate_run(struct lab *lab, int argc, char **argv)
{
	static const struct option options[] = {{"json", no_argument, NULL, 'j'}, {0}};
	struct report rp = {0};
	struct err e = ERR_INIT;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		rp.json |= o == 'j';
		if (o == '?')
			return command_usage(&validate_command, "wrong option");
	}
	_cleanup_json_ json_t *list = rp.list = json_array();
	int r = validate(lab, &rp, argc - optind, argv + optind, &e);
	if (r < 0)
		return command_fail(&e);
	if (rp.json) {
		_cleanup_json_ json_t *doc =
		    json_pack("{s:b, s:O}", "valid", rp.errors == 0, "problems", list);
		json_dumpf(doc, stdout, JSON_INDENT(2));
		putchar('\n');
	} else if (rp.errors == 0) {
		printf("%zu definition%s, no error%s\n", rp.files, rp.files == 1 ? "" : "s",
		    rp.warnings ? ", see the warnings" : "");
	}
	return rp.errors == 0 ? STATUS_OK : STATUS_FAILED;
}

const struct command validate_command = {
    .name = "validate",
    .args = "[--json] [FILE...]",
    .summary = "check definitions: file, line and column of whatever is wrong",
    .help = "Checks all of vms/, or the named files, exactly as the lab will: syntax, every field, "
	    "and\n"
	    "two files that claim one name, MAC, IP, UUID or serial number. Needs no running lab.\n"
	    "\n"
	    "  --json    "
	    "{\"valid\",\"problems\":[{\"file\",\"line\",\"column\",\"text\",\"warning\"}]}\n"
	    "\n"
	    "Examples:\n"
	    "  vmlab validate\n"
	    "  vmlab validate vms/web1.json\n"
	    "\n"
	    "Exit status: 0 all valid (there may be warnings), 1 something is wrong.\n",
    .run = validate_run,
};

/* ---- schema, reference ----------------------------------------------------------------------- */

static int schema_run(struct lab *lab, int argc, char **argv)
{
	(void)lab;
	(void)argv;
	if (argc > 1)
		return command_usage(&schema_command, "it takes no argument");
	_cleanup_json_ json_t *schema = vm_schema();
	if (!schema || json_dumpf(schema, stdout, JSON_INDENT(2)) < 0)
		return STATUS_FAILED;
	putchar('\n');
	return STATUS_OK;
}

const struct command schema_command = {
    .name = "schema",
    .args = "",
    .summary = "print the JSON Schema of definitions",
    .help = "For editors that complete and check while you type.\n"
	    "\n"
	    "Example:\n"
	    "  vmlab schema >vms/vm.schema.json\n",
    .run = schema_run,
};

static int reference_run(struct lab *lab, int argc, char **argv)
{
	struct err e = ERR_INIT;

	(void)lab;
	(void)argv;
	if (argc > 1)
		return command_usage(&reference_command, "it takes no argument");
	return vm_reference_write(stdout, &e) < 0 ? command_fail(&e) : STATUS_OK;
}

const struct command reference_command = {
    .name = "reference",
    .args = "",
    .summary = "print the reference of a definition's fields",
    .help = "Every field with its meaning, default and an example, as Markdown.\n"
	    "\n"
	    "Example:\n"
	    "  vmlab reference | less\n",
    .run = reference_run,
};
