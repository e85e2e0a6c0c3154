#include "vmlab/ui/interrupt.h"

#include <signal.h>
#include <stddef.h>
#include <time.h>

static volatile sig_atomic_t pending;
static bool installed;

static void on_signal(int signal_number)
{
	pending = signal_number;
}

void interrupt_install(void)
{
	struct sigaction action = {.sa_handler = on_signal};

	installed = true;
	sigemptyset(&action.sa_mask);
	sigaction(SIGINT, &action, NULL);
	sigaction(SIGTERM, &action, NULL);
}

bool interrupt_installed(void)
{
	return installed;
}

bool interrupt_pending(void)
{
	return pending != 0;
}

void interrupt_sleep_ms(int ms)
{
	struct timespec ts = {.tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000};

	if (!pending)
		nanosleep(&ts, NULL);
}
