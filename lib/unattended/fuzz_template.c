/* A user's own unattended file, any bytes, with a value that is any line of text; the first byte
 * chooses the file's language, the first line is the value ({{dns}}). Or ('d') a definition of
 * which the files are made. What is filled in is a value and nothing else: the text around it keeps
 * its meaning, which is judged by what it is with a harmless value. */
#include <jansson.h>

#include "lib/base/cleanup.h"
#include "lib/base/test_promise.h"
#include "lib/unattended/stage4.h"
#include "lib/unattended/template.h"

static struct unattended_source source_of(const struct vm *vm, const char *value)
{
	return (struct unattended_source){.vm = vm,
	    .base = "http://192.168.100.1",
	    .nic = vm->mac,
	    .domain = "lab",
	    .dns = value};
}

/* ---- a template -------------------------------------------------------------------------- */

static size_t count(const char *text, const char *what)
{
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, what)); p++)
		n++;
	return n;
}

static bool same_shape(const json_t *a, const json_t *b)
{
	const char *key;
	json_t *one;
	size_t i;

	if (json_typeof(a) != json_typeof(b) || json_array_size(a) != json_array_size(b) ||
	    json_object_size(a) != json_object_size(b))
		return false;
	json_array_foreach(a, i, one)
		if (!same_shape(one, json_array_get(b, i)))
			return false;
	/* The value may be in a key, too. */
	json_object_foreach((json_t *)a, key, one)
		if (json_object_get(b, key) && !same_shape(one, json_object_get(b, key)))
			return false;
	return true;
}

static void check_json(const char *plain, const char *out)
{
	json_t *want = json_loads(plain, JSON_REJECT_DUPLICATES, NULL);
	json_t *is = json_loads(out, 0, NULL);

	PROMISE(!want || (is && same_shape(want, is)));
	json_decref(want);
	json_decref(is);
}

static void check_shell(const char *plain, const char *out)
{
	enum shell_state state = shell_state_at(plain, 0, strlen(plain));

	PROMISE(state == SHELL_UNSURE || shell_state_at(out, 0, strlen(out)) == state);
}

static void check_meaning(
    const struct unattended_language *language, const char *plain, const char *out)
{
	PROMISE(count(plain, "\n") == count(out, "\n"));
	if (language == &language_json)
		check_json(plain, out);
	if (language == &language_shell)
		check_shell(plain, out);
	if (language == &language_xml)
		PROMISE(count(plain, ">") == count(out, ">"));
	if (language == &language_kickstart)
		PROMISE(count(plain, "\n%") == count(out, "\n%"));
	if (language == &language_preseed)
		PROMISE(count(plain, "\\\n") == count(out, "\\\n"));
}

static const struct vm *a_machine(void)
{
	static const char text[] =
	    "{\"name\":\"web1\",\"mac\":\"52:54:00:00:00:11\",\"cpus\":2,\"ip\":\"192.168.100.11\",\"role\":\"a b\",\"pxeboot\":true,\"ssh_authorized_keys\":[\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIB me\",\"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIC you\"]}";
	static struct vm *vm;
	struct vm_where where;

	if (!vm)
		PROMISE(vm_parse(text, strlen(text), NULL, &vm, &where, NULL, NULL, NULL) == 0);
	return vm;
}

static void try_template(const struct unattended_language *language, char *text)
{
	struct unattended_source plain = source_of(a_machine(), "n"), source = plain;
	_cleanup_free_ char *harmless = NULL, *out = NULL, *value = NULL;
	char *end = strchr(text, '\n');
	struct vm_where where;
	struct err e = ERR_INIT;

	if (!end)
		return;
	*end++ = '\0';
	value = malloc(strlen(text) + 1);
	PROMISE(value);
	text_copy_clean(text, value, strlen(text) + 1);
	source.dns = value;
	size_t len = strlen(end);
	if (template_fill(end, len, language, &source, &out, &where, &e) < 0) {
		PROMISE(!out && e.msg[0] && where.line >= 1 && where.column >= 1);
		return;
	}
	PROMISE(template_fill(end, len, language, &plain, &harmless, &where, &e) == 0);
	check_meaning(language, harmless, out);
}

/* ---- what is made of a definition -------------------------------------------------------- */

static void note_gap(void *ctx, const char *field, const char *sentence)
{
	(void)ctx;
	PROMISE(field[0] && sentence[0]);
}

static void try_definition(const char *text, size_t len)
{
	const struct unattended_teller teller = {note_gap, NULL};
	const struct unattended_format *format;
	struct vm_where where;
	struct vm *vm = NULL;
	char *out = NULL;

	if (vm_parse(text, len, NULL, &vm, &where, NULL, NULL, NULL) < 0)
		return;
	const struct unattended_source source = source_of(vm, "192.168.100.1");
	for (size_t i = 0; (format = unattended_format_at(i)); i++) {
		struct err e = ERR_INIT;
		int r = unattended_make(format, &source, &out, &e);
		PROMISE(r == 0 ? out && out[0] && out[strlen(out) - 1] == '\n' : !out && e.msg[0]);
		free(out);
		unattended_gaps(format, vm, &teller);
	}
	struct err e = ERR_INIT;
	PROMISE(stage4_make(&source, &out, &e) == 0 ? strncmp(out, "#!/bin/sh\n", 10) == 0
						    : e.msg[0] != '\0');
	free(out);
	vm_free(vm);
}

static const struct unattended_language *language_of(uint8_t letter)
{
	switch (letter) {
	case 's':
		return &language_shell;
	case 'p':
		return &language_preseed;
	case 'k':
		return &language_kickstart;
	case 'y':
		return &language_yaml;
	case 'x':
		return &language_xml;
	case 'j':
		return &language_json;
	default:
		return NULL;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct unattended_language *language = size ? language_of(data[0]) : NULL;

	if (!language && (size == 0 || data[0] != 'd'))
		return -1;
	_cleanup_free_ char *text = promise_string(data + 1, size - 1);
	if (language)
		try_template(language, text);
	else
		try_definition(text, size - 1);
	return 0;
}
