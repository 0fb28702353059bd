# SPDX-License-Identifier: GPL-2.0 OR BSD-2-Clause
#
# make          build ./kfatcache.ko for the running kernel
# make help     everything else
#
# The kernel's build system reads Kbuild, not this file.

KDIR ?= /lib/modules/$(shell uname -r)/build
KVER := $(shell cut -d'"' -f2 $(KDIR)/include/generated/utsrelease.h 2>/dev/null)

# Each kernel has its own folder: a tree of links to the sources, and beside
# them the objects, so that objects of two kernels never meet.
BUILD ?= build/$(KVER)

# All CPUs, unless -j was given.
JOBS = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc))

CACHE := $(or $(KFC_CACHE),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/kfatcache)

all: build
	@cmp -s $(BUILD)/kfatcache.ko kfatcache.ko || cp $(BUILD)/kfatcache.ko .
	@echo "kfatcache.ko is for $(KVER)"

# As the tests want it. What is for debuggers takes a sixth of the time, and
# guests load the module often. A stack frame may have what it may on a stock
# kernel, on those that keep red zones there, too.
strict = W=1 KCFLAGS="-Werror -g0" CONFIG_DEBUG_INFO_BTF_MODULES= CONFIG_FRAME_WARN=2048

# As all, but leaves ./kfatcache.ko alone. STRICT=1: with all warnings, as errors.
build: kdir links
	@$(MAKE) --no-print-directory $(JOBS) -C $(KDIR) \
		M=$(abspath $(BUILD)) modules $(if $(STRICT),$(strict))

kdir:
	@test -n "$(KVER)" || { \
	echo "$(KDIR): no kernel headers there."; \
	echo "For the running kernel: apt-get install linux-headers-$$(uname -r)"; \
	echo "For another: make KDIR=/lib/modules/VERSION/build"; \
	exit 1; } >&2

links:
	@mkdir -p $(BUILD)/tests
	@cp -rsf $(CURDIR)/Kbuild $(CURDIR)/module $(CURDIR)/libmp $(BUILD)/
	@cp -rsf $(CURDIR)/tests/kunit $(BUILD)/tests/
	@find $(BUILD) -xtype l -delete

check:
	@tests/run check

lint:
	@tools/deps check
	@tools/lint

unit sim fuzz:
	@tests/run $@

test:
	@tests/run

soak:
	@tools/deps test
	@tests/soak $(or $(MINUTES),60)

coverage:
	@tools/deps check
	@tests/coverage

bench:
	@tools/deps bench
	@tests/bench/run

bench-guest:
	@tools/deps run
	@tools/deps bench
	@tests/bench/run guest

# PORT=11211 RUN_DISK_MB=4096 MEMORY_ONLY= MODARGS=
run:
	@tools/run

clean:
	rm -rf build kfatcache.ko
	@for d in tests/unit tests/sim tests/fuzz tests/bench; do \
		if [ -e $$d/Makefile ]; then $(MAKE) -s -C $$d clean; fi; done
	find . -name __pycache__ -prune -exec rm -rf {} +

distclean: clean
	@tools/deps remove

help:
	@echo "make              build ./kfatcache.ko for the running kernel"
	@echo "make KDIR=DIR     ... for the kernel whose headers are in DIR"
	@echo "make run          serve memcached on 127.0.0.1:PORT (11211) from a module in a"
	@echo "                  guest with a virtual NVMe SSD of RUN_DISK_MB (4096) MiB;"
	@echo "                  MEMORY_ONLY=1: without the SSD; MODARGS='memory_mb=128 ...'"
	@echo "make check        lint and unit tests: no root, no guest, under 2 minutes"
	@echo "make test         everything, on guests with Linux 6.12 and 6.1"
	@echo "make soak MINUTES=n  simulator, fuzzers and guests by turns, from random seeds"
	@echo "make coverage     lines and branches of libmp and the store that run in user space"
	@echo "make bench        figures, each with its bar, and hit ratios beside memcached's:"
	@echo "                  tables, CSV and a plot; tests/bench/run NAME for one of them"
	@echo "make bench-guest  figures of the module on null_blk, in a guest"
	@echo "make lint, unit, sim, fuzz  parts of it; tests/run --help for more"
	@echo "make clean        remove what was built here"
	@echo "make distclean    ... and $(CACHE)"

export PORT RUN_DISK_MB MEMORY_ONLY MODARGS
.PHONY: all build kdir links check lint unit sim fuzz test soak coverage bench bench-guest run \
	clean distclean help
