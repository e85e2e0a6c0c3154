#include "vmlab/simulate/ipxe_answer.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#define HEAD "#!ipxe\n"
#define SAYS "echo vmlab: "

struct reading {
	struct ipxe_answer *out;
	size_t used;
	bool full;
};

static const char *keep(struct reading *r, const char *text, size_t len)
{
	char *at = r->out->room + r->used;

	if (len >= sizeof(r->out->room) - r->used) {
		r->full = true;
		return "";
	}
	memcpy(at, text, len);
	at[len] = '\0';
	r->used += len + 1;
	return at;
}

/* Whether the line is `command`; its words begin at *rest then. */
static bool is(const char *line, const char *command, const char **rest)
{
	size_t len = strlen(command);

	*rest = line + len;
	return strncmp(line, command, len) == 0;
}

static void add_file(struct reading *r, const char *url)
{
	struct ipxe_answer *out = r->out;

	if (out->files == IPXE_FILES_MAX)
		r->full = true;
	else
		out->file[out->files++] = keep(r, url, strcspn(url, " \n"));
}

static void take_words(struct reading *r, const char *line, const char *end)
{
	static const char word[] = " config_url=";
	const char *at = strstr(line, word);

	if (at && at < end)
		r->out->config_url =
		    keep(r, at + sizeof(word) - 1, strcspn(at + sizeof(word) - 1, " \n"));
}

/* The first command that says where it goes on counts. */
static void decide(struct ipxe_answer *out, enum ipxe_verb verb, bool *decided)
{
	if (!*decided)
		out->verb = verb;
	*decided = true;
}

static void take_line(struct reading *r, const char *line, const char *end, bool *decided)
{
	const char *rest;

	if (is(line, SAYS, &rest) && !*r->out->says)
		r->out->says = keep(r, rest, (size_t)(end - rest));
	if (is(line, "kernel ", &rest) && r->out->files == 0) {
		decide(r->out, IPXE_KERNEL, decided);
		add_file(r, rest);
		take_words(r, rest, end);
	}
	if (is(line, "initrd ", &rest) && r->out->files > 0)
		add_file(r, rest);
	if (is(line, "sanboot --no-describe --drive", &rest))
		decide(r->out, IPXE_DISK, decided);
	if (is(line, ":again", &rest))
		decide(r->out, IPXE_WAIT, decided);
	if (is(line, "chain ", &rest) || is(line, "choose ", &rest) || is(line, "exit", &rest))
		decide(r->out, IPXE_OTHER, decided);
}

int ipxe_answer_read(const char *text, size_t len, struct ipxe_answer *out, struct err *e)
{
	struct reading r = {.out = out};
	bool decided = false;

	memset(out, 0, offsetof(struct ipxe_answer, room));
	out->says = "";
	out->verb = IPXE_OTHER;
	if (len < sizeof(HEAD) - 1 || strncmp(text, HEAD, sizeof(HEAD) - 1) != 0)
		return err_set(e, EPROTO, "the answer is no script for iPXE");
	for (const char *line = text; *line;) {
		const char *end = line + strcspn(line, "\n");
		take_line(&r, line, end, &decided);
		line = end + (*end == '\n');
	}
	if (r.full)
		return err_set(e, EPROTO, "the script names more than is known here");
	return 0;
}
