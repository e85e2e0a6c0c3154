# build.mk - compiles everything of ours. Runs where the compilers are: in the builder container
# (`make` at the top level does that) or on a Debian 13 with the same packages (BUILDER=host).
#
#   ARCH     amd64 | arm64                target architecture
#   VARIANT  release | test | fuzz        test: ASan and UBSan, -Werror
#   STATIC   where the static libraries of docker/builder/static-libs.sh are
#
# Output: build/<arch>/<variant>/

ARCH    ?= $(shell dpkg --print-architecture)
VARIANT ?= release
OUT     := build/$(ARCH)/$(VARIANT)
STATIC  ?= /opt/static/$(ARCH)

BUILD_ARCH := $(shell dpkg --print-architecture)
TRIPLET_amd64 := x86_64-linux-gnu
TRIPLET_arm64 := aarch64-linux-gnu
TRIPLET := $(TRIPLET_$(ARCH))

ifneq ($(TRIPLET),)
else
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

LIB_SRC          := lib/err.c lib/log.c lib/addr.c lib/atomic_file.c lib/vm.c lib/vm_store.c
VM_WATCHER_SRC   := vm_watcher/hosts.c
BOOT_HANDLER_SRC :=
OS_INSTALLER_SRC :=
VMLAB_SRC        :=

# A test program foo/test_bar links its component's sources (all but main.c) and lib.
TESTS := lib/test_vm lib/test_vm_store lib/test_addr vm_watcher/test_hosts
FUZZERS :=

# ---- rules ------------------------------------------------------------------------------------

PROGRAMS_DYNAMIC := boot_handler vm_watcher
PROGRAMS_STATIC  := os-installer vmlab

obj = $(patsubst %.c,$(OUT)/%.o,$(1))

LIBS_lib          = $(call pkg_libs,jansson)
LIBS_vm_watcher   = $(LIBS_lib)
LIBS_boot_handler = $(LIBS_lib) $(call pkg_libs,libmicrohttpd sqlite3) -lpthread

.PHONY: programs static check
programs: $(addprefix $(OUT)/,boot_handler/boot_handler vm_watcher/vm_watcher)
static: $(addprefix $(OUT)/,os_installer/os-installer vmlab/vmlab)

$(OUT)/%.o: %.c
	@mkdir -p $(@D)
	$(CC) $(CFLAGS_ALL) $(CFLAGS_$(firstword $(subst /, ,$*))) -c -o $@ $<
