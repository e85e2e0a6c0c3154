#include "lib/machine/lifecycle.h"

/* An install starts the next attempt, unless one has started and not even the installer has come up
 * since; what is installed already is installed anew by order only, be it given at its menu. One
 * that tells of each boot is no more than installed until it does: what it runs now is not what
 * was ready. */
static void boots(struct life_step *step, const struct happening *h)
{
	struct life *life = &step->life;
	bool installed = life->state == MACHINE_INSTALLED || life->state == MACHINE_READY;

	step->taken = true;
	if (h->installs &&
	    (life->reinstall || life->state != MACHINE_BOOTING || life->attempt == 0)) {
		*life = (struct life){.state = MACHINE_BOOTING,
		    .attempt = life->attempt + 1,
		    .ordered = life->ordered || life->reinstall || installed,
		    .netboot_off = life->netboot_off};
		step->changed = step->anew = true;
	} else if (h->restarts && h->tells && life->state == MACHINE_READY) {
		life->state = MACHINE_INSTALLED;
		step->changed = step->reboots = true;
	}
}

/* A finished install is never unfinished by a late report; a failed one only by its success. Done
 * is what was begun: a machine that was never told to install has nothing to end. */
static bool takes_report(const struct life *life, const struct happening *h)
{
	if (life->reinstall)
		return false;
	switch (life->state) {
	case MACHINE_DECLARED: /* the state file was lost while it installed */
		return !h->done;
	case MACHINE_BOOTING:
	case MACHINE_INSTALLING:
		return true;
	case MACHINE_FAILED:
		return h->done;
	case MACHINE_INSTALLED:
	case MACHINE_READY:
		break;
	}
	return false;
}

static void reports(struct life_step *step, const struct happening *h)
{
	struct life *life = &step->life;
	enum machine_state before = life->state;

	step->taken = takes_report(life, h);
	if (!step->taken)
		return;
	if (life->attempt == 0)
		life->attempt = 1;
	life->state = h->failed ? MACHINE_FAILED : h->done ? MACHINE_INSTALLED : MACHINE_INSTALLING;
	if (h->done) {
		life->ordered = false;
		if (h->installed_as > life->attempt)
			life->attempt = h->installed_as;
	}
	step->anew = h->done;
	step->must_save = h->done || h->failed;
	step->changed = life->state != before;
}

/* Nothing is installed. It boots as its definition says then, or as was ordered. */
static void is_wiped(struct life_step *step)
{
	enum machine_state was = step->life.state;

	step->taken = was == MACHINE_INSTALLED || was == MACHINE_READY;
	step->changed = step->anew = step->must_save = step->taken;
	if (step->taken)
		step->life.state = MACHINE_DECLARED;
}

static void is_ready(struct life_step *step)
{
	step->changed = step->life.state == MACHINE_INSTALLED;
	step->taken = step->must_save = step->changed || step->life.state == MACHINE_READY;
	step->reboots = step->taken;
	if (step->changed)
		step->life.state = MACHINE_READY;
}

struct life_step lifecycle_step(const struct life *life, const struct happening *h)
{
	struct life_step step = {.life = *life};

	switch (h->kind) {
	case LIFE_BOOTS:
		boots(&step, h);
		break;
	case LIFE_REPORTS:
		reports(&step, h);
		break;
	case LIFE_TELLS:
		/* What ends after the call that made it ready is no news. */
		step.taken = life->state == MACHINE_INSTALLED;
		break;
	case LIFE_IS_READY:
		is_ready(&step);
		break;
	case LIFE_REINSTALL:
		step.life = (struct life){.state = MACHINE_DECLARED,
		    .attempt = life->attempt,
		    .reinstall = true,
		    .ordered = life->ordered,
		    .netboot_off = life->netboot_off};
		step.taken = step.changed = step.anew = step.must_save = true;
		break;
	case LIFE_LOCAL:
		step.life.reinstall = step.life.ordered = false;
		step.life.local = true;
		step.taken = step.changed = step.must_save = true;
		break;
	case LIFE_DEPLOYED:
		step.life = (struct life){.state = MACHINE_INSTALLED,
		    .attempt = life->attempt ? life->attempt : 1,
		    .netboot_off = life->netboot_off};
		step.taken = step.changed = step.anew = step.must_save = true;
		break;
	case LIFE_WIPED:
		is_wiped(&step);
		break;
	case LIFE_NETBOOT_OFF:
	case LIFE_NETBOOT_ON:
		step.life.netboot_off = h->kind == LIFE_NETBOOT_OFF;
		step.taken = step.changed = step.must_save = true;
		break;
	}
	return step;
}
