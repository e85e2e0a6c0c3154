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

# What is in these folders, but tests and what has a main().
sources_in = $(sort $(filter-out %/main.c $(foreach d,$(1),$(d)/test_% $(d)/fuzz_%),$(wildcard $(1:%=%/*.c))))

LIB_SRC := $(call sources_in,$(addprefix lib/,base boot definition explain follow image json machine net order plan store unattended))
VM_WATCHER_SRC := $(call sources_in,vm_watcher)
# Where clang is there is no libcurl: fuzzers do without what sends.
BOOT_HANDLER_SRC := $(call sources_in,boot_handler $(addprefix boot_handler/,documents http pages sources state \
	$(if $(filter fuzz,$(VARIANT)),,webhook)))
OS_INSTALLER_SRC := $(call sources_in,os_installer $(addprefix os_installer/,agent backup base bootloader disk fetch fs inventory method report system trial unpack))
VMLAB_SRC := $(call sources_in,$(addprefix vmlab/,cmd engine follow image judge lab simulate ui))

# Of the VM's image, but for the programs' main files.
DOCKER_SRC := \
	docker/vm/disk_bus.c \
	docker/vm/machine.c \
	docker/vm/qemu.c \
	docker/vm/qemu_arch.c

# A test program foo/test_bar links its component's sources (all but main.c) and lib.
TESTS := $(patsubst %.c,%,$(sort $(wildcard $(addsuffix /test_*.c,docker/vm vmlab \
	$(patsubst %/,%,$(sort $(dir $(LIB_SRC) $(VM_WATCHER_SRC) $(BOOT_HANDLER_SRC) $(OS_INSTALLER_SRC) $(VMLAB_SRC))))))))
FUZZERS := lib/definition/fuzz_vm lib/image/fuzz_folder lib/net/fuzz_lease_file lib/order/fuzz_order \
	lib/unattended/fuzz_template vm_watcher/fuzz_bus vm_watcher/fuzz_hosts \
	boot_handler/documents/fuzz_route boot_handler/http/fuzz_asked boot_handler/http/fuzz_explain \
	boot_handler/http/fuzz_heard boot_handler/pages/fuzz_html os_installer/backup/fuzz_used \
	os_installer/disk/fuzz_image_table os_installer/inventory/fuzz_lldp os_installer/inventory/fuzz_smbios \
	vmlab/simulate/fuzz_answered
# Where clang is there are no static libraries: of the installer what needs none.
FUZZ_SRC_os_installer := $(addprefix os_installer/inventory/,below.c lldp.c memory.c smbios.c unset.c) \
	$(filter-out os_installer/backup/used_disk.c,$(wildcard os_installer/backup/used*.c)) \
	os_installer/backup/xfs_log.c os_installer/disk/image_table.c $(LIB_SRC)
FUZZ_SRC_vmlab := $(addprefix vmlab/simulate/,dhcp_frame.c ipxe_answer.c profile.c) $(LIB_SRC)
# What reads pages as a browser does; comes with libarchive's.
LIBS_fuzz_html = $(call pkg_libs,libxml-2.0)
CPPFLAGS_fuzz_html = $(call pkg_cflags,libxml-2.0)

# V=1 shows whole command lines.
Q   := $(if $(V),,@)
say  = $(if $(V),,@echo "  $(1)  $(2)")

# ---- rules ------------------------------------------------------------------------------------

# What each component links besides lib.
LIBS_lib          = $(call pkg_libs,jansson) -lz
LIBS_docker       = $(LIBS_lib)
LIBS_vm_watcher   = $(LIBS_lib) $(call pkg_libs,nettle) -lpthread
CURL = -lcurl -lmbedtls -lmbedx509 -lmbedcrypto
LIBS_boot_handler = $(LIBS_lib) $(call pkg_libs,libmicrohttpd gnutls nettle sqlite3) \
	$(if $(filter fuzz,$(VARIANT)),,-L$(STATIC)/lib -Wl,-Bstatic $(CURL) -Wl,-Bdynamic) -lpthread
# Named one by one: pkg-config's list for libarchive.a has libraries for formats that are not linked.
# nl_langinfo: see os_installer/unpack/archive.c.
LIBS_os_installer = -Wl,--wrap=nl_langinfo -L$(STATIC)/lib -lfdisk -lblkid -luuid $(CURL) -larchive \
	-lacl -lzstd -llzma -lz -lfdt -lnettle -ljansson -lpthread
LIBS_vmlab        = -L$(STATIC)/lib $(CURL) -larchive -lacl -lzstd -llzma -lbz2 -lz -lnettle -ljansson \
	-lpthread

# Programs that ship static. A sanitizer build cannot be: there the same archives are linked into a
# dynamic program.
CPPFLAGS_os_installer = -isystem $(STATIC)/include
CPPFLAGS_vmlab        = -isystem $(STATIC)/include
LDFLAGS_static_release = -static
# Runs around the builder, too.
LDFLAGS_static_coverage = $(if $(wildcard /opt/static),$(LDFLAGS_static_release))
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
PRELOADS := $(addprefix $(OUT)/docker/stack/,boot_queue.so neighbours.so tftp_beneath.so)
programs: $(OUT)/boot_handler/boot_handler $(OUT)/vm_watcher/vm_watcher $(OUT)/docker/stack/lease-event $(PRELOADS)
static: $(OUT)/os_installer/os-installer $(OUT)/vmlab/vmlab
vm-programs: $(OUT)/docker/vm/with-tap $(OUT)/docker/vm/qemu-command

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(CC) $(CFLAGS_ALL) $(CPPFLAGS_$(call component,$*)) $(CPPFLAGS_$(*F)) -c -o $@ $<

# A script of ours that goes into a program: NAME.inc defines its text, NAME_py.
$(OUT)/%.inc: %.py build.mk
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q){ echo 'static const char $(notdir $*)_py[] ='; sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $<; echo ';'; } >$@
$(OUT)/%.inc: %.sh build.mk
	@mkdir -p $(@D)
	$(call say,GEN,$@)
	$(Q){ echo 'static const char $(notdir $*)_sh[] ='; sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $<; echo ';'; } >$@
# And the files of pages: NAME_css, NAME_js, NAME_svg.
define page_file # its kind
$(OUT)/%.inc: %.$(1) build.mk
	@mkdir -p $$(@D)
	$$(call say,GEN,$$@)
	$$(Q){ echo 'static const char $$(notdir $$*)_$(1)[] ='; sed 's/[\\"]/\\&/g; s/.*/"&\\n"/' $$<; echo ';'; } >$$@
endef
$(foreach k,css js svg,$(eval $(call page_file,$(k))))
$(OUT)/boot_handler/pages/page.o: $(patsubst %,$(OUT)/boot_handler/pages/%.inc,console icon script style)
$(OUT)/boot_handler/documents/cloudinit_vendor.o: $(OUT)/boot_handler/documents/guest_ready.inc
$(OUT)/lib/unattended/stage4.o: $(OUT)/lib/unattended/stage4.inc $(OUT)/lib/unattended/stage4_library.inc
CPPFLAGS_boot_handler = -I$(OUT) -isystem $(STATIC)/include
CPPFLAGS_lib = -I$(OUT)

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

# What the images need beside their scripts; of lib only what is named here.
$(OUT)/docker/stack/lease-event: $(call obj,docker/stack/lease_event.c boot_handler/sources/lease.c boot_handler/sources/lease_sender.c \
	lib/base/atomic_file.c lib/base/err.c lib/base/bytes.c lib/base/hash_table.c lib/base/log.c lib/base/text.c lib/machine/arch.c lib/machine/smbios_id.c lib/net/addr.c lib/net/lease_file.c)
$(OUT)/docker/vm/with-tap: $(OUT)/docker/vm/with_tap.o
$(OUT)/docker/vm/qemu-command: $(call obj,docker/vm/qemu_command.c $(DOCKER_SRC) lib/base/argv.c lib/base/err.c lib/base/text.c lib/base/words.c lib/machine/vm_setting.c \
	lib/machine/arch.c)
$(OUT)/docker/stack/lease-event $(OUT)/docker/vm/with-tap $(OUT)/docker/vm/qemu-command:
	$(call say,LD,$@)
	$(Q)$(CC) $(LDFLAGS_static_$(VARIANT)) $(LDFLAGS_ALL) -o $@ $^
	$(Q)$(if $(filter release,$(VARIANT)),$(STRIP) -g $@)

# What dnsmasq loads before its libraries.
$(PRELOADS:.so=.o): CFLAGS_COMMON += -fPIC
$(PRELOADS): %.so: %.o
	$(call say,LD,$@)
	$(Q)$(CC) -shared $(LDFLAGS_ALL) -o $@ $^
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
MAIN_SRC := $(PRELOADS:$(OUT)/%.so=%.c) docker/stack/lease_event.c docker/vm/qemu_command.c docker/vm/with_tap.c lib/fuzz_main.c tests/coverage_exit.c \
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
compile_commands.json: $(OUT)/boot_handler/documents/guest_ready.inc $(patsubst %,$(OUT)/boot_handler/pages/%.inc,console icon script style) $(OUT)/lib/unattended/stage4.inc $(OUT)/lib/unattended/stage4_library.inc
	@:$(file >$@,[$(call compile_command,$(firstword $(ALL_SRC))))
	$(foreach s,$(wordlist 2,$(words $(ALL_SRC)),$(ALL_SRC)),$(file >>$@,$(comma)$(call compile_command,$(s))))
	$(file >>$@,])

# With VARIANT=coverage: the unit tests, from no counts at all; then what was reached, main files and
# all else counted.
.PHONY: coverage-check coverage
coverage-check: objects
	$(Q)find $(OUT) -name '*.gcda' -delete
	$(Q)$(MAKE) --no-print-directory -f build.mk check >$(OUT)/check.log 2>&1 || { cat $(OUT)/check.log; exit 1; }
coverage:
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
$(OUT)/$(1): $(OUT)/$(1).o \
    $(or $(call obj,$(FUZZ_SRC_$(call component,$(1)))),$(call objs_of,$(call component,$(1)))) \
    $(if $(filter fuzz,$(VARIANT)),,$(OUT)/lib/fuzz_main.o)
	$$(call say,LD,$$@)
	$$(Q)$$(CC) $$(LDFLAGS_ALL) -o $$@ $$^ $$(LIBS_$(if $(FUZZ_SRC_$(call component,$(1))),lib,$(call component,$(1)))) $$(LIBS_$(notdir $(1)))
endef
$(foreach t,$(FUZZERS),$(eval $(call fuzz_target,$(t))))
fuzzers: $(addprefix $(OUT)/,$(FUZZERS))

-include $(shell find $(OUT) -name '*.d' 2>/dev/null)
