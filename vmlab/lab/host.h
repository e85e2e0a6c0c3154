/* host.h - what this machine offers. Only asks, changes nothing. */
#ifndef VMLAB_LAB_HOST_H
#define VMLAB_LAB_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/machine/arch.h"

/* Pure: true when the text of /proc/cpuinfo says that hardware virtualisation can work. On x86
 * /dev/kvm alone proves nothing (inside some virtual machines it exists and hangs guests): the
 * flag vmx or svm must be there as well. Other architectures have no such flag. */
bool host_cpuinfo_virtualises(const char *cpuinfo, enum vm_arch arch);

/* True when /dev/kvm can be used for a guest of `arch`; otherwise *why, borrowed, says why not. */
bool host_kvm_usable(enum vm_arch arch, const char **why);

bool host_has_ipv6(void);

/* True when binfmt_misc runs foreign `arch` programs inside containers and chroots. */
bool host_binfmt(enum vm_arch arch);

/* Bytes free for an ordinary user below the nearest existing directory of `path`; 0 on failure. */
uint64_t host_free_bytes(const char *path);

/* True when nobody listens on 127.0.0.1:port. */
bool host_port_free(int port);

/* A port of 127.0.0.1 on which nobody listens; 0 on failure. */
int host_find_free_port(void);

#endif
