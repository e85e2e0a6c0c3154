#include "lib/definition/vm.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "lib/base/cleanup.h"
#include "lib/definition/field.h"
#include "lib/definition/network.h"

#define GIB (UINT64_C(1) << 30)
#define DEFAULT_CPUS 2
#define DEFAULT_MEMORY_BYTES GIB
#define DEFAULT_DISK_BYTES (10 * GIB)
#define DEFAULT_DISTRO "debian-13"

/* ---- the fields -------------------------------------------------------------------------------*/

#define TEXT "{\"type\":\"string\"}"
#define FILE_NAME "{\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9_+][A-Za-z0-9._+-]{0,127}$\"}"
#define SIZE "{\"type\":\"string\",\"pattern\":\"^[0-9]+([KMGTkmgt](i?[Bb])?)?$\"}"
#define AMOUNT                                                                                     \
	"{\"type\":\"string\",\"pattern\":\"^([0-9]+([KMGTkmgt](i?[Bb])?)?|[0-9]{1,3}%|rest)$\"}"
#define STORAGE                                                                                    \
	"{\"type\":\"object\",\"properties\":{"                                                    \
	"\"root\":{\"type\":\"object\",\"properties\":{\"fs\":{\"enum\":[\"ext4\",\"xfs\","        \
	"\"btrfs\"]"                                                                               \
	"}}},\"swap\":" AMOUNT ",\"partitions\":{\"type\":\"array\",\"maxItems\":12,\"items\":{"   \
	"\"type\":\"object\",\"properties\":{\"mount\":" TEXT ",\"size\":" AMOUNT                  \
	",\"fs\":{\"enum\":[\"ext4\",\"xfs\",\"btrfs\",\"vfat\",\"swap\"]},\"label\":" TEXT        \
	"}}}}}"
#define SSH_KEY_ITEMS "{\"type\":\"array\",\"items\":{\"type\":\"string\"}}"

const struct vm_field vm_fields[] = {
    {"name", vm_read_name, VM_FIELD_REQUIRED | VM_FIELD_OWN,
	"{\"type\":\"string\",\"pattern\":\"^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9_])?$\"}",
	"The machine's name in the lab: 1 to 63 lower-case letters, digits and hyphens. Capitals, `_` and `.`, as pvmlab takes them, stay in the name; in DNS and as host name the machine has lower case and `-` for them.",
	NULL, "\"web1\""},
    {"mac", vm_read_mac, VM_FIELD_REQUIRED | VM_FIELD_OWN,
	"{\"type\":\"string\",\"pattern\":\"^[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}$\"}",
	"MAC address of the interface it boots from.", NULL, "\"52:54:00:00:00:11\""},
    {"ip", vm_read_ip, VM_FIELD_OWN, "{\"type\":\"string\",\"pattern\":\"^[0-9.]+(/[0-9]+)?$\"}",
	"IPv4 address it always gets, inside the lab's network; a prefix length may follow.",
	"an address from the DHCP range", "\"192.168.100.11\""},
    {"ipv6", vm_read_ipv6, VM_FIELD_OWN,
	"{\"type\":\"string\",\"pattern\":\"^[0-9A-Fa-f:.]+(/[0-9]+)?$\"}",
	"IPv6 address it always gets; a prefix length may follow.", "an address of its own making",
	"\"fd56:6d6c:6162::11\""},
    {"subnet", vm_read_subnet, 0, "{\"type\":\"string\",\"pattern\":\"^[0-9.]+/[0-9]+$\"}",
	"Network of `ip`; checked against it.", NULL, "\"192.168.100.0/24\""},
    {"subnetv6", vm_read_subnetv6, 0,
	"{\"type\":\"string\",\"pattern\":\"^[0-9A-Fa-f:.]+/[0-9]+$\"}",
	"Network of `ipv6`; checked against it.", NULL, "\"fd56:6d6c:6162::/64\""},
    {"arch", vm_read_arch, 0, "{\"enum\":[" ARCH_SPELLINGS "]}",
	"Processor architecture; " ARCH_SYNONYMS ".", "`amd64`", "\"amd64\""},
    {"distro", vm_read_distro, 0,
	"{\"type\":\"string\",\"pattern\":\"^[a-z0-9][a-z0-9._-]{0,63}$\"}",
	"Image to install: the name of a directory in `images/`.", "`" DEFAULT_DISTRO "`",
	"\"debian-13\""},
    {"hostname", vm_read_hostname, VM_FIELD_OWN,
	"{\"type\":\"string\",\"maxLength\":253,\"pattern\":\"^[A-Za-z0-9-]+([.][A-Za-z0-9-]+)*$\"}",
	"Host name inside the machine; may be fully qualified.", "`name`", "\"web1.example.org\""},
    {"role", vm_read_role, 0, "{\"type\":\"string\",\"maxLength\":64}",
	"What the machine is for, in your own words.", NULL, "\"target\""},
    {"cpus", vm_read_cpus, 0, "{\"type\":\"integer\",\"minimum\":1,\"maximum\":512}",
	"Number of virtual CPUs.", "2", "2"},
    {"memory", vm_read_memory, 0, "{\"anyOf\":[{\"type\":\"integer\",\"minimum\":64}," SIZE "]}",
	"Memory: a number of MiB, or a size such as `\"1G\"`.", "1 GiB", "\"1G\""},
    {"disks", vm_read_disks, 0,
	"{\"type\":\"array\",\"maxItems\":8,\"items\":{\"type\":\"object\",\"properties\":{\"size\":" SIZE
	",\"match\":{\"type\":\"object\",\"minProperties\":1,\"properties\":{\"path\":" TEXT
	",\"serial\":" TEXT ",\"wwn\":" TEXT ",\"model\":" TEXT
	",\"transport\":{\"enum\":[\"virtio\",\"nvme\",\"sata\",\"sas\",\"scsi\",\"usb\",\"mmc\",\"iscsi\",\"fc\",\"xen\"]},\"min_size\":" SIZE
	",\"max_size\":" SIZE ",\"pick\":{\"enum\":[\"largest\",\"smallest\"]}}}}}}",
	"Its disks, at most 8; the first is installed to. `size` is a virtual disk's size (10 GiB without it). `match` says which of a machine's disks is the first: `path` (`/dev/sda`, or where it is plugged in, such as `pci-0000:00:1f.2-ata-1`), `serial`, `wwn`, `model` (`*` "
	"and `?` as in file names), `transport`, `min_size`, `max_size`. All that is given must hold; `pick`, `largest` or `smallest`, takes one of those left. Anything but exactly one disk is refused, with a list of all.",
	"one disk of 10 GiB", "[{\"size\": \"8G\"}]"},
    {"firmware", vm_read_firmware, 0, "{\"enum\":[\"uefi\",\"bios\"]}",
	"Firmware of the machine; `bios` only with `amd64`. A machine that was started by the other one is not installed.",
	"`uefi`", "\"uefi\""},
    {"uuid", vm_read_uuid, VM_FIELD_OWN,
	"{\"type\":\"string\",\"pattern\":\"^[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}$\"}",
	"SMBIOS system UUID; a machine that boots with an unknown MAC is found by it, unless its own card is there: while the machine is ready, or had a lease or was heard of within the last hour, only `mac` says that it has another one. A UUID that vendors leave unset, such as all zeros, is refused. `vmlab` gives a VM without it one of "
	"its own, the same each time.",
	NULL, "\"6f1c2a34-5b6d-4e7f-8a9b-0c1d2e3f4a5b\""},
    {"serial", vm_read_serial, VM_FIELD_OWN,
	"{\"type\":\"string\",\"pattern\":\"^[!-~]([ -~]{0,62}[!-~])?$\"}",
	"SMBIOS system serial number, printable ASCII; a machine that boots with an unknown MAC is found by it, as by `uuid`. One that vendors leave unset, such as `Default string`, is refused.",
	NULL, "\"CZ3021ABCD\""},
    {"mode", vm_read_mode, 0, "{\"enum\":[\"install\",\"local\",\"shell\"]}",
	"What a network boot does: `install` installs once and boots from disk from then on, `local` always boots from disk, `shell` always starts a shell in the installer.",
	"`install`", "\"install\""},
    {"after_install", vm_read_after_install, 0,
	"{\"enum\":[\"reboot\",\"kexec\",\"poweroff\",\"shell\"]}",
	"What follows a successful installation; `kexec` starts the installed system at once, without firmware and boot loader (and reboots where that cannot be done). The file `<name>.noreboot` in this folder keeps the machine in the installer as well.",
	"`reboot`", "\"reboot\""},
    {"hooks", vm_read_hooks, 0,
	"{\"type\":\"object\",\"properties\":{\"post_install\":{\"type\":\"array\",\"maxItems\":16,\"items\":" TEXT
	"}}}",
	"`post_install`: scripts that run, in this order, as root inside the installed system (in a chroot), before it boots for the first time. Each is a text; without a `#!` line `/bin/sh` runs it. Output goes to the installer's log; one that fails, fails the installation.",
	NULL, "{\"post_install\": [\"#!/bin/sh\\nset -e\\necho installed >/etc/motd\\n\"]}"},
    {"kernel_args", vm_read_kernel_args, 0, "{\"type\":\"string\",\"maxLength\":1024}",
	"More kernel arguments, for the installer and the installed system: plain ASCII without any of `\" ' \\ $ ; & | < > { } #` or a backquote.",
	NULL, "\"mitigations=off\""},
    {"ssh_keys", vm_read_ssh_keys, 0, SSH_KEY_ITEMS,
	"Public SSH keys of the default user, each one line as in `authorized_keys`.", NULL,
	"[\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0Vg4s1Xb0mT2aYQf8kq3mJrRr1hR0e1m9s8Xb2Jb0x ann\"]"},
    {"ssh_key", vm_read_ssh_key, 0, TEXT, "One more public SSH key of the default user.", NULL,
	"\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC0Vg4s1Xb0mT2aYQf8kq3mJrRr1hR0e1m9s8Xb2Jb0x ann\""},
    {"users", vm_read_users, 0,
	"{\"type\":\"array\",\"items\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"object\",\"required\":[\"name\"],\"properties\":{\"name\":" TEXT
	",\"ssh_authorized_keys\":" SSH_KEY_ITEMS ",\"lock_passwd\":{\"type\":\"boolean\"}}}]}}",
	"Users to create, each with the keys of cloud-init's `users` list. The first who can have SSH keys gets the lab's; `root` may be one of them. Passwords stay locked unless you say otherwise.",
	"the user `lab`, who may use sudo and logs in with a key",
	"[{\"name\": \"ann\", \"groups\": [\"sudo\"], \"shell\": \"/bin/bash\"}]"},
    {"packages", vm_read_packages, 0, "{\"type\":\"array\"}",
	"Packages that cloud-init installs at the first boot, as `apt-get install` takes them: `nginx`, `nginx=1.22.1-9`, `nginx/stable`. What would remove one (`nginx-`) is refused.",
	NULL, "[\"nginx\"]"},
    {"write_files", vm_read_write_files, 0,
	"{\"type\":\"array\",\"items\":{\"type\":\"object\",\"required\":[\"path\"],\"properties\":{\"path\":{\"type\":\"string\",\"pattern\":\"^/\"},\"content\":" TEXT
	",\"encoding\":" TEXT ",\"owner\":" TEXT
	",\"permissions\":{\"type\":\"string\",\"pattern\":\"^(0o)?[0-7]{3,5}$\"},\"append\":{\"type\":\"boolean\"},\"defer\":{\"type\":\"boolean\"}}}}",
	"Files that cloud-init writes at the first boot: `path`, `content`, `owner`, `permissions`, `encoding`, `append`, `defer`.",
	NULL, "[{\"path\": \"/etc/motd\", \"content\": \"hello\\n\", \"permissions\": \"0644\"}]"},
    {"runcmd", vm_read_runcmd, 0,
	"{\"type\":\"array\",\"items\":{\"anyOf\":[{\"type\":\"string\"},{\"type\":\"array\",\"items\":" TEXT
	"}]}}",
	"Commands that cloud-init runs at the first boot: texts for the shell, or lists of words.",
	NULL, "[[\"systemctl\", \"enable\", \"--now\", \"nginx\"]]"},
    {"user_data", vm_read_user_data, 0, "{\"type\":[\"string\",\"object\"]}",
	"cloud-init user-data in place of what is made from the fields above: an object of cloud-config, or a text that begins with its `#` line.",
	NULL, "{\"timezone\": \"Europe/Berlin\"}"},
    {"network_config", vm_read_network_config, 0, "{\"type\":\"object\"}",
	"cloud-init network-config, format 1 or 2. Its static addresses inside the lab's network are this machine's alone, as `ip` is.",
	"DHCP on the interface it boots from",
	"{\"version\": 2, \"ethernets\": {\"lan\": {\"match\": {\"name\": \"e*\"}, \"dhcp4\": true}}}"},
    {"storage", vm_read_storage, 0, STORAGE,
	"Partitions in place of the standard ones. `root`: the file system of `/`, `ext4`, `xfs` or `btrfs`. `swap`: size of a swap partition. `partitions`: more of them in their order, each with `mount`, `size` (such as `\"4G\"`, `\"20%\"` of the whole disk or, once, "
	"`\"rest\"`), `fs` (also `vfat`, or `swap` without `mount`) and `label`. One may be `/`; where none takes the rest, `/` does. `vmlab plan` prints the result.",
	"GPT: EFI system partition of 512 MiB (BIOS: 1 MiB for GRUB), the rest for `/`, ext4",
	"{\"root\": {\"fs\": \"xfs\"}, \"swap\": \"2G\", \"partitions\": [{\"mount\": \"/var\", \"size\": \"20%\"}]}"},
    {"pxeboot", vm_read_pxeboot, 0, "{\"type\":\"boolean\"}",
	"`false` with `kernel` and `initrd`: boot these from the image directory; `false` without them: boot from disk.",
	"`true`; in a file with `role`, as pvmlab's tool writes them, `false`", "true"},
    {"kernel", vm_read_kernel, 0, FILE_NAME, "Kernel: a file name in the image directory.", NULL,
	"\"vmlinuz\""},
    {"initrd", vm_read_initrd, 0, FILE_NAME, "Initrd: a file name in the image directory.", NULL,
	"\"initrd.img\""},
    {"ssh_port", vm_read_ssh_port, VM_FIELD_CARRIED,
	"{\"type\":\"integer\",\"minimum\":0,\"maximum\":65535}",
	"pvmlab's forwarded SSH port; without effect here.", NULL, "2222"},
    {"docker_images_path", vm_read_carried_text, VM_FIELD_CARRIED, TEXT,
	"pvmlab's; without effect here.", NULL, "\"/srv/docker_images\""},
    {"vms_path", vm_read_carried_text, VM_FIELD_CARRIED, TEXT, "pvmlab's; without effect here.",
	NULL, "\"/srv/vms\""},
    {"pxe_boot_stack_tar", vm_read_carried_text, VM_FIELD_CARRIED, TEXT,
	"pvmlab's; without effect here.", NULL, "\"pxeboot_stack.tar\""},
};
const size_t vm_field_count = sizeof(vm_fields) / sizeof(vm_fields[0]);

static const struct vm_field *find_field(const char *name)
{
	for (size_t i = 0; i < vm_field_count; i++)
		if (strcmp(vm_fields[i].name, name) == 0)
			return &vm_fields[i];
	return NULL;
}

/* ---- words ------------------------------------------------------------------------------------*/

const char *vm_firmware_name(enum vm_firmware firmware)
{
	return firmware == VM_FIRMWARE_BIOS ? "bios" : "uefi";
}

const char *vm_mode_name(enum vm_mode mode)
{
	static const char *const names[] = {"install", "local", "shell"};

	return names[mode];
}

const char *vm_after_name(enum vm_after after)
{
	static const char *const names[] = {"reboot", "poweroff", "shell", "kexec"};

	return names[after];
}

/* ---- one VM, one allocation -------------------------------------------------------------------*/

static const size_t string_offsets[] = {offsetof(struct vm, name), offsetof(struct vm, label),
    offsetof(struct vm, hostname), offsetof(struct vm, distro), offsetof(struct vm, role),
    offsetof(struct vm, uuid), offsetof(struct vm, serial), offsetof(struct vm, kernel),
    offsetof(struct vm, initrd), offsetof(struct vm, kernel_args), offsetof(struct vm, doc)};
#define STRING_COUNT (sizeof(string_offsets) / sizeof(string_offsets[0]))

static char **string_at(struct vm *vm, size_t i)
{
	return (char **)((char *)vm + string_offsets[i]);
}

/* A copy whose strings and addresses lie behind the struct: a hundred thousand of them have to fit.
 */
static struct vm *vm_pack(struct vm *draft)
{
	size_t statics = draft->static_count * sizeof(*draft->statics);
	size_t size = sizeof(*draft) + statics;

	for (size_t i = 0; i < STRING_COUNT; i++)
		if (*string_at(draft, i))
			size += strlen(*string_at(draft, i)) + 1;
	struct vm *vm = malloc(size);
	if (!vm)
		return NULL;
	*vm = *draft;
	char *p = (char *)(vm + 1);
	if (draft->static_count > 0)
		vm->statics = memcpy(p, draft->statics, statics);
	p += statics;
	for (size_t i = 0; i < STRING_COUNT; i++) {
		char **s = string_at(vm, i);
		if (*s) {
			size_t n = strlen(*s) + 1;
			*s = memcpy(p, *s, n);
			p += n;
		}
	}
	return vm;
}

void vm_free(struct vm *vm)
{
	free(vm);
}

bool vm_has_address(const struct vm *vm, const struct in6_addr *address)
{
	struct in6_addr ip = ip4_mapped(vm->ip);

	if ((vm->ip.s_addr && ip6_equal(&ip, address)) ||
	    (vm->has_ip6 && ip6_equal(&vm->ip6, address)))
		return true;
	for (unsigned i = 0; i < vm->static_count; i++)
		if (ip6_equal(&vm->statics[i], address))
			return true;
	return false;
}

/* ---- reading a definition ---------------------------------------------------------------------*/

static void cleanup_json(json_t **j)
{
	json_decref(*j);
}
#define _cleanup_json_ _cleanup_(cleanup_json)

static json_t *read_text(struct vm_reader *r)
{
	struct vm_where where = {0, 0};
	size_t bad;

	if (r->len > VM_FILE_MAX_BYTES) {
		err_set(r->e, EINVAL, "the file has %zu bytes: a definition may have at most %d",
		    r->len, VM_FILE_MAX_BYTES);
		vm_refuse_at(r, where);
		return NULL;
	}
	json_t *root = json_text_parse(r->text, r->len, VM_NESTING_MAX, &bad, r->e);
	if (!root) {
		json_text_position(r->text, bad, &where.line, &where.column);
		vm_refuse_at(r, where);
	}
	return root;
}

/* Drops unknown members; with r->strict, refuses them. */
static void drop_unknown_fields(struct vm_reader *r, json_t *root)
{
	const char *known[sizeof(vm_fields) / sizeof(vm_fields[0])];
	const char *key;
	json_t *value;
	void *next;

	for (size_t i = 0; i < vm_field_count; i++)
		known[i] = vm_fields[i].name;
	json_object_foreach_safe(root, next, key, value) {
		if (find_field(key))
			continue;
		if (strcmp(key, "$schema") != 0)
			(void)vm_unknown_key(r, key, known, vm_field_count);
		json_object_del(root, key);
	}
}

static void drop_empty_fields(json_t *root)
{
	const char *key;
	json_t *value;
	void *next;

	json_object_foreach_safe(root, next, key, value)
		if (vm_value_empty(value))
			json_object_del(root, key);
}

static void read_fields(struct vm_reader *r, json_t *root, const json_t *defaults)
{
	for (size_t i = 0; i < vm_field_count; i++) {
		const struct vm_field *f = &vm_fields[i];
		json_t *value = json_object_get(root, f->name);
		r->from_defaults = false;
		if (!value && defaults && !(f->flags & VM_FIELD_OWN)) {
			value = json_object_get(defaults, f->name);
			r->from_defaults = true;
			if (value && json_object_set(root, f->name, value) < 0) {
				err_set(r->e, EINVAL, "out of memory");
				vm_refuse_at(r, (struct vm_where){0, 0});
			}
		}
		if (!value)
			continue;
		vm_path_key(r, f->name);
		(void)f->read(r, value);
		vm_path_leave(r);
	}
	r->from_defaults = false;
}

static void refuse_field(struct vm_reader *r, const char *field, const char *sentence)
{
	vm_path_key(r, field);
	(void)vm_refuse(r, "%s", sentence);
	vm_path_leave(r);
}

static void check_required(struct vm_reader *r, const json_t *root)
{
	for (size_t i = 0; i < vm_field_count; i++) {
		if (!(vm_fields[i].flags & VM_FIELD_REQUIRED) ||
		    json_object_get(root, vm_fields[i].name))
			continue;
		err_set(r->e, EINVAL, "\"%s\" is missing: add it, such as \"%s\": %s",
		    vm_fields[i].name, vm_fields[i].name, vm_fields[i].example);
		vm_refuse_at(r, (struct vm_where){0, 0});
	}
}

/* The first or last address of a network belongs to no machine (RFC 919; RFC 3021 for /31). */
static bool is_network_edge(struct in_addr ip, uint8_t prefix)
{
	uint32_t hosts = prefix ? UINT32_MAX >> prefix : 0;
	uint32_t part = ntohl(ip.s_addr) & hosts;

	return prefix > 0 && prefix < 31 && (part == 0 || part == hosts);
}

static bool in_network6(const struct cidr6 *net, const struct in6_addr *ip)
{
	for (unsigned bit = 0; bit < net->prefix; bit += 8) {
		unsigned left = net->prefix - bit;
		uint8_t mask = left >= 8 ? 0xff : (uint8_t)(0xff << (8 - left));
		if ((net->addr.s6_addr[bit / 8] ^ ip->s6_addr[bit / 8]) & mask)
			return false;
	}
	return true;
}

bool vm_is_provisioner(const struct vm *vm)
{
	return vm->role && strcmp(vm->role, "provisioner") == 0;
}

bool vm_text_is_provisioner(const char *text, size_t len)
{
	size_t bad;
	_cleanup_json_ json_t *root =
	    len > VM_FILE_MAX_BYTES ? NULL : json_text_parse(text, len, VM_NESTING_MAX, &bad, NULL);
	const char *role = json_string_value(json_object_get(root, "role"));

	return role && strcmp(role, "provisioner") == 0;
}

bool vm_text_ip(const char *text, size_t len, struct in_addr *ip)
{
	size_t bad;
	_cleanup_json_ json_t *root =
	    len > VM_FILE_MAX_BYTES ? NULL : json_text_parse(text, len, VM_NESTING_MAX, &bad, NULL);
	const char *value = json_string_value(json_object_get(root, "ip"));
	struct cidr4 c;

	if (!value || !*value || cidr4_parse(value, false, &c, NULL) < 0)
		return false;
	*ip = c.addr;
	return true;
}

/* What no single field can tell. A field that was refused is as good as absent. */
static void check_together(struct vm_reader *r)
{
	struct vm *vm = &r->draft;

	if (vm->ip.s_addr && r->subnet.prefix) {
		if (!cidr4_contains(&r->subnet, vm->ip))
			refuse_field(r, "ip", "lies outside \"subnet\": correct one of them");
		else if (vm->ip_prefix && vm->ip_prefix != r->subnet.prefix)
			refuse_field(
			    r, "ip", "has another prefix length than \"subnet\": drop one");
		else
			vm->ip_prefix = r->subnet.prefix;
	}
	if (vm->ip.s_addr && is_network_edge(vm->ip, vm->ip_prefix))
		refuse_field(
		    r, "ip", "is the network's own or its broadcast address: take another");
	if (vm->has_ip6 && r->subnet6.prefix) {
		if (!in_network6(&r->subnet6, &vm->ip6))
			refuse_field(r, "ipv6", "lies outside \"subnetv6\": correct one of them");
		else if (vm->ip6_prefix && vm->ip6_prefix != r->subnet6.prefix)
			refuse_field(
			    r, "ipv6", "has another prefix length than \"subnetv6\": drop one");
		else
			vm->ip6_prefix = r->subnet6.prefix;
	}
	if (vm->firmware == VM_FIRMWARE_BIOS && !arch_of(vm->arch)->bios)
		refuse_field(r, "firmware", "\"bios\" exists only with \"arch\": \"amd64\"");
}

static void set_builtin_defaults(struct vm *vm)
{
	vm->distro = (char *)DEFAULT_DISTRO;
	vm->pxeboot = true;
	vm->cpus = DEFAULT_CPUS;
	vm->memory_bytes = DEFAULT_MEMORY_BYTES;
	vm->disk_count = 1;
	for (size_t i = 0; i < VM_DISKS_MAX; i++)
		vm->disk_bytes[i] = DEFAULT_DISK_BYTES;
}

static int pack_definition(struct vm_reader *r, json_t *root, struct vm **out)
{
	struct vm *vm = &r->draft;

	for (size_t i = vm->disk_count; i < VM_DISKS_MAX; i++)
		vm->disk_bytes[i] = 0;
	if (!vm->hostname)
		vm->hostname = vm->label;
	_cleanup_free_ char *doc = json_dumps(root, JSON_COMPACT);
	_cleanup_free_ struct in6_addr *statics = NULL;
	int found = vm_network_addresses(
	    json_object_get(root, "network_config"), &statics, &vm->static_count);
	vm->statics = statics;
	vm->doc = doc;
	*out = doc && found == 0 ? vm_pack(vm) : NULL;
	return *out ? 0 : err_set(r->e, EINVAL, "out of memory");
}

/* The text as an object of known fields that say something; NULL: it was refused. */
static json_t *start_reading(struct vm_reader *r)
{
	json_t *root = read_text(r);

	if (!root)
		return NULL;
	set_builtin_defaults(&r->draft);
	drop_unknown_fields(r, root);
	drop_empty_fields(root);
	return root;
}

/* 0, or -EINVAL with the first refusal. */
static int outcome(const struct vm_reader *r, struct vm_where *where, struct err *e)
{
	*where = r->first_where;
	if (r->refusals == 0)
		return 0;
	if (e)
		*e = r->first;
	return -EINVAL;
}

int vm_parse_all(const char *text, size_t len, const json_t *defaults, struct vm **out,
    struct vm_where *where, const struct vm_listener *listener, struct err *e)
{
	struct err sentence = ERR_INIT;
	struct vm_reader r = {.text = text, .len = len, .listener = *listener, .e = &sentence};

	_cleanup_json_ json_t *root = start_reading(&r);
	bool of_pvmlab = json_object_get(root, "role") != NULL;
	if (root) {
		check_required(&r, root);
		read_fields(&r, root, defaults);
		check_together(&r);
		vm_check_user_data(&r, root);
	}
	if (outcome(&r, where, e) < 0)
		return -EINVAL;
	if (of_pvmlab && !json_object_get(root, "pxeboot"))
		r.draft.pxeboot = false;
	if (pack_definition(&r, root, out) < 0)
		vm_refuse_at(&r, (struct vm_where){0, 0});
	return outcome(&r, where, e);
}

int vm_parse(const char *text, size_t len, const json_t *defaults, struct vm **out,
    struct vm_where *where, void (*warn)(void *ctx, struct vm_where where, const char *text),
    void *ctx, struct err *e)
{
	struct vm_listener listener = {.warn = warn, .ctx = ctx};

	return vm_parse_all(text, len, defaults, out, where, &listener, e);
}

int vm_defaults_parse(
    const char *text, size_t len, json_t **out, struct vm_where *where, struct err *e)
{
	return vm_defaults_parse_all(text, len, out, where, &(struct vm_listener){0}, e);
}

int vm_defaults_parse_all(const char *text, size_t len, json_t **out, struct vm_where *where,
    const struct vm_listener *listener, struct err *e)
{
	struct err sentence = ERR_INIT;
	struct vm_reader r = {
	    .text = text, .len = len, .listener = *listener, .e = &sentence, .strict = true};

	_cleanup_json_ json_t *root = start_reading(&r);
	for (size_t i = 0; root && i < vm_field_count; i++)
		if ((vm_fields[i].flags & VM_FIELD_OWN) &&
		    json_object_get(root, vm_fields[i].name)) {
			refuse_field(&r, vm_fields[i].name,
			    "belongs to one machine: move it into that machine's own file");
			json_object_del(root, vm_fields[i].name);
		}
	if (root) {
		read_fields(&r, root, NULL);
		check_together(&r);
	}
	if (outcome(&r, where, e) < 0)
		return -EINVAL;
	*out = steal_ptr(root);
	return 0;
}
