# Makefile - the way in. `make help` lists the targets.
#
# Nothing is compiled on this machine itself: build.mk runs in a builder container whose file
# system docker/bootstrap.sh makes from Debian's archive. docker/images.mk holds those rules.

ARCH ?= $(shell dpkg --print-architecture)
PREFIX ?= /usr/local
IMAGE ?= debian-13

.DEFAULT_GOAL := help
include docker/images.mk

define HELP
usage: make TARGET [SETTING=...]

To use it
  demo                   from nothing to a VM you can log in to: builds what is missing, provisions web1
  install                the vmlab command, its manual pages and shell completion, below PREFIX
  load                   both images of this architecture, for this machine's container engine
  guest-image            images/$(IMAGE) for this architecture, unless it is there
  boot-media             build/boot-media/vmlab-ipxe.iso and .img: a CD and a USB stick for machines without PXE

To change it
  check                  unit tests under ASan and UBSan
  check-COMPONENT        one component's: $(subst $(space),$(comma) ,$(COMPONENTS))
  lint                   format, include style and cycles, shellcheck, cppcheck, compilers' warnings as errors
  format                 clang-format over our C
  coverage               lines that unit and installer tests reach, by component; file by file in build/coverage/
  schema                 vms/vm.schema.json, vms/REFERENCE.md and the golden boot scripts, made anew from the tables
  pictures               the README's of the dashboard, from the screenshots that tests of VMs left; with pngquant
  compile_commands.json  for editors, with the headers they need

To test all of it
  test                   every test: unit, stack, real consumers, end to end in VMs, fuzzing
  test T=stack/dhcp      one part, or several (T="unit/lib stack"); a wrong one says which there are
  test K=lease           only tests with that in their names, and what these need
  e2e                    only the end-to-end tests
  e2e-all                those of the long matrix too
  fault                  every fault campaign whole: about forty minutes; its last lines count the cases
  bench                  speed and size, measured against limits and peers
  fuzz                   each fuzz target for FUZZ_SECONDS (60)

To ship it, or parts of it
  all                    $(subst $(space), and ,$(patsubst %,pxeboot_stack_%.tar,$(ARCHES))), ready for `docker load`
  stack                  pxeboot_stack_$(ARCH).tar
  vm-image               vmlab_vm_$(ARCH).tar
  programs               all that runs in the stack
  vmlab                  the vmlab command, static
  initrds                the installer's initrds for $(subst $(space), and ,$(ARCHES))
  fuzzers                the fuzz targets, with clang
  builder                the container image with the compilers
  clean                  remove build/ (images/ and loaded container images stay)

Settings, as they are now
  ARCH=$(ARCH)  IMAGE=$(IMAGE)  PREFIX=$(PREFIX)  IMAGE_TAG=$(or $(IMAGE_TAG),latest)
  ARCHES="$(ARCHES)"    whose installers the stack's images hold
  BUILDER=host            compile on this machine instead of in the builder container
  BOOTSTRAP=container     make the base file systems in a container, where mmdebstrap is missing
  REFRESH=1               make them again, even if this week's exist
endef
space := $(subst ,, )
comma := ,
.PHONY: help
help:
	@:$(info $(HELP))

.PHONY: demo
demo:
	@docker/host-setup.sh demo
	@echo "making the images of this machine's architecture and a Debian to install, which takes some minutes"
	@$(MAKE) --no-print-directory -j4 ARCHES=$(HOST_ARCH) load guest-image
	@$(PREFIX)/bin/vmlab up web1

.PHONY: guest-image
guest-image: install
	@test -e images/$(IMAGE)/$(ARCH)/manifest.json || $(PREFIX)/bin/vmlab image build $(IMAGE) --arch $(ARCH)

.PHONY: install
SHARE = $(DESTDIR)$(PREFIX)/share
install: vmlab
	@install -D -m 0755 build/$(ARCH)/release/vmlab/vmlab $(DESTDIR)$(PREFIX)/bin/vmlab
	@install -D -m 0644 vmlab/completion/vmlab.bash $(SHARE)/bash-completion/completions/vmlab
	@install -D -m 0644 vmlab/completion/_vmlab $(SHARE)/zsh/site-functions/_vmlab
	@install -D -m 0644 vmlab/completion/vmlab.fish $(SHARE)/fish/vendor_completions.d/vmlab.fish
	@install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	@sed 's,@BINDIR@,$(PREFIX)/bin,' vmlab/vmlab.service.in >build/vmlab.service
	@install -m 0644 build/vmlab.service $(DESTDIR)$(PREFIX)/lib/systemd/system/vmlab.service
	@install -d $(SHARE)/man/man1
	@for page in $$(build/$(ARCH)/release/vmlab/vmlab __man); do \
		build/$(ARCH)/release/vmlab/vmlab __man $$page >build/page.1 && \
		install -m 0644 build/page.1 $(SHARE)/man/man1/$$page.1 || exit 1; done

# T names parts (stack/dhcp unit lint), K a text in the names of tests.
.PHONY: test e2e e2e-all fuzz fault bench
test e2e e2e-all fuzz fault: tests-ready
test:
	@tests/main.py $(T) $(if $(K),-k "$(K)")
e2e fuzz:
	@tests/main.py $@
e2e-all:
	@tests/main.py --long e2e
fault:
	@$(MAKE) --no-print-directory load install guest-image
	@VMLAB_FAULT=full tests/main.py --long 'installer/archive_*' faults
bench:
	@docker/host-setup.sh bench
	@$(MAKE) --no-print-directory load install guest-image
	@/usr/bin/python3 tests/bench/bench.py
# The README's, of what the end-to-end tests saw: the picture's name = the screenshot's.
.PHONY: pictures
PICTURES = machines=vm-machines machine=vm-machines-web failed=vm-machines-stray console=console-vm images=vm-images \
	unknown=vm-machines-unknown $(foreach t,events log definition orders,$t=vm-machines-web-$t)
pictures:
	@$(foreach p,$(PICTURES),pngquant --force --strip --output vmlab/pictures/$(firstword $(subst =, ,$p)).png 32 build/screenshots/$(lastword $(subst =, ,$p)).png &&) true

.PHONY: tests-ready
tests-ready:
	@docker/host-setup.sh test

.PHONY: lint format
SHELL_SCRIPTS = $(shell git ls-files '*.sh') initrd/init .ci/run
C_FILES = $(shell git ls-files '*.c' '*.h')
lint: builder-ready clang-ready
	$(call compile,VARIANT=test objects) >build/lint-compile.log && echo "ok gcc -Werror"
	@$(call in_image,clang,tests/lint/lint.sh $(SHELL_SCRIPTS) -- $(C_FILES))
format: clang-ready
	@$(call in_image,clang,clang-format -i $(C_FILES))

# An editor finds the builder's headers in build/headers/, whatever this machine has.
.PHONY: compile_commands.json
compile_commands.json: builder-ready
	@mkdir -p build/headers
	$(if $(filter host,$(BUILDER)),,@tar -C build/headers -xf $(BASE)/builder-$(HOST_ARCH).tar ./usr/include ./usr/lib/linux ./opt/static)
	$(call compile,ROOT="$(CURDIR)" $(if $(filter host,$(BUILDER)),,HEADERS=build/headers) compile_commands.json)

.PHONY: schema
schema: builder-ready
	@$(call in_builder,env VM_UPDATE=1 GOLDEN_UPDATE=1 make --no-print-directory -f build.mk VARIANT=test check-lib)

.PHONY: clean
clean:
	rm -rf build

