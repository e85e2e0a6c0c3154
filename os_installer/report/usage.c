#include "os_installer/report/usage.h"

#include <stdio.h>
#include <sys/resource.h>

#include "lib/base/cleanup.h"

static long long cpu_ms(const struct rusage *u)
{
	return (u->ru_utime.tv_sec + u->ru_stime.tv_sec) * 1000LL +
	       (u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1000;
}

/* getrusage() would count the program that started this one, too. */
static long own_peak_kib(void)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/status", "re");
	char line[128];
	long kib = 0;

	while (f && fgets(line, sizeof(line), f) && sscanf(line, "VmHWM: %ld", &kib) != 1)
		;
	return kib;
}

struct usage usage_now(void)
{
	struct rusage own = {0}, children = {0};

	(void)getrusage(RUSAGE_SELF, &own);
	(void)getrusage(RUSAGE_CHILDREN, &children);
	return (struct usage){.own_cpu_ms = cpu_ms(&own),
	    .children_cpu_ms = cpu_ms(&children),
	    .own_peak_kib = own_peak_kib(),
	    .child_peak_kib = children.ru_maxrss};
}
