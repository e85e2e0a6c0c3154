#include "vmlab/follow/inventory.h"

#include <inttypes.h>
#include <string.h>

#include "lib/base/size.h"
#include "lib/base/human.h"

#define LABEL_WIDTH 10
#define PARTS_MAX 512 /* lines of one kind; more are counted */

/* ---- a line ------------------------------------------------------------------------------- */

/* A label, then what is known, each thing behind a comma; nothing known: no line. */
struct line {
	FILE *f;
	const char *label;
	unsigned words;
};

static void begin(struct line *l)
{
	if (l->words++ == 0)
		fprintf(l->f, "%-*s ", LABEL_WIDTH, l->label);
	else
		fputs(", ", l->f);
}

static void end(const struct line *l)
{
	if (l->words > 0)
		fputc('\n', l->f);
}

static const char *text_of(const json_t *o, const char *key)
{
	const char *text = json_string_value(json_object_get(o, key));

	return text && *text ? text : NULL;
}

static int64_t number_of(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

/* `before` the text, and nothing where there is none. */
static void add(struct line *l, const char *before, const char *text)
{
	if (!text)
		return;
	begin(l);
	fputs(before, l->f);
	human_print_clean(l->f, text);
}

/* Two texts that are read as one. */
static void add_pair(struct line *l, const char *text, const char *more)
{
	if (!text || !more) {
		add(l, "", text ? text : more);
		return;
	}
	add(l, "", text);
	fputc(' ', l->f);
	human_print_clean(l->f, more);
}

static void add_count(struct line *l, int64_t n, const char *one, const char *several)
{
	if (n <= 0)
		return;
	begin(l);
	fprintf(l->f, "%" PRId64 " %s", n, n == 1 ? one : several);
}

static void add_size(struct line *l, int64_t bytes)
{
	char size[SIZE_TEXT_SIZE];

	if (bytes > 0)
		add(l, "", size_text_short((uint64_t)bytes, size));
}

/* ---- the parts ----------------------------------------------------------------------------- */

static void print_system(FILE *f, const json_t *all)
{
	const json_t *system = json_object_get(all, "system"),
		     *board = json_object_get(all, "board"),
		     *chassis = json_object_get(all, "chassis");
	struct line s = {f, "system", 0}, b = {f, "board", 0}, c = {f, "chassis", 0};

	add_pair(&s, text_of(system, "manufacturer"), text_of(system, "product"));
	add(&s, "version ", text_of(system, "version"));
	add(&s, "serial ", text_of(system, "serial"));
	add(&s, "UUID ", text_of(system, "uuid"));
	end(&s);
	add_pair(&b, text_of(board, "manufacturer"), text_of(board, "product"));
	add(&b, "version ", text_of(board, "version"));
	add(&b, "serial ", text_of(board, "serial"));
	end(&b);
	add(&c, "", text_of(chassis, "type"));
	add(&c, "serial ", text_of(chassis, "serial"));
	add(&c, "asset ", text_of(chassis, "asset"));
	end(&c);
}

static void print_firmware(FILE *f, const json_t *all)
{
	const json_t *firmware = json_object_get(all, "firmware"),
		     *bios = json_object_get(all, "bios"),
		     *secure = json_object_get(firmware, "secure_boot");
	const char *type = text_of(firmware, "type");
	struct line l = {f, "firmware", 0}, t = {f, "TPM", 0};

	add(&l, "", type && strcmp(type, "uefi") == 0 ? "UEFI" : type ? "BIOS" : NULL);
	if (json_is_boolean(secure))
		add(&l, "", json_is_true(secure) ? "Secure Boot on" : "Secure Boot off");
	add_pair(&l, text_of(bios, "vendor"), text_of(bios, "version"));
	add(&l, "of ", text_of(bios, "date"));
	end(&l);
	add(&t, "", text_of(all, "tpm"));
	end(&t);
}

static void print_cpu(FILE *f, const json_t *all)
{
	const json_t *cpu = json_object_get(all, "cpu"), *flag;
	struct line l = {f, "CPU", 0};
	size_t i;

	add(&l, "", text_of(cpu, "model"));
	add(&l, "", text_of(cpu, "arch"));
	add_count(&l, number_of(cpu, "sockets"), "socket", "sockets");
	add_count(&l, number_of(cpu, "cores"), "core", "cores");
	add_count(&l, number_of(cpu, "threads"), "thread", "threads");
	json_array_foreach(json_object_get(cpu, "flags"), i, flag)
		add(&l, "", json_string_value(flag));
	end(&l);
}

static void print_memory(FILE *f, const json_t *all)
{
	const json_t *memory = json_object_get(all, "memory"), *module;
	struct line l = {f, "memory", 0};
	size_t i;

	add_size(&l, number_of(memory, "total_bytes"));
	end(&l);
	json_array_foreach(json_object_get(memory, "modules"), i, module) {
		struct line m = {f, "", 0};
		add(&m, "", text_of(module, "locator"));
		add_size(&m, number_of(module, "size_bytes"));
		add(&m, "", text_of(module, "type"));
		add_count(&m, number_of(module, "speed_mts"), "MT/s", "MT/s");
		add_pair(&m, text_of(module, "manufacturer"), text_of(module, "part"));
		add(&m, "serial ", text_of(module, "serial"));
		end(&m);
	}
}

static void print_partition(FILE *f, const json_t *part)
{
	struct line l = {f, "", 0};

	begin(&l);
	fprintf(f, "  %" PRId64, number_of(part, "number"));
	add_size(&l, number_of(part, "size_bytes"));
	add(&l, "", text_of(part, "fs"));
	add(&l, "label ", text_of(part, "label"));
	end(&l);
}

static void print_disk(FILE *f, const json_t *disk)
{
	const json_t *part;
	struct line l = {f, "disk", 0};
	size_t i;

	add(&l, "", text_of(disk, "name"));
	add_size(&l, number_of(disk, "size_bytes"));
	add(&l, "", text_of(disk, "transport"));
	if (json_is_true(json_object_get(disk, "rotational")))
		add(&l, "", "rotational");
	if (json_is_true(json_object_get(disk, "removable")))
		add(&l, "", "removable");
	add(&l, "", text_of(disk, "model"));
	add(&l, "serial ", text_of(disk, "serial"));
	add(&l, "WWN ", text_of(disk, "wwn"));
	add(&l, "", text_of(disk, "table"));
	add(&l, "", text_of(disk, "fs"));
	end(&l);
	json_array_foreach(json_object_get(disk, "partitions"), i, part)
		if (i < PARTS_MAX)
			print_partition(f, part);
}

static void print_nic(FILE *f, const json_t *nic)
{
	const json_t *neighbour = json_object_get(nic, "neighbour"),
		     *link = json_object_get(nic, "link");
	struct line l = {f, "NIC", 0};

	add(&l, "", text_of(nic, "name"));
	add(&l, "", text_of(nic, "mac"));
	add(&l, "", text_of(nic, "driver"));
	add(&l, "", text_of(nic, "pci_id"));
	if (json_is_boolean(link))
		add(&l, "", json_is_true(link) ? "link" : "no link");
	add_count(&l, number_of(nic, "speed_mbps"), "Mbit/s", "Mbit/s");
	add(&l, "at ", text_of(neighbour, "system"));
	add(&l, "port ", text_of(neighbour, "port"));
	end(&l);
}

static void print_buses(FILE *f, const json_t *all)
{
	struct line l = {f, "buses", 0}, k = {f, "kernel", 0};

	add_count(
	    &l, (int64_t)json_array_size(json_object_get(all, "pci")), "PCI device", "PCI devices");
	add_count(
	    &l, (int64_t)json_array_size(json_object_get(all, "usb")), "USB device", "USB devices");
	end(&l);
	add(&k, "", text_of(all, "kernel"));
	end(&k);
}

void inventory_print(FILE *f, const json_t *inventory)
{
	const json_t *one;
	size_t i;

	print_system(f, inventory);
	print_firmware(f, inventory);
	print_cpu(f, inventory);
	print_memory(f, inventory);
	json_array_foreach(json_object_get(inventory, "disks"), i, one)
		print_disk(f, one);
	json_array_foreach(json_object_get(inventory, "nics"), i, one)
		print_nic(f, one);
	print_buses(f, inventory);
}
