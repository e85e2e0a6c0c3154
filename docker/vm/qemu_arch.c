#include "docker/vm/qemu_arch.h"

const struct qemu_arch qemu_arches[VM_ARCH_COUNT] = {
    [VM_ARCH_AMD64] =
	{
	    .is = &arches[VM_ARCH_AMD64],
	    .machine = "q35,vmport=off,smm=off",
	    .secure_machine = "q35,vmport=off,smm=on",
	    /* Without svm the guest does not load kvm, which costs seconds of its boot. */
	    .tcg_cpu = "max,-svm",
	    .global = "ICH9-LPC.disable_s3=1",
	    .pm1_port = 0x602,
	    .sata = true,
	},
    [VM_ARCH_ARM64] =
	{
	    .is = &arches[VM_ARCH_ARM64],
	    .machine = "virt,gic-version=max",
	    /* The firmware boots from the network only where the CPU has a random number
	     * instruction; pointer authentication in its full form is slow to emulate; with
	     * LPA2 (addresses of 52 bits) Linux 6.12 oopses in kexec_load(2). */
	    .tcg_cpu = "max,pauth-impdef=on,lpa2=off",
	    .flash_bytes = 64 << 20,
	},
};

const struct qemu_arch *qemu_arch_find(const char *name)
{
	enum vm_arch arch;

	return vm_arch_parse(name, &arch) < 0 ? NULL : &qemu_arches[arch];
}
