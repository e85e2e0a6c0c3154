#include "vmlab/lab/container.h"

#include <arpa/inet.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/machine/console.h"
#include "lib/machine/vm_setting.h"
#include "vmlab/lab/lab_console.h"
#include "vmlab/lab/vm_uuid.h"

#define MIB (1024 * 1024)

char *container_name(const struct lab *lab, const char *role, const char *vm)
{
	char *name;
	int n = vm ? asprintf(&name, "%s-%s-%s", lab->name, role, vm)
		   : asprintf(&name, "%s-%s", lab->name, role);

	return n < 0 ? NULL : name;
}

/* Appends key=value to a spec; what separates pairs is written as %3B. */
static void print_pair(FILE *f, const char *key, const char *value)
{
	fprintf(f, "%s%s=", ftell(f) > 0 ? ";" : "", key);
	for (; *value; value++) {
		if (*value == ';' || *value == '%')
			fprintf(f, "%%%02X", (unsigned)*value);
		else
			fputc(*value, f);
	}
}

char *container_net_spec(const struct lab *lab)
{
	char *spec;

	return asprintf(&spec, "port=%d", lab->port) < 0 ? NULL : spec;
}

char *container_stack_spec(const struct lab *lab)
{
	char *spec = NULL;
	size_t len;
	FILE *f = open_memstream(&spec, &len);

	if (!f)
		return NULL;
	print_pair(f, "vms", lab->vms_dir);
	print_pair(f, "images", lab->images_dir);
	print_pair(f, "cidr", lab->cidr_text);
	print_pair(f, "domain", lab->domain);
	print_pair(f, "reach", lab->reach);
	print_pair(f, "strangers", lab->strangers);
	print_pair(f, "dir", lab->dir);
	fprintf(f, ";port=%d", lab->port);
	if (fclose(f) != 0) {
		free(spec);
		return NULL;
	}
	return spec;
}

#define VALUE_SIZE 256

/* What a setting is for this VM; "" where its definition says nothing. Borrowed. */
static const char *value_of(
    const struct lab *lab, const struct vm *vm, const struct vm_setting *s, char buf[VALUE_SIZE])
{
	size_t used = 0;

	if (strcmp(s->field, "mac") == 0)
		return mac_format(&vm->mac, buf);
	if (strcmp(s->field, "uuid") == 0)
		return vm_uuid_of(lab, vm, buf);
	buf[0] = '\0';
	if (strcmp(s->field, "disks") == 0) {
		for (unsigned i = 0; i < vm->disk_count; i++)
			used += (size_t)snprintf(buf + used, VALUE_SIZE - used, "%s%" PRIu64,
			    i ? " " : "", vm->disk_bytes[i]);
		return buf;
	}
	const char *text = vm_field_text(vm, s->field, buf);
	if (text && s->unit)
		snprintf(buf, VALUE_SIZE, "%llu", strtoull(text, NULL, 10) / s->unit);
	return text ? text : "";
}

/* Its name is a label of its own. */
char *container_vm_spec(const struct lab *lab, const struct vm *vm)
{
	char *spec = NULL, buf[VALUE_SIZE];
	size_t len;
	FILE *f = open_memstream(&spec, &len);

	if (!f)
		return NULL;
	for (size_t i = 0; i < vm_setting_count; i++) {
		const struct vm_setting *s = &vm_settings[i];
		if (!s->field || strcmp(s->field, "name") == 0)
			continue;
		print_pair(f, s->field, value_of(lab, vm, s, buf));
		fputs(s->unit ? " MiB" : "", f);
	}
	if (fclose(f) != 0) {
		free(spec);
		return NULL;
	}
	return spec;
}

/* The value of `key` in a spec of ';'-joined pairs; NULL when absent. */
static const char *spec_find(const char *spec, const char *key, size_t key_len, size_t *len)
{
	for (const char *p = spec; *p;) {
		size_t pair = strcspn(p, ";");
		if (pair > key_len && p[key_len] == '=' && memcmp(p, key, key_len) == 0) {
			*len = pair - key_len - 1;
			return p + key_len + 1;
		}
		p += pair + (p[pair] == ';');
	}
	*len = 0;
	return NULL;
}

/* A VM that was made before there was a field of words has what holds without it. */
static bool is_builtin(const char *key, size_t key_len, const char *value, size_t len)
{
	for (size_t i = 0; i < vm_setting_count; i++) {
		const struct vm_setting *s = &vm_settings[i];
		if (s->field && strlen(s->field) == key_len && memcmp(s->field, key, key_len) == 0)
			return s->word && strlen(s->builtin) == len &&
			       memcmp(s->builtin, value, len) == 0;
	}
	return false;
}

char *container_spec_diff(const char *old_spec, const char *new_spec)
{
	char *diff = NULL;
	size_t size;
	FILE *f = open_memstream(&diff, &size);
	bool first = true;

	if (!f)
		return NULL;
	for (const char *p = new_spec; *p;) {
		size_t pair = strcspn(p, ";"), key_len = strcspn(p, "=;"), old_len;
		const char *old = spec_find(old_spec, p, key_len, &old_len);
		size_t new_len = pair > key_len ? pair - key_len - 1 : 0;
		const char *value = p + key_len + (pair > key_len);
		if (old ? old_len != new_len || memcmp(old, value, new_len) != 0
			: !is_builtin(p, key_len, value, new_len)) {
			fprintf(f, "%s%.*s", first ? "" : ", ", (int)key_len, p);
			first = false;
		}
		p += pair + (p[pair] == ';');
	}
	if (fclose(f) != 0) {
		free(diff);
		return NULL;
	}
	return diff;
}

/* What all three have in common, up to the options of their own. */
static void common_args(const struct lab *lab, const char *name, const char *role, const char *vm,
    char *spec, struct argv *a)
{
	if (!spec) {
		a->failed = true;
		return;
	}
	argv_adds(a, "run", "--detach", "--name", name);
	argv_addf(a, "--label=vmlab.lab=%s", lab->name);
	argv_addf(a, "--label=vmlab.role=%s", role);
	argv_addf(a, "--label=vmlab.spec=%s", spec);
	if (vm)
		argv_addf(a, "--label=vmlab.vm=%s", vm);
	argv_addf(a, "--label=vmlab.vms=%s", lab->vms_dir);
	if (lab->folder_id && *lab->folder_id)
		argv_addf(a, "--label=vmlab.folder=%s", lab->folder_id);
	argv_addf(a, "--label=vmlab.images=%s", lab->images_dir);
	argv_addf(a, "--label=vmlab.dir=%s", lab->dir);
	argv_addf(a, "--label=vmlab.port=%d", lab->port);
	argv_addf(a, "--label=vmlab.cidr=%s", lab->cidr_text);
	argv_addf(a, "--label=vmlab.domain=%s", lab->domain);
	argv_addf(a, "--label=vmlab.reach=%s", lab->reach);
	argv_addf(a, "--label=vmlab.strangers=%s", lab->strangers);
	free(spec);
}

/* Bounded, and readable by `vmlab logs` whatever the engine's default is. */
static void log_args(struct argv *a)
{
	argv_adds(a, "--log-driver=json-file", "--log-opt=max-size=16m", "--log-opt=max-file=2");
}

/* No more rights than it needs, and nothing to write to but its volumes. */
static void confine_args(
    struct argv *a, const char *capabilities, unsigned pids, uint64_t memory_mib)
{
	argv_adds(a, "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only",
	    "--tmpfs=/run", "--tmpfs=/tmp");
	for (const char *p = capabilities; *p; p += strspn(p, " ")) {
		size_t len = strcspn(p, " ");
		argv_addf(a, "--cap-add=%.*s", (int)len, p);
		p += len;
	}
	argv_addf(a, "--pids-limit=%u", pids);
	argv_addf(a, "--memory=%" PRIu64 "m", memory_mib);
}

#define STACK_PIDS 200
#define STACK_MEMORY_MIB 512
/* What QEMU takes beside the guest's memory: under emulation 512 MiB of translated code, and what
 * it keeps to find its way in that. */
#define VM_PIDS 200
#define VM_EXTRA_MIB 512
#define VM_EMULATED_EXTRA_MIB 1536

void container_net_args(const struct lab *lab, const char *name, bool ipv6, struct argv *a)
{
	common_args(lab, name, "net", NULL, container_net_spec(lab), a);
	argv_addf(a, "--hostname=%s", lab->name);
	if (lab->port != LAB_PORT_NONE)
		argv_addf(a, "--publish=127.0.0.1:%d:8080", lab->port);
	log_args(a);
	argv_adds(a, "--cap-drop=ALL", "--security-opt=no-new-privileges", "--read-only");
	argv_add(a, "--sysctl=net.ipv4.ip_forward=1");
	if (ipv6)
		argv_adds(a, "--sysctl=net.ipv6.conf.all.disable_ipv6=0",
		    "--sysctl=net.ipv6.conf.default.disable_ipv6=0",
		    "--sysctl=net.ipv6.conf.all.forwarding=1");
	/* Nothing to end in an orderly way: sleep as process 1 ignores SIGTERM. */
	argv_adds(a, "--no-healthcheck", "--stop-signal=SIGKILL", "--entrypoint=/bin/sleep",
	    lab->stack_image, "infinity");
}

/* --mount takes CSV: quoted, a comma in a path is only a comma, and a quote is written twice. */
static void bind_arg(struct argv *a, const char *directory, const char *file, const char *target)
{
	_cleanup_free_ char *source = NULL;
	size_t len;
	FILE *f = open_memstream(&source, &len);

	if (!f) {
		a->failed = true;
		return;
	}
	for (const char *p = directory; *p; p++) {
		if (*p == '"')
			fputc('"', f);
		fputc(*p, f);
	}
	if (fclose(f) != 0)
		a->failed = true;
	else
		argv_addf(a, "--mount=type=bind,\"src=%s%s\",dst=%s", source, file, target);
}

void container_stack_args(
    const struct lab *lab, const struct container_names *names, struct argv *a)
{
	common_args(lab, names->name, "stack", NULL, container_stack_spec(lab), a);
	log_args(a);
	argv_addf(a, "--network=container:%s", names->net);
	confine_args(a,
	    "NET_ADMIN NET_RAW NET_BIND_SERVICE SETUID SETGID SETPCAP CHOWN DAC_OVERRIDE KILL",
	    STACK_PIDS, STACK_MEMORY_MIB);
	argv_addf(a, "--env=LAB_CIDR=%s", lab->cidr_text);
	argv_addf(a, "--env=LAB_DOMAIN=%s", lab->domain);
	argv_addf(a, "--env=LAB_REACH=%s", lab->reach);
	argv_addf(a, "--env=STRANGERS=%s", lab->strangers);
	if (lab->port != LAB_PORT_NONE) /* published to loopback alone */
		argv_adds(a, "--env=OPERATOR_LISTEN=0.0.0.0:8080", "--env=OPERATOR_TLS=off");
	bind_arg(a, lab->vms_dir, "", "/vms,readonly");
	bind_arg(a, lab->images_dir, "", "/srv/images,readonly");
	argv_addf(a, "--mount=type=volume,src=%s,dst=/state", names->volume);
	bind_arg(a, lab->dir, "", "/run/operator");
	bind_arg(a, lab->dir, LAB_CONSOLES, "/run/consoles/vms,readonly");
	bind_arg(a, lab->home, "/authorized_keys", "/etc/vmlab/authorized_keys,readonly");
	argv_add(a, lab->stack_image);
}

void container_vm_args(const struct lab *lab, const struct container_names *names,
    const struct vm *vm, const struct container_vm_options *options, struct argv *a)
{
	char buf[VALUE_SIZE], console[CONSOLE_NAME_SIZE];

	common_args(lab, names->name, "vm", names->vm ? names->vm : vm->name,
	    container_vm_spec(lab, vm), a);
	log_args(a);
	/* A terminal and an open stdin: that is what `vmlab console` attaches to. */
	argv_adds(a, "--interactive", "--tty");
	argv_addf(a, "--network=container:%s", names->net);
	/* All but what QEMU itself may do: run-vm.sh gives these up before it starts QEMU. */
	confine_args(a, "NET_ADMIN SETUID SETGID SETPCAP CHOWN", VM_PIDS + 2 * vm->cpus,
	    vm->memory_bytes / MIB + (options->kvm ? VM_EXTRA_MIB : VM_EMULATED_EXTRA_MIB));
	argv_add(a, "--device=/dev/net/tun");
	if (options->kvm)
		argv_add(a, "--device=/dev/kvm");
	argv_add(a, "--stop-timeout=90");
	argv_addf(a, "--mount=type=volume,src=%s,dst=/disks", names->volume);
	snprintf(buf, sizeof(buf), LAB_CONSOLES "/%s", console_name(&vm->mac, console));
	bind_arg(a, lab->dir, buf, CONSOLE_OF_VM);
	for (size_t i = 0; i < vm_setting_count; i++) {
		const struct vm_setting *setting = &vm_settings[i];
		const char *value = setting->field ? value_of(lab, vm, setting, buf) : "";
		if (*value)
			argv_addf(a, "--env=%s=%s", setting->name, value);
	}
	argv_addf(a, "--env=VM_DISK_BUS=%s", options->disk_bus);
	argv_addf(a, "--env=VM_ACCEL=%s", options->accel);
	argv_addf(a, "--env=VM_NIC_ROM=%s", options->nic_rom);
	argv_adds(a, "--env=VM_BRIDGE=lab0", lab->vm_image);
}
