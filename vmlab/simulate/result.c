#include "vmlab/simulate/result.h"

#include <string.h>

#include "lib/base/size.h"
#include "vmlab/simulate/machine.h"
#include "lib/base/human.h"

#define WHICH_MAX 20

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static double real(const json_t *o, const char *key)
{
	return json_number_value(json_object_get(o, key));
}

static json_int_t ended(const json_t *result, enum machine_ending ending)
{
	return number(json_object_get(result, "ended"), machine_ending_words[ending]);
}

static bool server_agrees(const json_t *result)
{
	const json_t *ready = json_object_get(result, "server_ready");

	return !ready || json_integer_value(ready) == ended(result, MACHINE_READY);
}

bool result_is_well(const json_t *result)
{
	return ended(result, MACHINE_FAILED) == 0 && ended(result, MACHINE_GOING) == 0 &&
	       server_agrees(result);
}

static void print_ends(const json_t *result, FILE *f)
{
	char took[HUMAN_TEXT_SIZE];

	fprintf(f, "%lld machines in %s:", (long long)number(result, "machines"),
	    human_duration((int64_t)(real(result, "took_s") * 1000), took));
	const char *comma = "";
	for (unsigned i = 0; i < MACHINE_ENDING_COUNT; i++) {
		json_int_t n = ended(result, (enum machine_ending)i);
		if (n == 0 && i != MACHINE_READY && i != MACHINE_FAILED)
			continue;
		fprintf(f, "%s %lld %s", comma, (long long)n, machine_ending_words[i]);
		comma = ",";
	}
	fputc('\n', f);
}

/* Which of them got no further, as their profile says or because nobody has declared them. */
static void print_which(const json_t *result, enum machine_ending ending, FILE *f)
{
	const json_t *list = json_object_get(result, machine_ending_words[ending]), *one;
	size_t count = json_array_size(list), i;

	if (count == 0)
		return;
	fprintf(f, "  %s: machine%s", machine_ending_words[ending], count == 1 ? "" : "s");
	json_array_foreach(list, i, one) {
		if (i == WHICH_MAX)
			break;
		fprintf(f, "%s %lld", i ? "," : "", (long long)json_integer_value(one));
	}
	if (count > WHICH_MAX)
		fprintf(f, " and %zu more", count - WHICH_MAX);
	fputc('\n', f);
}

static void print_failures(const json_t *result, FILE *f)
{
	const json_t *one;
	size_t i;

	json_array_foreach(json_object_get(result, "failures"), i, one) {
		fprintf(f, "  %lld failed: ", (long long)number(one, "machines"));
		human_print_clean(f, json_string_value(json_object_get(one, "reason")));
		fputc('\n', f);
	}
	if (!server_agrees(result))
		fprintf(f, "  the server says that %lld are ready\n",
		    (long long)number(result, "server_ready"));
}

static void print_steps(const json_t *result, FILE *f)
{
	const json_t *one;
	size_t i;

	fprintf(f, "\n%-22s%10s%8s%10s%10s%10s%10s%10s\n", "step (ms)", "times", "again", "p50",
	    "p90", "p99", "max", "own p99");
	json_array_foreach(json_object_get(result, "steps"), i, one)
		fprintf(f, "%-22s%10lld%8lld%10.1f%10.1f%10.1f%10.1f%10.1f\n",
		    json_string_value(json_object_get(one, "name")),
		    (long long)number(one, "count"), (long long)number(one, "again"),
		    real(one, "p50_ms"), real(one, "p90_ms"), real(one, "p99_ms"),
		    real(one, "max_ms"), real(one, "own_p99_ms"));
}

static void print_server(const json_t *result, FILE *f)
{
	json_int_t ready = ended(result, MACHINE_READY);
	double each = ready > 0 ? (double)ready : 0;
	char text[SIZE_TEXT_SIZE];
	const json_t *one;
	size_t i;

	fprintf(f, "\n%-22s%12s%18s%16s\n", "server", "CPU s", "ms an install", "memory's peak");
	json_array_foreach(json_object_get(result, "daemons"), i, one) {
		double s = real(one, "cpu_s");
		if (s < 0.01)
			continue;
		fprintf(f, "%-22s%12.2f", json_string_value(json_object_get(one, "name")), s);
		if (each > 0)
			fprintf(f, "%18.1f", s * 1000 / each);
		else
			fprintf(f, "%18s", "");
		fprintf(f, "%16s\n", size_text((uint64_t)number(one, "peak_rss_bytes"), text));
	}
	if (each > 0)
		fprintf(f, "%-22s%12.2f%18.1f\n", "all", real(result, "cpu_s"),
		    real(result, "cpu_s") * 1000 / each);
}

static void print_rest(const json_t *result, FILE *f)
{
	const json_t *own = json_object_get(result, "simulator");
	json_int_t ready = ended(result, MACHINE_READY);
	uint64_t received = (uint64_t)number(result, "received_bytes");
	char text[SIZE_TEXT_SIZE];

	fprintf(f, "\nsent by the server: %s", size_text(received, text));
	if (ready > 0)
		fprintf(f, ", %s for each machine that is ready",
		    size_text(received / (uint64_t)ready, text));
	fprintf(f,
	    "\nthe simulator itself: %.2f s of CPU, %s of memory, late by %.1f ms (p50) and %.1f ms (p99)\n",
	    real(own, "cpu_s"), size_text((uint64_t)number(own, "peak_rss_bytes"), text),
	    real(own, "late_p50_ms"), real(own, "late_p99_ms"));
}

void result_print(const json_t *result, FILE *f)
{
	print_ends(result, f);
	for (unsigned i = MACHINE_SILENT; i < MACHINE_ENDING_COUNT; i++)
		print_which(result, (enum machine_ending)i, f);
	print_failures(result, f);
	print_steps(result, f);
	print_server(result, f);
	print_rest(result, f);
}
