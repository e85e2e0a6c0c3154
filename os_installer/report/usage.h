/* usage.h - what this process and those it waited for have used of the machine so far. */
#ifndef OS_INSTALLER_REPORT_USAGE_H
#define OS_INSTALLER_REPORT_USAGE_H

struct usage {
	long long own_cpu_ms, children_cpu_ms; /* user and system */
	long own_peak_kib;   /* largest resident set since the program was started */
	long child_peak_kib; /* of the one child that had the largest */
};

/* Never fails; what the kernel does not tell is 0. */
struct usage usage_now(void);

#endif
