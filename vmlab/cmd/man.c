#include "vmlab/cmd/man.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "vmlab/ui/help_text.h"

/* What roff would take for something else: a backslash, a hyphen, and at the start of a line a full
 * stop or an apostrophe. */
static void put(FILE *out, const char *text, size_t len)
{
	if (len > 0 && (*text == '.' || *text == '\''))
		fputs("\\&", out);
	for (size_t i = 0; i < len; i++) {
		if (text[i] == '\\')
			fputs("\\e", out);
		else if (text[i] == '-')
			fputs("\\-", out);
		else
			fputc(text[i], out);
	}
}

static void put_line(FILE *out, const struct help_line *line)
{
	put(out, line->text, line->len);
	fputc('\n', out);
}

static void put_option(FILE *out, const struct help_option *o)
{
	fputs(".TP\n\\fB", out);
	put(out, o->brief, strlen(o->brief));
	fputs(*o->brief && *o->name ? "\\fR, \\fB" : "", out);
	put(out, o->name, strlen(o->name));
	fputs("\\fR", out);
	if (*o->value) {
		fputs(" \\fI", out);
		put(out, o->value, strlen(o->value));
		fputs("\\fR", out);
	}
	fputc('\n', out);
	put(out, o->summary, o->summary_len);
	fputc('\n', out);
}

static bool is(const struct help_line *line, const char *text)
{
	return line->len >= strlen(text) && memcmp(line->text, text, strlen(text)) == 0;
}

static const char exit_status[] = "Exit status: ";

/* Lines that are indented and describe no option are shown as they stand. */
static void put_page(FILE *out, const char *page)
{
	bool literal = false, examples = false, in_options = false, apart = false;
	struct help_option option;
	struct help_line line;

	while (help_line_next(&page, &line)) {
		bool heading = line.indent == 0 && is(&line, "Examples") | is(&line, "Example:");
		bool is_option = !examples && help_option_parse(&line, &option);
		bool continued = in_options && line.indent > 2 && line.len > 0;
		bool as_it_stands = line.indent > 0 && line.len > 0 && !is_option && !continued;

		if (literal && !as_it_stands)
			fputs(".fi\n", out);
		if (!literal && as_it_stands)
			fputs(".nf\n", out);
		/* A gap is one only between two texts. */
		bool section = heading || (line.indent == 0 && is(&line, exit_status));
		if (apart && line.len > 0 && !section && !is_option && !as_it_stands)
			fputs(".PP\n", out);
		apart = line.len == 0 || (apart && !literal && as_it_stands);
		literal = as_it_stands;
		in_options = is_option || continued;
		if (heading) {
			fputs(".SH EXAMPLES\n", out);
			examples = true;
			apart = false;
		} else if (is_option) {
			put_option(out, &option);
		} else if (line.len > 0) {
			if (line.indent == 0)
				examples = false;
			if (section) {
				fputs(".SH EXIT STATUS\n", out);
				line.text += strlen(exit_status);
				line.len -= strlen(exit_status);
			}
			put_line(out, &line);
		}
	}
	fputs(literal ? ".fi\n" : "", out);
}

static void put_head(FILE *out, const char *name, const char *command, const char *summary)
{
	const char *epoch = getenv("SOURCE_DATE_EPOCH");
	time_t when = epoch ? (time_t)atoll(epoch) : time(NULL);
	char date[16];
	struct tm tm;

	strftime(date, sizeof(date), "%Y-%m-%d", gmtime_r(&when, &tm));
	fprintf(out, ".TH %s", name);
	for (const char *p = command; *p; p++)
		fputc(toupper((unsigned char)*p), out);
	fprintf(out, " 1 %s \"vmlab " VMLAB_VERSION "\" vmlab\n.SH NAME\nvmlab%s%s \\- ", date,
	    *command ? "\\-" : "", command);
	put(out, summary, strlen(summary));
	fputc('\n', out);
}

void man_command(const struct command *c, FILE *out)
{
	put_head(out, "VMLAB\\-", c->name, c->summary);
	fprintf(out, ".SH SYNOPSIS\n.B vmlab %s\n", c->name);
	put(out, c->args, strlen(c->args));
	fputs("\n.SH DESCRIPTION\n", out);
	put_page(out, c->help);
	fputs(".SH SEE ALSO\n.BR vmlab (1)\n", out);
}

void man_overview(
    const char *overview, const struct command *const *commands, size_t count, FILE *out)
{
	put_head(out, "VMLAB", "", "labs of virtual machines that are installed over PXE");
	fputs(".SH SYNOPSIS\n.B vmlab\n[GLOBAL OPTION...] COMMAND [ARGUMENT...]\n.SH COMMANDS\n",
	    out);
	for (size_t i = 0; i < count; i++) {
		fprintf(out, ".TP\n.BR vmlab\\-%s (1)\n", commands[i]->name);
		put(out, commands[i]->summary, strlen(commands[i]->summary));
		fputc('\n', out);
	}
	fputs(".SH DESCRIPTION\n", out);
	put_page(out, overview);
}
