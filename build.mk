# build.mk - compiles everything of ours. Runs where the compilers are: in the builder container
# (`make` at the top level does that) or on a Debian 13 with the same packages (BUILDER=host).
#
#   ARCH     amd64 | arm64                target architecture
#   VARIANT  release | test | fuzz        test: ASan and UBSan, -Werror
#   STATIC   where the static libraries of docker/builder/static-libs.sh are
#
# Output: build/<arch>/<variant>/, or build/host/<arch>/<variant>/ outside the builder

.SECONDEXPANSION:

ARCH    ?= $(shell dpkg --print-architecture)
VARIANT ?= release
# Outside the builder (no static libraries) objects go to a place of their own, so that two
# toolchains never mix.
BUILD   ?= $(if $(wildcard /opt/static),build,build/host)
OUT     := $(BUILD)/$(ARCH)/$(VARIANT)
STATIC  ?= /opt/static/$(ARCH)

BUILD_ARCH := $(shell dpkg --print-architecture)
TRIPLET_amd64 := x86_64-linux-gnu
TRIPLET_arm64 := aarch64-linux-gnu
TRIPLET := $(TRIPLET_$(ARCH))

ifeq ($(TRIPLET),)
$(error ARCH=$(ARCH) is not supported: use amd64 or arm64)
endif

ifeq ($(ARCH),$(BUILD_ARCH))
CC         := gcc
STRIP      := strip
PKG_CONFIG := pkg-config
else
SYSROOT    := /sysroot/$(ARCH)
CC         := $(TRIPLET)-gcc --sysroot=$(SYSROOT)
STRIP      := $(TRIPLET)-strip
PKG_CONFIG := PKG_CONFIG_SYSROOT_DIR=$(SYSROOT) \
	PKG_CONFIG_LIBDIR=$(SYSROOT)/usr/lib/$(TRIPLET)/pkgconfig:$(SYSROOT)/usr/share/pkgconfig pkg-config
endif

VERSION ?= $(shell cat VERSION)

WARN := -Wall -Wextra -Wshadow -Wvla -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes
CFLAGS_COMMON := -std=c11 -D_GNU_SOURCE -DVMLAB_VERSION='"$(VERSION)"' -g $(WARN) -I. -Ilib -MMD -MP
CFLAGS_release := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong
CFLAGS_test    := -O1 -Werror -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all
CFLAGS_fuzz    := -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all -DFUZZING
LDFLAGS_release := -Wl,-z,relro,-z,now
LDFLAGS_test    := -fsanitize=address,undefined
LDFLAGS_fuzz    := -fsanitize=fuzzer,address,undefined
ifeq ($(VARIANT),fuzz)
CC := clang
endif

CFLAGS_ALL  = $(CFLAGS_COMMON) $(CFLAGS_$(VARIANT)) $(CFLAGS)
LDFLAGS_ALL = $(LDFLAGS_$(VARIANT)) $(LDFLAGS)

pkg_cflags = $(shell $(PKG_CONFIG) --cflags $(1))
pkg_libs   = $(shell $(PKG_CONFIG) --libs $(1))

# ---- sources, one list a component ------------------------------------------------------------

LIB_SRC := \
	lib/addr.c \
	lib/adopted.c \
	lib/argv.c \
	lib/atomic_file.c \
	lib/boot_files.c \
	lib/disk_choice.c \
	lib/domain.c \
	lib/err.c \
	lib/file_content.c \
	lib/hash_table.c \
	lib/image_advice.c \
	lib/own_kernel.c \
	lib/json_syntax.c \
	lib/json_text.c \
	lib/log.c \
	lib/near.c \
	lib/pace.c \
	lib/plan.c \
	lib/smbios_id.c \
	lib/ssh_key.c \
	lib/storage.c \
	lib/text.c \
	lib/vm.c \
	lib/vm_claim.c \
	lib/vm_claims.c \
	lib/vm_cloudinit.c \
	lib/vm_file.c \
	lib/vm_folder.c \
	lib/vm_holders.c \
	lib/vm_lists.c \
	lib/vm_login.c \
	lib/vm_netconf.c \
	lib/vm_network.c \
	lib/vm_package.c \
	lib/vm_read.c \
	lib/vm_schema.c \
	lib/vm_snapshot.c \
	lib/vm_store.c \
	lib/vm_user_data.c \
	lib/yaml_glance.c
VM_WATCHER_SRC := \
	vm_watcher/bus.c \
	vm_watcher/bus_message.c \
	vm_watcher/dnsmasq.c \
	vm_watcher/hosts.c \
	vm_watcher/lease_watch.c \
	vm_watcher/leases.c \
	vm_watcher/ports.c
BOOT_HANDLER_SRC := \
	boot_handler/access.c \
	boot_handler/address.c \
	boot_handler/boot.c \
	boot_handler/card.c \
	boot_handler/check.c \
	boot_handler/cloudinit.c \
	boot_handler/cloudinit_users.c \
	boot_handler/cloudinit_vendor.c \
	boot_handler/config.c \
	boot_handler/db.c \
	boot_handler/db_columns.c \
	boot_handler/firstboot.c \
	boot_handler/guest.c \
	boot_handler/image.c \
	boot_handler/image_made.c \
	boot_handler/image_manifest.c \
	boot_handler/keys.c \
	boot_handler/lease.c \
	boot_handler/lease_effect.c \
	boot_handler/lease_memory.c \
	boot_handler/listen.c \
	boot_handler/live.c \
	boot_handler/machine.c \
	boot_handler/machine_address.c \
	boot_handler/machine_table.c \
	boot_handler/neighbour.c \
	boot_handler/operator.c \
	boot_handler/options.c \
	boot_handler/outlook.c \
	boot_handler/owner.c \
	boot_handler/report.c \
	boot_handler/route.c \
	boot_handler/server.c \
	boot_handler/services.c \
	boot_handler/state.c \
	boot_handler/state_address.c \
	boot_handler/writer.c \
	boot_handler/yaml_text.c
OS_INSTALLER_SRC := \
	os_installer/bootloader/bootloader.c \
	os_installer/bootloader/efi.c \
	os_installer/bootloader/grub.c \
	os_installer/bootloader/grub_bios.c \
	os_installer/bootloader/grub_cfg.c \
	os_installer/bootloader/grub_core.c \
	os_installer/bootloader/grub_efi.c \
	os_installer/bootloader/kernel.c \
	os_installer/bootloader/kexec.c \
	os_installer/bootloader/nvram.c \
	os_installer/bootloader/platform.c \
	os_installer/bootloader/release.c \
	os_installer/cmdline.c \
	os_installer/command.c \
	os_installer/config.c \
	os_installer/disk/device.c \
	os_installer/disk/disk.c \
	os_installer/disk/erase.c \
	os_installer/disk/image.c \
	os_installer/disk/image_table.c \
	os_installer/disk/marker.c \
	os_installer/disk/scan.c \
	os_installer/fetch/digest.c \
	os_installer/fetch/fetch.c \
	os_installer/fetch/http.c \
	os_installer/fetch/manifest.c \
	os_installer/fs/btrfs.c \
	os_installer/fs/ext4.c \
	os_installer/fs/fs.c \
	os_installer/fs/swap.c \
	os_installer/fs/vfat.c \
	os_installer/fs/xfs.c \
	os_installer/install.c \
	os_installer/method/archive.c \
	os_installer/method/disk_image.c \
	os_installer/method/method.c \
	os_installer/report/journal.c \
	os_installer/report/progress.c \
	os_installer/report/report.c \
	os_installer/report/usage.c \
	os_installer/system/hooks.c \
	os_installer/system/mounts.c \
	os_installer/system/seed.c \
	os_installer/system/system.c \
	os_installer/system/tree.c \
	os_installer/unpack/acl.c \
	os_installer/unpack/archive.c \
	os_installer/unpack/decompress.c \
	os_installer/unpack/handover.c \
	os_installer/unpack/image.c \
	os_installer/unpack/unpack.c \
	os_installer/unpack/writeback.c
VMLAB_SRC := \
	vmlab/api.c \
	vmlab/cloud_init.c \
	vmlab/command.c \
	vmlab/complete.c \
	vmlab/container.c \
	vmlab/define.c \
	vmlab/definitions.c \
	vmlab/doctor.c \
	vmlab/engine.c \
	vmlab/engine_error.c \
	vmlab/events.c \
	vmlab/follow.c \
	vmlab/goal.c \
	vmlab/help_text.c \
	vmlab/host.c \
	vmlab/human.c \
	vmlab/image.c \
	vmlab/image_adopt.c \
	vmlab/image_adopt_read.c \
	vmlab/image_build.c \
	vmlab/image_cmd.c \
	vmlab/image_cpio.c \
	vmlab/image_disk.c \
	vmlab/image_disk_kernel.c \
	vmlab/image_file.c \
	vmlab/image_import.c \
	vmlab/image_list.c \
	vmlab/image_manifest.c \
	vmlab/image_modules.c \
	vmlab/image_progress.c \
	vmlab/image_scan.c \
	vmlab/image_source.c \
	vmlab/image_top.c \
	vmlab/image_version.c \
	vmlab/image_work.c \
	vmlab/interrupt.c \
	vmlab/keys.c \
	vmlab/lab.c \
	vmlab/lab_dir.c \
	vmlab/lab_find.c \
	vmlab/lab_folder.c \
	vmlab/lab_name.c \
	vmlab/lab_network.c \
	vmlab/lab_settings.c \
	vmlab/lab_volume.c \
	vmlab/ls.c \
	vmlab/man.c \
	vmlab/mounts.c \
	vmlab/net_clash.c \
	vmlab/new_cmd.c \
	vmlab/plan_cmd.c \
	vmlab/power.c \
	vmlab/power_state.c \
	vmlab/preflight.c \
	vmlab/preflight_network.c \
	vmlab/problems.c \
	vmlab/process.c \
	vmlab/progress.c \
	vmlab/resume.c \
	vmlab/readable.c \
	vmlab/ssh.c \
	vmlab/stages.c \
	vmlab/start.c \
	vmlab/stop.c \
	vmlab/stopping.c \
	vmlab/subject.c \
	vmlab/table.c \
	vmlab/up.c \
	vmlab/vm_disks.c \
	vmlab/vm_uuid.c \
	vmlab/watch.c

# Of the VM's image, but for the programs' main files.
DOCKER_SRC := \
	docker/vm/disk_bus.c \
	docker/vm/machine.c \
	docker/vm/qemu.c \
	docker/vm/vm_arch.c

# A test program foo/test_bar links its component's sources (all but main.c) and lib.
TESTS := \
	docker/vm/test_machine \
	docker/vm/test_qemu \
	lib/test_addr \
	lib/test_adopted \
	lib/test_boot_files \
	lib/test_disk_choice \
	lib/test_domain \
	lib/test_file_content \
	lib/test_image_advice \
	lib/test_own_kernel \
	lib/test_json \
	lib/test_pace \
	lib/test_plan \
	lib/test_smbios_id \
	lib/test_ssh_key \
	lib/test_storage \
	lib/test_text \
	lib/test_vm \
	lib/test_vm_cloudinit \
	lib/test_vm_store \
	lib/test_yaml_glance \
	vm_watcher/test_hosts \
	vm_watcher/test_leases \
	vm_watcher/test_ports \
	boot_handler/test_access \
	boot_handler/test_address \
	boot_handler/test_boot \
	boot_handler/test_documents \
	boot_handler/test_firstboot \
	boot_handler/test_lease \
	boot_handler/test_outlook \
	boot_handler/test_owner \
	boot_handler/test_report \
	boot_handler/test_route \
	boot_handler/test_server \
	boot_handler/test_state \
	boot_handler/test_yaml \
	os_installer/bootloader/test_bootloader \
	os_installer/bootloader/test_grub \
	os_installer/disk/test_image_table \
	os_installer/disk/test_marker \
	os_installer/disk/test_scan \
	os_installer/fetch/test_digest \
	os_installer/fetch/test_fetch \
	os_installer/fs/test_fs \
	os_installer/method/test_method \
	os_installer/report/test_progress \
	os_installer/report/test_report \
	os_installer/system/test_system \
	os_installer/test_cmdline \
	os_installer/test_config \
	os_installer/unpack/test_archive \
	os_installer/unpack/test_decompress \
	vmlab/test_cli \
	vmlab/test_cloud_init \
	vmlab/test_engine_error \
	vmlab/test_image \
	vmlab/test_image_adopt \
	vmlab/test_lab_network \
	vmlab/test_net_clash \
	vmlab/test_power_state \
	vmlab/test_preflight \
	vmlab/test_vm_disks \
	vmlab/test_vmlab
FUZZERS := lib/fuzz_vm vm_watcher/fuzz_hosts boot_handler/fuzz_route

# V=1 shows whole command lines.
Q   := $(if $(V),,@)
say  = $(if $(V),,@echo "  $(1)  $(2)")

# ---- rules ------------------------------------------------------------------------------------

# What each component links besides lib.
LIBS_lib          = $(call pkg_libs,jansson) -lz
LIBS_docker       = $(LIBS_lib)
LIBS_vm_watcher   = $(LIBS_lib) -lpthread
LIBS_boot_handler = $(LIBS_lib) $(call pkg_libs,libmicrohttpd sqlite3) -lpthread
# Named one by one: pkg-config's list for libarchive.a has libraries for formats that are not linked.
# nl_langinfo: see os_installer/unpack/archive.c.
LIBS_os_installer = -Wl,--wrap=nl_langinfo -L$(STATIC)/lib -lfdisk -lblkid -luuid -lcurl -larchive \
	-lacl -lzstd -llzma -lz -lnettle -ljansson -lpthread
LIBS_vmlab        = -L$(STATIC)/lib -lcurl -larchive -lacl -lzstd -llzma -lbz2 -lz -lnettle -ljansson \
	-lpthread

# Programs that ship static. A sanitizer build cannot be: there the same archives are linked into a
# dynamic program.
CPPFLAGS_os_installer = -isystem $(STATIC)/include
CPPFLAGS_vmlab        = -isystem $(STATIC)/include
# The warnings are about getaddrinfo() in a static program: URLs here hold addresses, not names.
LDFLAGS_static_release = -static -Wl,--no-warnings

COMPONENT_SRC_lib          = $(LIB_SRC)
COMPONENT_SRC_docker       = $(DOCKER_SRC)
COMPONENT_SRC_vm_watcher   = $(VM_WATCHER_SRC)
COMPONENT_SRC_boot_handler = $(BOOT_HANDLER_SRC)
COMPONENT_SRC_os_installer = $(OS_INSTALLER_SRC)
COMPONENT_SRC_vmlab        = $(VMLAB_SRC)

obj = $(patsubst %.c,$(OUT)/%.o,$(1))
component = $(firstword $(subst /, ,$(1)))
objs_of = $(call obj,$(sort $(COMPONENT_SRC_$(1)) $(LIB_SRC)))

.PHONY: programs static vm-programs check fuzzers
programs: $(OUT)/boot_handler/boot_handler $(OUT)/vm_watcher/vm_watcher
static: $(OUT)/os_installer/os-installer $(OUT)/vmlab/vmlab
vm-programs: $(OUT)/docker/vm/with-tap $(OUT)/docker/vm/qemu-command

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS_ALL) $(CPPFLAGS_$(call component,$*)) -c -o $@ $<

# A script of ours that goes into a program, as the text of a C string.
$(OUT)/%.inc: %.py
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q)sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $< >$@
$(OUT)/boot_handler/cloudinit_vendor.o: $(OUT)/boot_handler/guest_ready.inc
CPPFLAGS_boot_handler = -I$(OUT)

define program # output path, component, extra link flags
$(OUT)/$(1): $(OUT)/$(2)/main.o $(call objs_of,$(2))
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $(3) $$(LDFLAGS_ALL) -o $$@ $$^ $$(LIBS_$(2))
	$$(Q)$$(if $$(filter release,$$(VARIANT)),$$(STRIP) -g $$@)
endef
$(eval $(call program,boot_handler/boot_handler,boot_handler))
$(eval $(call program,vm_watcher/vm_watcher,vm_watcher))
$(eval $(call program,os_installer/os-installer,os_installer,$$(LDFLAGS_static_$$(VARIANT))))
$(eval $(call program,vmlab/vmlab,vmlab,$$(LDFLAGS_static_$$(VARIANT))))

# What the VM's image needs beside its scripts; of lib only what is named here.
$(OUT)/docker/vm/with-tap: $(OUT)/docker/vm/with_tap.o
$(OUT)/docker/vm/qemu-command: $(call obj,docker/vm/qemu_command.c $(DOCKER_SRC) lib/argv.c lib/err.c lib/text.c)
$(OUT)/docker/vm/with-tap $(OUT)/docker/vm/qemu-command:
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_static_$(VARIANT)) $(LDFLAGS_ALL) -o $@ $^
	$(Q)$(if $(filter release,$(VARIANT)),$(STRIP) -g $@)

# Unit tests: `check` runs them all and goes on after a failure; check-<component> one component's.
define unit_test # dir/test_name
$(OUT)/$(1): $(OUT)/$(1).o $(call objs_of,$(call component,$(1)))
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(LIBS_$(call component,$(1))) $$(call pkg_libs,cmocka)
endef
$(foreach t,$(TESTS),$(eval $(call unit_test,$(t))))

run_tests = @rc=0; for t in $(1); do echo "== $$t"; \
	UBSAN_OPTIONS=print_stacktrace=1 CMOCKA_MESSAGE_OUTPUT=STDOUT $(OUT)/$$t || rc=1; done; exit $$rc

# All of it compiled, nothing linked: with VARIANT=test a warning is an error.
.PHONY: objects
objects: $(call obj,$(sort $(foreach c,lib vm_watcher boot_handler os_installer vmlab,$(COMPONENT_SRC_$(c)) \
    $(if $(filter-out lib,$(c)),$(c)/main.c)))) $(addprefix $(OUT)/,$(addsuffix .o,$(TESTS)))

check: $(addprefix $(OUT)/,$(TESTS))
	$(call run_tests,$(TESTS))
# A '%' in a prerequisite would become the stem before the second expansion: hence the call.
tests_of = $(filter $(1)/%,$(TESTS))
.PHONY: $(addprefix check-,lib docker vm_watcher boot_handler os_installer vmlab)
$(addprefix check-,lib docker vm_watcher boot_handler os_installer vmlab): check-%: \
    $$(addprefix $(OUT)/,$$(call tests_of,$$*))
	$(call run_tests,$(call tests_of,$*))

# Fuzz targets: with VARIANT=fuzz libFuzzer drives them; else lib/fuzz_main.c replays a corpus.
define fuzz_target # dir/fuzz_name
$(OUT)/$(1): $(OUT)/$(1).o $(call objs_of,$(call component,$(1))) \
    $(if $(filter fuzz,$(VARIANT)),,$(OUT)/lib/fuzz_main.o)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(LIBS_$(call component,$(1)))
endef
$(foreach t,$(FUZZERS),$(eval $(call fuzz_target,$(t))))
fuzzers: $(addprefix $(OUT)/,$(FUZZERS))

-include $(shell find $(OUT) -name '*.d' 2>/dev/null)
