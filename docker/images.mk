# images.mk - container images, and everything compiled for them. Included by Makefile.
#
# base tarballs (bootstrap.sh) -> builder image -> programs, static programs, initrds of all
# architectures (build.mk, initrd/build.sh, inside the builder) -> staged contexts -> images -> tars
#
#   ARCHES=amd64         whose installers the stack's images hold; all of arches.table unless given
#   ARCH=arm64           for single-architecture targets; the default is this machine's
#   BUILDER=host         compile on this machine instead of in the builder container
#   BOOTSTRAP=container  make the base tarballs in a container of BOOTSTRAP_IMAGE
#   IMAGE_TAG=latest     what the images are tagged with, to have those of several checkouts side by side
#   REFRESH=1            make the base tarballs again, even if this week's exist

ARCH_ROWS  := $(shell awk '/^[a-z]/ {print $$1 ":" $$2}' docker/arches.table)
ARCHES     := $(foreach a,$(ARCH_ROWS),$(firstword $(subst :, ,$(a))))
HOST_ARCH  := $(firstword $(subst :, ,$(filter %:$(shell uname -m),$(ARCH_ROWS))))
ARCH       ?= $(HOST_ARCH)
export BOOTSTRAP BOOTSTRAP_IMAGE IMAGE_TAG

VERSION    := $(shell cat VERSION)
REVISION   := $(shell git describe --always --dirty --exclude='*' 2>/dev/null || echo unknown)
# Dates inside the images are the last commit's, not the build's.
SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || date +%s)
export SOURCE_DATE_EPOCH
CREATED    := $(shell date -u -d @$(SOURCE_DATE_EPOCH) +%FT%TZ)

CLIENT     := docker/client.sh
BASE       := build/base
# The image of a base tarball, named by what went into it.
base_image = vmlab_$(1):$(shell cut -c1-12 $(BASE)/$(1)-$(HOST_ARCH).tar.key)

# ---- the way in -------------------------------------------------------------------------------

.PHONY: all stack vm-image load builder programs vmlab initrds fuzzers
# A foreign base takes longest: it is begun first.
all: $(addprefix stack-,$(filter-out $(HOST_ARCH),$(ARCHES)) $(filter $(HOST_ARCH),$(ARCHES)))
stack: stack-$(ARCH)
vm-image: vm-image-$(ARCH)
programs: programs-$(ARCH)
vmlab: vmlab-$(ARCH)
initrds: $(addprefix initrd-,$(ARCHES))

load: load-stack load-vm
.PHONY: load-stack load-vm
load-stack: stack-context-$(HOST_ARCH)
	$(call pack,pxeboot_stack,$(HOST_ARCH))
load-vm: vm-context-$(HOST_ARCH)
	$(call pack,vmlab_vm,$(HOST_ARCH))

# A dnsmasq that reads what we wrote wants NET_ADMIN, in a container without any network.
COMPONENTS := lib docker vm_watcher boot_handler os_installer vmlab
checks     := check $(addprefix check-,$(COMPONENTS))
.PHONY: $(checks) coverage
$(checks) coverage: in_image_options = --cap-add NET_ADMIN
$(checks): builder-ready
	$(call compile,VARIANT=test $@)
coverage: builder-ready
	$(call compile,VARIANT=coverage coverage-check)
	@tests/coverage_installer.sh $(if $(filter host,$(BUILDER)),build/host,build)/$(HOST_ARCH)/coverage/os_installer/os-installer \
		$(if $(filter host,$(BUILDER)),"$(CURDIR)",/src)
	$(call compile,VARIANT=coverage coverage)

# ---- compiling ---------------------------------------------------------------------------------

fuzzers: clang-ready
	@$(call in_image,clang,make --no-print-directory -f build.mk -j$$(nproc) VARIANT=fuzz fuzzers)

# in_image BASE,COMMAND - as the calling user, so that what it makes belongs to them.
in_image = $(CLIENT) run --rm --init --network none $(in_image_options) --user $$(id -u):$$(id -g) -e HOME=/tmp \
	-e SOURCE_DATE_EPOCH -v "$(CURDIR)":/src -w /src $(call base_image,$(1)) $(2)

.PHONY: builder-ready cross-ready clang-ready
ifeq ($(BUILDER),host)
in_builder = $(1)
in_cross   = $(1)
builder-ready cross-ready:
builder:
	@echo "BUILDER=host: compiling on this machine, no builder image needed"
else
in_builder = $(call in_image,builder,$(1))
in_cross   = $(call in_image,cross,$(1))
builder: builder-ready
	@echo $(call base_image,builder)
endif
$(if $(filter host,$(BUILDER)),,builder-ready cross-ready) clang-ready: %-ready: base-%-$(HOST_ARCH)
	@$(CLIENT) image inspect $(call base_image,$*) >/dev/null 2>&1 || { \
		rm -rf build/context/$* && mkdir -p build/context/$* && \
		cp docker/builder/Dockerfile build/context/$*/ && \
		ln -f $(BASE)/$*-$(HOST_ARCH).tar build/context/$*/base.tar && \
		$(CLIENT) build -q -t $(call base_image,$*) build/context/$* >/dev/null && \
		rm -rf build/context/$*; }
compile = @$(call in_builder,make --no-print-directory -f build.mk -j$$(nproc) $(1))
# compile_for ARCH,TARGET - in the image that has the compiler for ARCH.
toolchain   = $(if $(filter $(HOST_ARCH),$(1)),builder,cross)
compile_for = @$(call in_$(call toolchain,$(1)),make --no-print-directory -f build.mk -j$$(nproc) ARCH=$(1) $(2))

# All of an architecture by one make: two would write the same objects of lib/.
define compile_rules # arch
.PHONY: programs-$(1) vmlab-$(1) initrd-$(1)
programs-$(1): $(call toolchain,$(1))-ready
	$$(call compile_for,$(1),programs vm-programs \
		build/$(1)/release/os_installer/os-installer)
vmlab-$(1): programs-$(1)
	$$(call compile_for,$(1),build/$(1)/release/vmlab/vmlab)
initrd-$(1): programs-$(1)
	@initrd/build.sh --arch $(1) --out build/initrd/$(1)/initrd.zst \
		--installer build/$(1)/release/os_installer/os-installer
endef
$(foreach a,$(ARCHES),$(eval $(call compile_rules,$(a))))

# ---- base tarballs -----------------------------------------------------------------------------

# bootstrap.sh itself knows whether there is anything to do.
.PHONY: $(foreach n,builder cross clang stack vm loaders,$(addprefix base-$(n)-,$(ARCHES)))
$(addprefix base-builder-,$(ARCHES)): base-builder-%:
	@docker/bootstrap.sh $(if $(REFRESH),--refresh) builder $*
$(addprefix base-cross-,$(ARCHES)): base-cross-%:
	@docker/bootstrap.sh $(if $(REFRESH),--refresh) cross $*
$(addprefix base-clang-,$(ARCHES)): base-clang-%:
	@docker/bootstrap.sh $(if $(REFRESH),--refresh) clang $*
$(addprefix base-stack-,$(ARCHES)): base-stack-%:
	@docker/bootstrap.sh $(if $(REFRESH),--refresh) stack $*
$(addprefix base-vm-,$(ARCHES)): base-vm-%:
	@docker/bootstrap.sh $(if $(REFRESH),--refresh) vm $*
$(addprefix base-loaders-,$(ARCHES)): base-loaders-%:
	@docker/bootstrap.sh $(if $(REFRESH),--refresh) loaders $*

.PHONY: boot-media
boot-media: base-loaders-$(HOST_ARCH)
	@mkdir -p build/boot-media
	@tar -C build/boot-media --strip-components=3 -xf $(BASE)/loaders-$(HOST_ARCH).tar \
		./srv/tftp/vmlab-ipxe.iso ./srv/tftp/vmlab-ipxe.img
	@echo "build/boot-media/vmlab-ipxe.iso: a CD; build/boot-media/vmlab-ipxe.img: a stick, written over the whole of one"

# ---- images ------------------------------------------------------------------------------------

# pack NAME, ARCH[, TAR]: the image of a staged context, into this engine or into a file.
pack = @VERSION='$(VERSION)' REVISION='$(REVISION)' CREATED='$(CREATED)' \
	docker/pack.sh $(1) $(2) build/context/$(1)-$(2) $(3)

.PHONY: xterm
xterm:
	@docker/xterm/fetch.sh build/xterm/files

define image_rules # arch
.PHONY: stack-$(1) vm-image-$(1) stack-context-$(1) vm-context-$(1)
stack-context-$(1): base-stack-$(1) base-loaders-$(HOST_ARCH) programs-$(1) vmlab-$(1) initrds xterm
	@docker/stage.sh build/context/pxeboot_stack-$(1) \
		docker/stack/Dockerfile:Dockerfile $(BASE)/stack-$(1).tar:base-$(1).tar \
		$(BASE)/loaders-$(HOST_ARCH).tar:loaders.tar LICENSE:LICENSE docker/stack:stack \
		docker/arches.table:stack/arches.table docker/loaders/loaders.table:stack/loaders.table \
		build/$(1)/release/boot_handler/boot_handler:$(1)/boot_handler \
		build/$(1)/release/vm_watcher/vm_watcher:$(1)/vm_watcher \
		build/$(1)/release/vmlab/vmlab:$(1)/vmlab \
		build/$(1)/release/docker/stack/lease-event:$(1)/lease-event \
		$(foreach p,boot_queue neighbours tftp_beneath,build/$(1)/release/docker/stack/$(p).so:$(1)/$(p).so) \
		build/xterm/files:xterm \
		$(foreach i,$(ARCHES),build/initrd/$(i)/initrd.zst:initrds/$(i)/initrd.zst)
vm-context-$(1): base-vm-$(1) programs-$(1)
	@docker/stage.sh build/context/vmlab_vm-$(1) \
		docker/vm/Dockerfile:Dockerfile $(BASE)/vm-$(1).tar:base-$(1).tar \
		LICENSE:LICENSE docker/vm:vm build/$(1)/release/docker/vm/with-tap:$(1)/with-tap \
		build/$(1)/release/docker/vm/qemu-command:$(1)/qemu-command
stack-$(1): stack-context-$(1)
	$(call pack,pxeboot_stack,$(1),pxeboot_stack_$(1).tar)
vm-image-$(1): vm-context-$(1)
	$(call pack,vmlab_vm,$(1),vmlab_vm_$(1).tar)
endef
$(foreach a,$(ARCHES),$(eval $(call image_rules,$(a))))
