# SPDX-License-Identifier: Apache-2.0
#
# make            build/plimsoll
# make demo       install what is missing, build, profile a real container
# make check      the same, and every test
#
# make help lists the rest.

BUILD ?= build
PREFIX ?= /usr/local
DESTDIR ?=
CC = gcc
# For another architecture: CC=aarch64-linux-gnu-gcc SYSROOT=DIR, see tests/kernels/run.
SYSROOT ?=
CLANG ?= clang-14
BPFTOOL ?= $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
V ?= 0
Q = $(if $(filter 1,$(V)),,@)

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LIBS = libbpf libdw libelf liblzma zlib libprotobuf-c jansson libcap-ng libseccomp ncursesw
# Debian's name of the architecture; clang has another for it, so gcc is asked.
TARGET := $(shell $(if $(SYSROOT),$(CC),gcc) -dumpmachine 2>/dev/null)
PKG = $(if $(SYSROOT),PKG_CONFIG_SYSROOT_DIR=$(SYSROOT) PKG_CONFIG_LIBDIR=$(SYSROOT)/usr/lib/$(TARGET)/pkgconfig )pkg-config

# The packages come first: on a bare machine nothing below can be asked before they are there.
include packaging/packages.mk

DEFINES = -D_GNU_SOURCE -DPLIMSOLL_VERSION='"$(VERSION)"'
INCLUDES = -Isrc -I$(BUILD)/gen -I.
WARNINGS = -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	   -Wno-missing-field-initializers
OPTIMIZE ?= -O2 -g -fno-omit-frame-pointer
HARDEN = -fstack-protector-strong -fPIE -D_FORTIFY_SOURCE=2
SAN ?=
ifneq ($(SAN),)
OPTIMIZE = -O1 -g -fno-omit-frame-pointer -fsanitize=$(SAN) -fno-sanitize-recover=all
HARDEN = -fPIE
# The sanitizers add paths that gcc then warns of.
WARNINGS += -Wno-format-truncation -Wno-format-overflow -Wno-maybe-uninitialized
endif
CFLAGS ?=
CROSS = $(if $(SYSROOT),--sysroot=$(SYSROOT))
ALL_CFLAGS = $(CROSS) -std=gnu11 $(OPTIMIZE) $(HARDEN) $(WARNINGS) $(DEFINES) $(INCLUDES) $(CFLAGS)
LDFLAGS ?=
ALL_LDFLAGS = $(CROSS) -pie -Wl,-z,relro,-z,now $(if $(SAN),-fsanitize=$(SAN)) $(LDFLAGS)
LDLIBS = $(shell $(PKG) --libs $(LIBS) 2>/dev/null) -liberty -lm

# --- what there is to build, found by looking ---

BPF_SOURCES = $(wildcard bpf/*.bpf.c)
SKELETONS = $(BPF_SOURCES:bpf/%.bpf.c=$(BUILD)/gen/%.skel.h)
PROTOS = $(wildcard src/*/*.proto)
PROTO_C = $(PROTOS:src/%.proto=$(BUILD)/gen/%.pb-c.c)
SOURCES = $(filter-out src/cmd/main.c,$(wildcard src/*/*.c))
ASM = $(wildcard src/*/*.S)
OBJECTS = $(SOURCES:src/%.c=$(BUILD)/obj/%.o) $(PROTO_C:$(BUILD)/gen/%.c=$(BUILD)/obj/gen/%.o) \
	  $(ASM:src/%.S=$(BUILD)/obj/%.S.o)
LIB = $(BUILD)/libplimsoll.a
UNIT_TESTS = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/unit/test_*.c))
FUZZERS = $(patsubst tests/%.c,$(BUILD)/tests/%,$(wildcard tests/fuzz/fuzz_*.c))

.PHONY: all help demo check check-quick unit unit-sanitized system kernels fuzz fuzz-build bench \
	install uninstall format format-check clean compile_commands.json packages cross-packages
.DELETE_ON_ERROR:
.SECONDARY:

# One shell installs the packages and starts make again, so that everything that asks pkg-config
# sees them.
all: $(BUILD)/plimsoll

help:
	@printf '%s\n' \
	'make                  build/plimsoll' \
	'make demo             install packages, build, profile a container for some seconds' \
	'make check            install packages, build, run every test' \
	'make check-quick      the same without virtual machines' \
	'make unit             unit tests' \
	'make system           the binary against real containers (root)' \
	'make kernels          the core in virtual machines with three kernels' \
	'make fuzz             every fuzz target for FUZZ_SECONDS (default 60) each' \
	'make bench            speed and size against other tools, in ratios' \
	'make install          to $$(DESTDIR)$$(PREFIX)' \
	'make packages         what apt installs for building and testing' \
	'make format           clang-format; format-check only looks' \
	'make SAN=address,undefined BUILD=build-san unit    the same with sanitizers' \
	'make compile_commands.json                         for clangd'

# --- BPF ---

BPF_CFLAGS = -target bpf -mcpu=v3 -O2 -g -std=gnu11 -Wall -Wextra -Werror -Wno-unused-function -Wno-unused-parameter \
	     -D__TARGET_ARCH_$(BPF_ARCH) -Ibpf -I. -I$(SYSROOT)/usr/include/$(TARGET)
BPF_ARCH = $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(firstword $(subst -, ,$(TARGET)))))

$(BUILD)/bpf/%.bpf.o: bpf/%.bpf.c $(wildcard bpf/*.h) Makefile
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -c $< -o $@.unstripped
	$(Q)$(BPFTOOL) gen object $@ $@.unstripped

$(BUILD)/gen/%.skel.h: $(BUILD)/bpf/%.bpf.o
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name $*_bpf > $@

# --- user space ---

$(BUILD)/gen/%.pb-c.c: src/%.proto
	@mkdir -p $(@D)
	$(Q)cd src && protoc-c --c_out=$(abspath $(BUILD))/gen $*.proto

$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(filter-out -Wshadow -Wextra,$(ALL_CFLAGS)) -MMD -MP -c $< -o $@

$(BUILD)/obj/%.o: src/%.c Makefile | $(SKELETONS) $(PROTO_C)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/obj/%.S.o: src/%.S $(wildcard src/output/assets/*)
	@mkdir -p $(@D)
	$(Q)$(CC) $(INCLUDES) -c $< -o $@

$(LIB): $(OBJECTS)
	$(Q)rm -f $@ && ar rcs $@ $(OBJECTS)

$(BUILD)/plimsoll: $(BUILD)/obj/cmd/main.o $(LIB)
	$(Q)$(CC) $(ALL_LDFLAGS) -o $@ $< $(LIB) $(LDLIBS)

# --- tests ---

$(BUILD)/tests/unit/%: tests/unit/%.c $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -MF $@.d $(ALL_LDFLAGS) -o $@ $< $(LIB) -lcmocka $(LDLIBS)

$(BUILD)/tests/bench/%: tests/bench/%.c $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(LIB) $(LDLIBS)

unit: $(UNIT_TESTS)
	@failed=; for t in $(UNIT_TESTS); do echo "== $${t##*/}"; $$t || failed="$$failed $${t##*/}"; done; \
	if [ -n "$$failed" ]; then echo "failed:$$failed" >&2; exit 1; fi

unit-sanitized:
	+$(Q)$(MAKE) --no-print-directory SAN=address,undefined BUILD=$(BUILD)/san unit

# The fuzzers instrument the library too, hence an object tree of their own, built by clang.
FUZZ_SECONDS ?= 60
FUZZ_BUILD = $(BUILD)/fuzz
ifeq ($(FUZZING),1)
ALL_LDFLAGS = -fsanitize=fuzzer,address,undefined
$(BUILD)/tests/fuzz/%: tests/fuzz/%.c $(LIB)
	@mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(ALL_LDFLAGS) -o $@ $< $(LIB) $(LDLIBS)
fuzz-targets: $(FUZZERS)
endif

fuzz-build:
	+$(Q)$(MAKE) --no-print-directory FUZZING=1 CC=$(CLANG) BUILD=$(FUZZ_BUILD) HARDEN= \
		OPTIMIZE='-O1 -g -fno-omit-frame-pointer -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=all' fuzz-targets

fuzz: fuzz-build
	$(Q)tests/fuzz/run $(FUZZ_BUILD)/tests/fuzz $(FUZZ_SECONDS)

system: $(BUILD)/plimsoll
	$(Q)PLIMSOLL=$(abspath $(BUILD))/plimsoll /usr/bin/python3 -m pytest -p no:cacheprovider -q tests/system

kernels: $(BUILD)/plimsoll
	$(Q)PLIMSOLL=$(abspath $(BUILD))/plimsoll tests/kernels/run

bench:
	@packaging/install-packages $(BUILD_PACKAGES) $(BENCH_PACKAGES)
	+$(Q)$(MAKE) --no-print-directory all
	$(Q)PLIMSOLL=$(abspath $(BUILD))/plimsoll tests/bench/run

# --- the two commands ---

demo check check-quick: export DEBIAN_FRONTEND = noninteractive

demo:
	@packaging/install-packages $(BUILD_PACKAGES) $(DEMO_PACKAGES)
	+$(Q)$(MAKE) --no-print-directory all
	$(Q)PLIMSOLL=$(abspath $(BUILD))/plimsoll tests/demo

check-quick:
	@packaging/install-packages $(BUILD_PACKAGES) $(DEMO_PACKAGES) $(TEST_PACKAGES)
	+$(Q)$(MAKE) --no-print-directory format-check
	+$(Q)$(MAKE) --no-print-directory all
	+$(Q)$(MAKE) --no-print-directory unit
	+$(Q)$(MAKE) --no-print-directory unit-sanitized
	+$(Q)$(MAKE) --no-print-directory fuzz FUZZ_SECONDS=10
	+$(Q)$(MAKE) --no-print-directory system

check: check-quick
	@packaging/install-packages $(KERNEL_PACKAGES)
	+$(Q)$(MAKE) --no-print-directory kernels

packages:
	@printf '%s\n' $(BUILD_PACKAGES) $(DEMO_PACKAGES) $(TEST_PACKAGES) $(KERNEL_PACKAGES) $(BENCH_PACKAGES)

# What there must be of another architecture to build for it.
cross-packages:
	@printf '%s\n' $(filter %-dev,$(BUILD_PACKAGES))

# --- around it ---

install: $(BUILD)/plimsoll
	install -D -m 755 $(BUILD)/plimsoll $(DESTDIR)$(PREFIX)/bin/plimsoll
	install -D -m 644 docs/plimsoll.1 $(DESTDIR)$(PREFIX)/share/man/man1/plimsoll.1
	install -D -m 644 packaging/completion.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/plimsoll

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/bin/plimsoll $(DESTDIR)$(PREFIX)/share/man/man1/plimsoll.1 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions/plimsoll

FORMATTED = $(shell git ls-files -co --exclude-standard 'bpf/*.[ch]' 'src/*.[ch]' 'tests/*.[ch]')

format:
	$(Q)clang-format -i $(FORMATTED)

format-check:
	$(Q)clang-format --dry-run -Werror $(FORMATTED)

compile_commands.json:
	@{ echo '['; sep=; for f in $(SOURCES) src/cmd/main.c $(wildcard tests/unit/*.c); do \
	printf '%s{"directory":"%s","file":"%s","command":"%s"}' "$$sep" "$(CURDIR)" "$$f" \
	"$(CC) $(subst ",\\\",$(ALL_CFLAGS)) -c $$f"; sep=",$$(printf '\n ')"; done; \
	for f in $(BPF_SOURCES); do \
	printf '%s{"directory":"%s","file":"%s","command":"%s"}' "$$sep" "$(CURDIR)" "$$f" \
	"$(CLANG) $(BPF_CFLAGS) -c $$f"; done; echo; echo ']'; } > $@

clean:
	rm -rf $(BUILD)

-include $(OBJECTS:.o=.d) $(BUILD)/obj/cmd/main.d $(wildcard $(BUILD)/tests/*/*.d)
