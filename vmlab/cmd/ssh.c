#include "vmlab/cmd/ssh.h"

#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/definition/login.h"
#include "vmlab/lab/command.h"
#include "vmlab/lab/keys.h"
#include "vmlab/lab/vm_container.h"
#include "lib/follow/cloud_init.h"
#include "vmlab/follow/power_state.h"
#include "lib/follow/progress.h"

/* The options of ssh(1) that take a value. */
static const char with_value[] = "BbcDEeFIiJLlmOopQRSWw";

int ssh_words_parse(int argc, char **argv, struct ssh_words *w, struct err *e)
{
	int i = 1;

	*w = (struct ssh_words){0};
	if (i < argc && strcmp(argv[i], "--unverified") == 0) {
		w->unverified = true;
		i++;
	}
	w->options_begin = i;
	for (; i < argc && argv[i][0] == '-' && argv[i][1]; i++) {
		if (strcmp(argv[i], "--") == 0)
			break;
		/* Bundled flags: the first that takes a value takes the rest, or the next word. */
		for (const char *p = argv[i] + 1; *p; p++) {
			if (!strchr(with_value, *p))
				continue;
			w->has_user |= *p == 'l';
			i += p[1] == '\0';
			break;
		}
	}
	w->options_end = i < argc ? i : argc;
	if (i < argc && strcmp(argv[i], "--") == 0)
		i++;
	if (i >= argc)
		return err_set(e, EINVAL, "which VM?");
	w->name = i;
	w->command_begin = i + 1;
	if (i + 1 < argc && strcmp(argv[i + 1], "--") == 0)
		w->command_begin++;
	return 0;
}

static bool user_valid(const char *user)
{
	static const char allowed[] =
	    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-";
	size_t len = strlen(user);

	return len > 0 && len <= 64 && *user != '-' && strspn(user, allowed) == len;
}

/* ssh runs ProxyCommand with a shell: what goes in there is quoted, or of a known alphabet. */
static int add_proxy(
    const struct lab *lab, const struct ssh_target *t, struct argv *a, struct err *e)
{
	if (strpbrk(t->client, "'%\n"))
		return err_set(e, EINVAL,
		    "the path of the container engine's client, %s, cannot be used with ssh: name another with VMLAB_ENGINE",
		    t->client);
	argv_addf(
	    a, "-oProxyCommand='%s' exec -i %s-net nc -q0 %s 22", t->client, lab->name, t->ip);
	return 0;
}

int ssh_args(const struct lab *lab, const struct ssh_target *t, const struct ssh_words *w,
    char **argv, int argc, struct argv *a, struct err *e)
{
	_cleanup_free_ char *alias = keys_host_alias(lab, t->name);
	_cleanup_free_ char *known = keys_known_hosts_path(lab, t->name);
	_cleanup_free_ char *identity = keys_identity_path(lab);
	struct in_addr parsed;

	if (!alias || !known || !identity)
		return err_set(e, ENOMEM, "out of memory");
	if (!w->has_user && t->nobody)
		return err_set(e, EACCES,
		    "nobody can log in to %s with a key: none of the \"users\" in its definition can have any; add one without \"system\", \"no_create_home\" and \"ssh_redirect_user\", or \"default\", then `vmlab reinstall %s`",
		    t->name, t->name);
	if (!w->has_user && !t->user)
		return err_set(e, EAGAIN,
		    "the guest has not told yet whom its keys let in: `vmlab wait %s` waits for that; or name a user: `vmlab ssh -l USER %s`",
		    t->name, t->name);
	if (!w->has_user && !user_valid(t->user))
		return err_set(
		    e, EINVAL, "the lab names a user for %s that ssh cannot use", t->name);
	if (inet_pton(AF_INET, t->ip, &parsed) != 1)
		return err_set(e, EINVAL, "the lab names no usable address for %s", t->name);
	/* The user's own configuration must not reach in: the name is ours, not the network's. */
	argv_adds(a, "ssh", "-F", "/dev/null");
	int r = add_proxy(lab, t, a, e);
	if (r < 0)
		return r;
	argv_addf(a, "-oHostKeyAlias=%s", alias);
	argv_addf(a, "-oIdentityFile=\"%s\"", identity);
	argv_add(a, "-oIdentitiesOnly=yes");
	argv_add(a, "-oGlobalKnownHostsFile=/dev/null");
	if (w->unverified)
		argv_adds(a, "-oUserKnownHostsFile=/dev/null", "-oStrictHostKeyChecking=no",
		    "-oLogLevel=ERROR");
	else
		argv_addf(a, "-oUserKnownHostsFile=\"%s\"", known);
	if (!w->unverified)
		argv_add(a, "-oStrictHostKeyChecking=yes");
	argv_add(a, "-oUpdateHostKeys=no");
	argv_extend(a, (size_t)(w->options_end - w->options_begin), argv + w->options_begin);
	/* First given wins: these give way to the caller's. A guest that reboots may be gone before
	 * it ends its sessions: three unanswered questions, 40 s, end them here. */
	argv_adds(a, "-oConnectTimeout=20", "-oServerAliveInterval=10");
	if (!w->has_user)
		argv_addf(a, "-l%s", t->user);
	argv_adds(a, "--", t->name);
	argv_extend(a, (size_t)(argc - w->command_begin), argv + w->command_begin);
	return 0;
}

/* ---- the command ----------------------------------------------------------------------------- */

struct login {
	struct session session;
	json_t *vm; /* the API's, or NULL while the stack is down */
	char *name, *user, *ip;
	bool nobody; /* can log in, by the definition */
};

static void login_clear(struct login *l)
{
	json_decref(l->vm);
	free(l->name);
	free(l->user);
	free(l->ip);
	session_clear(&l->session);
}

/* What the definition knows: a fixed address, and perhaps a user. */
static void from_definition(struct login *l, const char *name)
{
	struct vm_store *store = NULL;
	struct err ignored = ERR_INIT;
	char ip[INET_ADDRSTRLEN];

	if (session_open_store(&l->session, &store, &ignored) < 0)
		return;
	const struct vm_snapshot *snap = vm_store_snapshot(store);
	const struct vm *vm = vm_snapshot_by_name(snap, name);
	if (vm && !l->ip && vm->ip.s_addr && inet_ntop(AF_INET, &vm->ip, ip, sizeof(ip)))
		l->ip = strdup(ip);
	if (vm) {
		const char *user;
		l->nobody = vm_login(vm->more, &user) == VM_LOGIN_NOBODY;
		l->user = user ? strdup(user) : NULL;
	}
	vm_snapshot_unref(snap);
	vm_store_close(store);
}

static int look_up(struct login *l, const char *name, bool unverified, struct err *e)
{
	int r = api_get(l->session.api, &l->vm, e, "/vms/%s", name);

	if (r == -ENOENT)
		return err_set(e, ENOENT,
		    "%s has no definition, and so neither a user nor host keys of it are known: `vmlab machines` lists it, `vmlab adopt` writes one; its screen: `vmlab console %s`",
		    name, name);
	if (r < 0 && r != -ECONNREFUSED)
		return r;
	const char *stays = progress_stays(l->vm);
	const char *user = json_string_value(json_object_get(l->vm, "user"));
	const char *ip = json_string_value(json_object_get(l->vm, "ip"));
	const char *state = json_string_value(json_object_get(l->vm, "state"));
	l->user = user ? strdup(user) : NULL;
	l->ip = ip ? strdup(ip) : NULL;
	if (!l->user)
		from_definition(l, name);
	if (!l->ip)
		return err_set(e, ENOENT,
		    "no address is known for %s%s: it gets one when it boots; `vmlab ls` shows it",
		    name, l->vm ? "" : " while the stack is down");
	if (unverified)
		return 0;
	r = keys_remember_host(l->session.lab, name, json_object_get(l->vm, "ssh_host_keys"), e);
	_cleanup_free_ char *known = keys_known_hosts_path(l->session.lab, name);
	if (r == KEYS_NONE && stays)
		return err_set(e, EAGAIN, "%s has no system to log in to: %s (`vmlab console %s`)",
		    name, stays, name);
	if (r == KEYS_NONE && known && (l->vm || access(known, R_OK) < 0))
		return err_set(e, EAGAIN,
		    "%s has not reported its SSH host keys yet (state: %s): `vmlab wait --for ready %s` waits for them; for a guest without cloud-init: `vmlab ssh --unverified %s`",
		    name, state ? state : "unknown", name, name);
	return r < 0 ? r : 0;
}

/* Before ssh itself says no more than that the connection was closed. */
static void say_on_its_way(const json_t *vm)
{
	const char *name = json_string_value(json_object_get(vm, "name"));

	if (!name || !cloud_init_stage(vm))
		return;
	fprintf(stderr, "vmlab: %s still boots (", name);
	progress_state(stderr, vm);
	fprintf(
	    stderr, "), and may not let you in yet; `vmlab wait %s` waits until it does\n", name);
}

static int run(struct lab *lab, int argc, char **argv)
{
	struct login l = {.session = SESSION_INIT};
	_cleanup_argv_ struct argv a = ARGV_INIT;
	struct ssh_words w;
	struct err e = ERR_INIT;

	if (argc > 1 && strcmp(argv[1], "--help") == 0) {
		command_help(&ssh_command);
		return STATUS_OK;
	}
	if (ssh_words_parse(argc, argv, &w, &e) < 0)
		return command_usage(&ssh_command, "%s", e.msg);
	const char *name = argv[w.name];
	int r = session_open(&l.session, lab, &e);
	if (r == 0)
		r = session_check_name(&l.session, name, &e);
	if (r == 0 && (l.name = vm_container_machine(&l.session, name)))
		name = l.name;
	if (r == 0 && !container_list_role(&l.session.containers, "net"))
		r = err_set(&e, ENOTCONN, "lab \"%s\" is not up: `vmlab up %s`", lab->name, name);
	const struct container *c = r == 0 ? vm_container_find(&l.session, name) : NULL;
	if (r == 0 && c && !c->running)
		r = err_set(&e, ENOTCONN, "%s is stopped: `vmlab up %s` starts it", name, name);
	if (r == 0)
		r = look_up(&l, name, w.unverified, &e);
	if (r == 0 && power_state_of(c, l.vm) == POWER_STARTING)
		fprintf(stderr,
		    "vmlab: %s has just been started and its firmware still runs; `vmlab wait %s` waits until one can log in\n",
		    name, name);
	else if (r == 0)
		say_on_its_way(l.vm);
	if (r == 0) {
		struct ssh_target t = {.client = l.session.engine.client,
		    .name = name,
		    .user = l.user,
		    .nobody = l.nobody,
		    .ip = l.ip};
		r = ssh_args(lab, &t, &w, argv, argc, &a, &e);
	}
	if (r == 0)
		r = process_exec(&a, &e);
	login_clear(&l);
	return command_fail(&e);
}

const struct command ssh_command = {
    .name = "ssh",
    .args = "[--unverified] [SSH OPTION...] NAME [COMMAND...]",
    .summary = "log in to a VM, or run a command in it",
    .help =
	"Logs in with the lab's key, through the lab's own network: no route from this machine to the\n"
	"VM is needed. The VM's host key is checked against the one its cloud-init reported, so there\n"
	"is no question at the first login and no warning after a reinstall. Options of ssh(1) go\n"
	"before the name.\n"
	"\n"
	"  --unverified   do not check the host key (a guest without cloud-init reports none)\n"
	"\n"
	"Examples:\n"
	"  vmlab ssh web1\n"
	"  vmlab ssh web1 cloud-init status --long\n"
	"  vmlab ssh -L 8000:localhost:80 web1         a port of the VM on this machine\n"
	"  rsync -a -e 'vmlab ssh' site/ web1:/srv/site/\n"
	"  vmlab ssh web1 'sudo cat /etc/fstab' >fstab\n"
	"\n"
	"Exit status: that of the command; 255 when ssh fails, 1 when it was not started.\n",
    .run = run,
    .operands = OPERANDS_VM,
    .own_options = true,
};
