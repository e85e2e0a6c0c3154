#include "docker/vm/vm_arch.h"

#include <string.h>

static const struct vm_arch amd64 = {
    .name = "amd64",
    .uname = "x86_64",
    .qemu = "qemu-system-x86_64",
    .machine = "q35,vmport=off,smm=off",
    .tcg_cpu =
	"max,-svm", /* without svm the guest does not load kvm, which costs seconds of its boot */
    .global = "ICH9-LPC.disable_s3=1",
    .kvm_flags = {"vmx", "svm"}, /* a nested KVM without them hangs its guests */
    .pm1_port = 0x602,
    .bios = true,
    .sata = true,
};

static const struct vm_arch arm64 = {
    .name = "arm64",
    .uname = "aarch64",
    .qemu = "qemu-system-aarch64",
    .machine = "virt,gic-version=max",
    /* The firmware boots from the network only where the CPU has a random number instruction;
     * pointer authentication in its full form is slow to emulate. */
    .tcg_cpu = "max,pauth-impdef=on",
    .flash_bytes = 64 << 20,
};

const struct vm_arch *const vm_arches[] = {&amd64, &arm64, NULL};

const struct vm_arch *vm_arch_find(const char *name)
{
	for (const struct vm_arch *const *a = vm_arches; *a; a++)
		if (strcmp((*a)->name, name) == 0)
			return *a;
	return NULL;
}

const struct vm_arch *vm_arch_of_host(const char *uname)
{
	for (const struct vm_arch *const *a = vm_arches; *a; a++)
		if (strcmp((*a)->uname, uname) == 0)
			return *a;
	return NULL;
}
