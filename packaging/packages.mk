# SPDX-License-Identifier: Apache-2.0
# What apt installs, by what needs it. All from Debian 12.

BUILD_PACKAGES = gcc libc6-dev make git pkg-config clang-14 clang llvm-14 libbpf-dev bpftool libelf-dev \
	libdw-dev zlib1g-dev liblzma-dev libprotobuf-c-dev protobuf-c-compiler libjansson-dev \
	libcap-ng-dev libiberty-dev libseccomp-dev libdebuginfod-dev libncurses-dev
DEMO_PACKAGES = runc busybox-static
TEST_PACKAGES = clang-format libcmocka-dev libclang-rt-14-dev libc6-dbg python3 python3-pytest \
	python3-pytest-rerunfailures python3-dev libpython3-dev linux-perf sqlite3 g++ rustc musl-tools dwz debuginfod \
	libdebuginfod1 binutils lld-14 xz-utils libbpf-tools containerd docker.io podman golang-go openjdk-17-jdk-headless nodejs npm \
	chromium procps iproute2 tmux
KERNEL_PACKAGES = qemu-system-x86 qemu-system-arm gcc-aarch64-linux-gnu cpio python3-minimal debian-archive-keyring
BENCH_PACKAGES = python3 linux-perf elfutils bpftrace libbpf-tools rt-tests binutils gcc g++ rustc golang-go openjdk-17-jdk-headless nodejs \
	perl openssl xz-utils sqlite3 redis-server redis-tools postgresql nginx-light wrk
