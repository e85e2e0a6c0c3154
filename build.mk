# build.mk - compiles everything of ours. Runs where the compilers are: in the builder container
# (`make` at the top level does that) or on a Debian 13 with the same packages (BUILDER=host).
#
#   ARCH     of docker/arches.table       target architecture
#   VARIANT  release | test | fuzz | coverage   test: ASan and UBSan, -Werror
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
TRIPLET    := $(shell awk '$$1 == "$(ARCH)" {print $$3}' docker/arches.table)

ifeq ($(TRIPLET),)
$(error ARCH=$(ARCH) is not supported: docker/arches.table has no row for it)
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
CFLAGS_COMMON := -std=c11 -D_GNU_SOURCE -DVMLAB_VERSION='"$(VERSION)"' -DVMLAB_ARCH='"$(ARCH)"' -g $(WARN) -I. -MMD -MP
# Each program links all of lib and leaves out what it does not call.
CFLAGS_release := -O2 -D_FORTIFY_SOURCE=2 -fstack-protector-strong -ffunction-sections -fdata-sections
CFLAGS_test    := -O1 -Werror -fno-omit-frame-pointer -fsanitize=address,undefined \
	-fno-sanitize-recover=all
CFLAGS_fuzz    := -O1 -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined \
	-fno-sanitize-recover=all -DFUZZING
CFLAGS_coverage := -O0 --coverage -fprofile-update=atomic
LDFLAGS_release := -Wl,-z,relro,-z,now -Wl,--gc-sections
LDFLAGS_test    := -fsanitize=address,undefined
LDFLAGS_coverage := --coverage -Wl,--wrap=_exit $(OUT)/tests/coverage_exit.o
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
	lib/base/argv.c \
	lib/base/atomic_file.c \
	lib/base/bytes.c \
	lib/base/clock.c \
	lib/base/err.c \
	lib/base/hash_table.c \
	lib/base/log.c \
	lib/base/near.c \
	lib/base/pace.c \
	lib/base/process.c \
	lib/base/size.c \
	lib/base/text.c \
	lib/base/words.c \
	$(sort $(filter-out lib/boot/test_%,$(wildcard lib/boot/*.c))) \
	lib/definition/cloudinit.c \
	lib/definition/disk_choice.c \
	lib/definition/fields.c \
	lib/definition/file_content.c \
	lib/definition/identity.c \
	lib/definition/install_config.c \
	lib/definition/kernel_args.c \
	lib/definition/kind.c \
	lib/definition/lists.c \
	lib/definition/login.c \
	lib/definition/mode.c \
	lib/definition/netconf.c \
	lib/definition/network.c \
	lib/definition/package.c \
	lib/definition/parse.c \
	lib/definition/schema.c \
	lib/definition/storage.c \
	lib/definition/user_data.c \
	lib/definition/vm.c \
	lib/definition/yaml_glance.c \
	lib/image/adopted.c \
	lib/image/boot_files.c \
	lib/image/bootloader.c \
	lib/image/image_advice.c \
	lib/image/kernel_version.c \
	lib/image/manifest.c \
	lib/image/os_release.c \
	lib/image/own_kernel.c \
	lib/json/read.c \
	lib/json/syntax.c \
	lib/json/text.c \
	lib/machine/arch.c \
	lib/machine/file_system.c \
	lib/machine/lifecycle.c \
	lib/machine/event.c \
	lib/machine/machine.c \
	lib/machine/smbios_id.c \
	lib/machine/vm_setting.c \
	lib/net/addr.c \
	lib/net/domain.c \
	lib/net/ssh_key.c \
	lib/plan/plan.c \
	lib/store/claim.c \
	lib/store/claims.c \
	lib/store/file.c \
	lib/store/folder.c \
	lib/store/holders.c \
	lib/store/snapshot.c \
	lib/store/store.c
VM_WATCHER_SRC := \
	vm_watcher/bus.c \
	vm_watcher/bus_message.c \
	vm_watcher/dnsmasq.c \
	vm_watcher/hosts.c \
	vm_watcher/lease_watch.c \
	vm_watcher/leases.c \
	vm_watcher/ports.c
BOOT_HANDLER_SRC := \
	boot_handler/check.c \
	boot_handler/documents/cloudinit.c \
	boot_handler/documents/cloudinit_users.c \
	boot_handler/documents/cloudinit_vendor.c \
	boot_handler/documents/config.c \
	boot_handler/documents/owner.c \
	boot_handler/documents/route.c \
	boot_handler/documents/yaml_text.c \
	boot_handler/http/access.c \
	boot_handler/http/call.c \
	boot_handler/http/endpoint.c \
	boot_handler/http/guest.c \
	boot_handler/http/neighbour.c \
	boot_handler/http/operator.c \
	boot_handler/http/server.c \
	boot_handler/http/services.c \
	boot_handler/options.c \
	boot_handler/sources/image.c \
	boot_handler/sources/image_made.c \
	boot_handler/sources/keys.c \
	boot_handler/sources/lease.c \
	boot_handler/sources/lease_effect.c \
	boot_handler/sources/lease_memory.c \
	boot_handler/sources/listen.c \
	boot_handler/state/address.c \
	boot_handler/state/card.c \
	boot_handler/state/db.c \
	boot_handler/state/db_columns.c \
	boot_handler/state/firstboot.c \
	boot_handler/state/machine_address.c \
	boot_handler/state/machine_table.c \
	boot_handler/state/outlook.c \
	boot_handler/state/report.c \
	boot_handler/state/state.c \
	boot_handler/state/state_address.c \
	boot_handler/state/writer.c
OS_INSTALLER_SRC := \
	os_installer/base/cmdline.c \
	os_installer/base/command.c \
	os_installer/base/config.c \
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
	os_installer/bootloader/release.c \
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
	$(filter-out vmlab/cmd/test_%,$(sort $(wildcard vmlab/cmd/*.c))) \
	vmlab/engine/docker.c \
	vmlab/engine/engine.c \
	vmlab/engine/engine_error.c \
	vmlab/engine/engine_find.c \
	vmlab/follow/cloud_init.c \
	vmlab/follow/follow.c \
	vmlab/follow/goal.c \
	vmlab/follow/power_state.c \
	vmlab/follow/progress.c \
	vmlab/follow/stages.c \
	vmlab/follow/table.c \
	vmlab/image/adopt.c \
	vmlab/image/adopt_read.c \
	vmlab/image/build.c \
	vmlab/image/cpio.c \
	vmlab/image/disk.c \
	vmlab/image/disk_kernel.c \
	vmlab/image/disk_look.c \
	vmlab/image/file.c \
	vmlab/image/image.c \
	vmlab/image/import.c \
	vmlab/image/list.c \
	vmlab/image/manifest.c \
	vmlab/image/modules.c \
	vmlab/image/progress.c \
	vmlab/image/scan.c \
	vmlab/image/source.c \
	vmlab/image/top.c \
	vmlab/image/work.c \
	vmlab/judge/preflight.c \
	vmlab/judge/preflight_network.c \
	vmlab/judge/subject.c \
	vmlab/lab/api.c \
	vmlab/lab/command.c \
	vmlab/lab/container.c \
	vmlab/lab/host.c \
	vmlab/lab/keys.c \
	vmlab/lab/lab.c \
	vmlab/lab/lab_dir.c \
	vmlab/lab/lab_find.c \
	vmlab/lab/lab_folder.c \
	vmlab/lab/lab_name.c \
	vmlab/lab/lab_network.c \
	vmlab/lab/lab_settings.c \
	vmlab/lab/lab_volume.c \
	vmlab/lab/mounts.c \
	vmlab/lab/net_clash.c \
	vmlab/lab/problems.c \
	vmlab/lab/readable.c \
	vmlab/lab/resume.c \
	vmlab/lab/start.c \
	vmlab/lab/stopping.c \
	vmlab/lab/vm_disks.c \
	vmlab/lab/vm_uuid.c \
	vmlab/ui/help_text.c \
	vmlab/ui/human.c \
	vmlab/ui/interrupt.c

# Of the VM's image, but for the programs' main files.
DOCKER_SRC := \
	docker/vm/disk_bus.c \
	docker/vm/machine.c \
	docker/vm/qemu.c \
	docker/vm/qemu_arch.c

# A test program foo/test_bar links its component's sources (all but main.c) and lib.
TESTS := \
	lib/base/test_bytes \
	lib/base/test_clock \
	lib/base/test_pace \
	lib/base/test_process \
	lib/base/test_size \
	lib/base/test_text \
	lib/boot/test_boot \
	lib/definition/test_cloudinit \
	lib/definition/test_disk_choice \
	lib/definition/test_file_content \
	lib/definition/test_install_config \
	lib/definition/test_storage \
	lib/definition/test_vm \
	lib/definition/test_yaml_glance \
	lib/image/test_adopted \
	lib/image/test_boot_files \
	lib/image/test_bootloader \
	lib/image/test_image_advice \
	lib/image/test_manifest \
	lib/image/test_os_release \
	lib/image/test_own_kernel \
	lib/json/test_json \
	lib/machine/test_arch \
	lib/machine/test_file_system \
	lib/machine/test_lifecycle \
	lib/machine/test_event \
	lib/machine/test_smbios_id \
	lib/net/test_addr \
	lib/net/test_domain \
	lib/net/test_ssh_key \
	lib/plan/test_plan \
	lib/store/test_store \
	vm_watcher/test_hosts \
	vm_watcher/test_leases \
	vm_watcher/test_ports \
	vm_watcher/test_watcher \
	boot_handler/documents/test_documents \
	boot_handler/documents/test_owner \
	boot_handler/documents/test_route \
	boot_handler/documents/test_yaml \
	boot_handler/http/test_access \
	boot_handler/http/test_server \
	boot_handler/sources/test_lease \
	boot_handler/state/test_address \
	boot_handler/state/test_firstboot \
	boot_handler/state/test_outlook \
	boot_handler/state/test_report \
	boot_handler/state/test_state \
	os_installer/test_installer \
	os_installer/base/test_cmdline \
	os_installer/base/test_command \
	os_installer/base/test_config \
	os_installer/bootloader/test_bootloader \
	os_installer/bootloader/test_grub \
	os_installer/disk/test_erase \
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
	os_installer/system/test_tree \
	os_installer/unpack/test_archive \
	os_installer/unpack/test_decompress \
	vmlab/test_commands \
	vmlab/cmd/test_cli \
	vmlab/cmd/test_vmlab \
	vmlab/engine/test_engine \
	vmlab/engine/test_engine_error \
	vmlab/follow/test_cloud_init \
	vmlab/follow/test_power_state \
	vmlab/follow/test_stages \
	vmlab/image/test_adopt \
	vmlab/image/test_cpio \
	vmlab/image/test_disk_look \
	vmlab/image/test_image \
	vmlab/judge/test_preflight \
	vmlab/lab/test_lab_dir \
	vmlab/lab/test_lab_network \
	vmlab/lab/test_net_clash \
	vmlab/lab/test_vm_disks \
	docker/vm/test_machine \
	docker/vm/test_programs \
	docker/vm/test_qemu
FUZZERS := lib/definition/fuzz_vm vm_watcher/fuzz_hosts boot_handler/documents/fuzz_route

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
LDFLAGS_static_release = -static
# The linker warns of getaddrinfo() in a static program: URLs here hold addresses, not names. Its
# own --no-warnings hides errors too, and makes programs that call what is not there.
link = $(CC) $(1) >$@.log 2>&1 || { cat $@.log; exit 1; }

COMPONENTS := lib docker vm_watcher boot_handler os_installer vmlab
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

# A script of ours that goes into a program: NAME.inc defines its text, NAME_py.
$(OUT)/%.inc: %.py build.mk
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q){ echo 'static const char $(notdir $*)_py[] ='; sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $<; echo ';'; } >$@
$(OUT)/boot_handler/documents/cloudinit_vendor.o: $(OUT)/boot_handler/documents/guest_ready.inc
CPPFLAGS_boot_handler = -I$(OUT)

define program # output path, component, extra link flags
$(OUT)/$(1): $(OUT)/$(2)/main.o $(call objs_of,$(2))
	$$(call say,LD,$$@)
	$$(Q)$$(call link,$(3) $$(LDFLAGS_ALL) -o $$@ $$^ $$(LIBS_$(2)))
	$$(Q)$$(if $$(filter release,$$(VARIANT)),$$(STRIP) -g $$@)
endef
$(eval $(call program,boot_handler/boot_handler,boot_handler))
$(eval $(call program,vm_watcher/vm_watcher,vm_watcher))
$(eval $(call program,os_installer/os-installer,os_installer,$$(LDFLAGS_static_$$(VARIANT))))
$(eval $(call program,vmlab/vmlab,vmlab,$$(LDFLAGS_static_$$(VARIANT))))

# What the VM's image needs beside its scripts; of lib only what is named here.
$(OUT)/docker/vm/with-tap: $(OUT)/docker/vm/with_tap.o
$(OUT)/docker/vm/qemu-command: $(call obj,docker/vm/qemu_command.c $(DOCKER_SRC) lib/base/argv.c lib/base/err.c lib/base/text.c lib/base/words.c lib/machine/vm_setting.c \
	lib/machine/arch.c)
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

# These start programs of ours.
$(OUT)/docker/vm/test_programs: | vm-programs
$(OUT)/vmlab/test_commands: | $(OUT)/vmlab/vmlab $(OUT)/boot_handler/boot_handler
$(OUT)/os_installer/test_installer: | $(OUT)/os_installer/os-installer
$(OUT)/vm_watcher/test_watcher: | $(OUT)/vm_watcher/vm_watcher

run_tests = @rc=0; for t in $(1); do echo "== $$t"; \
	UBSAN_OPTIONS=print_stacktrace=1 CMOCKA_MESSAGE_OUTPUT=STDOUT $(OUT)/$$t || rc=1; done; exit $$rc

# All of it compiled, nothing linked: with VARIANT=test a warning is an error.
MAIN_SRC := docker/vm/qemu_command.c docker/vm/with_tap.c lib/fuzz_main.c tests/coverage_exit.c \
	$(addsuffix /main.c,vm_watcher boot_handler os_installer vmlab)
ALL_SRC := $(sort $(MAIN_SRC) $(foreach c,$(COMPONENTS),$(COMPONENT_SRC_$(c))) $(addsuffix .c,$(TESTS) $(FUZZERS)))
.PHONY: objects
objects: $(call obj,$(ALL_SRC))

# How each is compiled, for editors: ROOT is the repository and HEADERS the builder's file system,
# where the editor runs.
comma := ,
compile_command = {"directory": "$(ROOT)", "file": "$(1)", "command": "$(subst ",\",$(CC) $(addprefix --sysroot=,$(HEADERS)) $(filter-out -MMD -MP,$(CFLAGS_ALL)) \
	$(patsubst /opt/%,$(if $(HEADERS),$(HEADERS)/opt/%,/opt/%),$(CPPFLAGS_$(call component,$(1)))) -c $(1))"}
.PHONY: compile_commands.json
compile_commands.json: $(OUT)/boot_handler/documents/guest_ready.inc
	@:$(file >$@,[$(call compile_command,$(firstword $(ALL_SRC))))
	$(foreach s,$(wordlist 2,$(words $(ALL_SRC)),$(ALL_SRC)),$(file >>$@,$(comma)$(call compile_command,$(s))))
	$(file >>$@,])

# With VARIANT=coverage: what the tests reach, main files and all else counted.
.PHONY: coverage
coverage: objects
	$(Q)find $(OUT) -name '*.gcda' -delete
	$(Q)$(MAKE) --no-print-directory -f build.mk check >$(OUT)/check.log 2>&1 || { cat $(OUT)/check.log; exit 1; }
	$(Q)rm -rf build/coverage && python3 tests/coverage.py $(OUT) build/coverage

check: $(addprefix $(OUT)/,$(TESTS))
	$(call run_tests,$(TESTS))
# A '%' in a prerequisite would become the stem before the second expansion: hence the call.
tests_of = $(filter $(1)/%,$(TESTS))
.PHONY: $(addprefix check-,$(COMPONENTS))
$(addprefix check-,$(COMPONENTS)): check-%: \
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
