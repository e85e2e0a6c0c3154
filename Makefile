# Makefile - the way in. `make help` lists the targets.
#
# Nothing is compiled on this machine itself: build.mk runs in a builder container whose file
# system docker/bootstrap.sh makes from Debian's archive. docker/images.mk holds those rules.

ARCH ?= $(shell dpkg --print-architecture)
PREFIX ?= /usr/local
IMAGE ?= debian-13

.DEFAULT_GOAL := help
include docker/images.mk

##   all        pxeboot_stack_amd64.tar and pxeboot_stack_arm64.tar, ready for `docker load`
##   demo       from nothing to a VM you can log in to: builds what is missing, provisions web1
.PHONY: demo
demo:
	@docker/host-setup.sh demo
	@echo "making the images of this machine's architecture and a Debian to install, which takes some minutes"
	@$(MAKE) --no-print-directory -j4 ARCHES=$(HOST_ARCH) load guest-image
	@$(PREFIX)/bin/vmlab up web1

##   guest-image  images/debian-13 for this architecture, unless it is there (IMAGE=debian-12: another)
.PHONY: guest-image
guest-image: install
	@test -e images/$(IMAGE)/$(ARCH)/manifest.json || $(PREFIX)/bin/vmlab image build $(IMAGE) --arch $(ARCH)

##   load       build both images of this architecture for this machine's container engine
##   install    the vmlab command, its manual pages and shell completion, below PREFIX (/usr/local)
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

##   test       every test: unit, stack, real consumers, end to end in VMs, fuzzing
.PHONY: test
test:
	@docker/host-setup.sh test
	@python3 tests/run.py

##   check      unit tests under ASan and UBSan
##   e2e        only the end-to-end tests; e2e-all runs the long matrix too
##   bench      speed and size, measured against limits and peers
##   fuzz       each fuzz target for FUZZ_SECONDS (60)
.PHONY: e2e e2e-all bench fuzz
e2e:
	@docker/host-setup.sh test
	@python3 tests/run.py e2e
e2e-all:
	@docker/host-setup.sh test
	@python3 tests/run.py --all e2e
bench:
	@docker/host-setup.sh bench
	@$(MAKE) --no-print-directory load install guest-image
	@python3 tests/bench.py
fuzz:
	@docker/host-setup.sh test
	@python3 tests/run.py fuzz

##   fault      every fault campaign whole: about forty minutes; its last lines count the cases
.PHONY: fault
fault:
	@docker/host-setup.sh test
	@$(MAKE) --no-print-directory load install guest-image
	@VMLAB_FAULT=full python3 tests/run.py --all archives fault power vmfaults

##   lint       format, include style and cycles, shellcheck, cppcheck, compilers' warnings as errors
##   format     clang-format over our C
.PHONY: lint format
SHELL_SCRIPTS = $(shell git ls-files '*.sh') initrd/init .ci/run
C_FILES = $(shell git ls-files '*.c' '*.h')
lint: builder-ready clang-ready
	$(call compile,VARIANT=test objects) >build/lint-compile.log && echo "ok gcc -Werror"
	@$(call in_image,clang,tests/lint.sh $(SHELL_SCRIPTS) -- $(C_FILES))
format: clang-ready
	@$(call in_image,clang,clang-format -i $(C_FILES))

##   compile_commands.json   for editors
compile_commands.json: build.mk
	bear -- $(MAKE) -f build.mk -B programs

##   schema     vms/vm.schema.json and vms/REFERENCE.md, made anew from the field table
.PHONY: schema
schema: builder-ready
	@$(call in_builder,env VM_UPDATE=1 make --no-print-directory -f build.mk VARIANT=test check-lib)

##   clean      remove build/ (images/ and loaded container images stay)
.PHONY: clean
clean:
	rm -rf build

.PHONY: help
help:
	@echo "usage: make TARGET [ARCH=amd64|arm64] [BOOTSTRAP=container] [BUILDER=host]"
	@sed -n 's/^##//p' $(MAKEFILE_LIST)
