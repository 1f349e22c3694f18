/* SPDX-License-Identifier: Apache-2.0 */
/* What this kernel and this user allow; see probe.h. */
#include "signal/probe.h"

#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/magic.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/file.h"
#include "base/privileges.h"
#include "container/container.h"
#include <cap-ng.h>

#define BTF_PATH "/sys/kernel/btf/vmlinux"

static void say_errno(char *found, size_t size, int err)
{
	snprintf(found, size, "refused: %s (%s)", strerror(err), strerrorname_np(err));
}

static enum probe_state try_kernel(char *found, size_t size)
{
	struct utsname u;

	if (uname(&u) < 0)
		return PROBE_MISSING;
	snprintf(found, size, "%s %s", u.release, u.machine);
	return PROBE_OK;
}

static enum probe_state try_privileges(char *found, size_t size)
{
	enum probe_state state = PROBE_OK;
	size_t used = 0;

	capng_get_caps_process();
	for (const struct privilege *p = privileges; p->name; p++) {
		if (privilege_held(p))
			continue;
		if (p->is_required)
			state = PROBE_FATAL;
		else if (state == PROBE_OK)
			state = PROBE_LIMITED;
		if (used < size)
			used += (size_t)snprintf(found + used, size - used, "%s%s",
						 used ? ", " : "missing ", p->name);
	}
	if (state == PROBE_OK)
		snprintf(found, size, "all that is needed");
	return state;
}

static enum probe_state try_pid_namespace(char *found, size_t size)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/self/status", "re");
	char line[256];

	while (f && fgets(line, sizeof(line), f)) {
		char *tab;

		if (strncmp(line, "NSpid:\t", 7) != 0)
			continue;
		tab = strchr(line + 7, '\t');
		snprintf(found, size, "%s", tab ? "a PID namespace of our own" : "the host's");
		return tab ? PROBE_LIMITED : PROBE_OK;
	}
	snprintf(found, size, "unknown: /proc/self/status has no NSpid");
	return PROBE_LIMITED;
}

static enum probe_state try_btf(char *found, size_t size)
{
	if (access(BTF_PATH, R_OK) < 0) {
		snprintf(found, size, BTF_PATH ": %s", strerror(errno));
		return PROBE_FATAL;
	}
	snprintf(found, size, BTF_PATH);
	return PROBE_OK;
}

static enum probe_state try_lockdown(char *found, size_t size)
{
	_cleanup_free_ char *text = NULL;

	if (read_file("/sys/kernel/security/lockdown", 256, &text, NULL) < 0) {
		snprintf(found, size, "none, or securityfs is not mounted");
		return PROBE_OK;
	}
	text[strcspn(text, "\n")] = '\0';
	snprintf(found, size, "%s", text);
	/* "confidentiality" forbids reading kernel memory from BPF; "integrity" does not. */
	return strstr(text, "[confidentiality]") ? PROBE_FATAL : PROBE_OK;
}

/* r0 = 0; exit */
static const struct bpf_insn nothing[] = {
	{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
	{ .code = BPF_JMP | BPF_EXIT },
};

static int load(enum bpf_prog_type type, struct bpf_prog_load_opts *options)
{
	int fd = bpf_prog_load(type, "probe", "GPL", nothing, ARRAY_SIZE(nothing), options);

	return fd < 0 ? -errno : fd;
}

/* BTF id of a kernel type, 0: not there. */
static uint32_t kernel_type(const char *name, uint32_t kind)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int id;

	if (!btf)
		return 0;
	id = btf__find_by_name_kind(btf, name, kind);
	btf__free(btf);
	return id > 0 ? (uint32_t)id : 0;
}

static enum probe_state try_attach_type(enum bpf_attach_type type, const char *name, uint32_t kind,
					char *found, size_t size)
{
	LIBBPF_OPTS(bpf_prog_load_opts, options, .expected_attach_type = type,
		    .attach_btf_id = kernel_type(name, kind));
	enum bpf_prog_type program = type == BPF_LSM_MAC ? BPF_PROG_TYPE_LSM
							 : BPF_PROG_TYPE_TRACING;
	_cleanup_close_ int fd = -1, attached = -1;

	if (!options.attach_btf_id) {
		snprintf(found, size, "%s is not in BTF", name);
		return PROBE_MISSING;
	}
	fd = load(program, &options);
	if (fd >= 0)
		attached = bpf_raw_tracepoint_open(NULL, fd);
	if (fd < 0 || attached < 0) {
		say_errno(found, size, fd < 0 ? -fd : errno);
		return PROBE_MISSING;
	}
	snprintf(found, size, "loads and attaches");
	return PROBE_OK;
}

static enum probe_state try_tp_btf(char *found, size_t size)
{
	enum probe_state state = try_attach_type(BPF_TRACE_RAW_TP, "btf_trace_sched_process_exec",
						 BTF_KIND_TYPEDEF, found, size);

	return state == PROBE_OK ? PROBE_OK : PROBE_FATAL;
}

static enum probe_state try_fentry(char *found, size_t size)
{
	return try_attach_type(BPF_TRACE_FENTRY, "bpf_fentry_test1", BTF_KIND_FUNC, found, size);
}

static enum probe_state try_lsm(char *found, size_t size)
{
	return try_attach_type(BPF_LSM_MAC, "bpf_lsm_bprm_committed_creds", BTF_KIND_FUNC, found,
			       size);
}

static enum probe_state try_kprobe(char *found, size_t size)
{
	if (access("/sys/bus/event_source/devices/kprobe/type", R_OK) < 0) {
		snprintf(found, size, "not built into this kernel");
		return PROBE_MISSING;
	}
	snprintf(found, size, "built in");
	return PROBE_OK;
}

static enum probe_state try_uprobe(char *found, size_t size)
{
	if (access("/sys/bus/event_source/devices/uprobe/type", R_OK) < 0) {
		snprintf(found, size, "not built into this kernel");
		return PROBE_MISSING;
	}
	snprintf(found, size, "built in");
	return PROBE_OK;
}

static int open_event(struct perf_event_attr *attr)
{
	attr->size = sizeof(*attr);
	int fd = (int)syscall(SYS_perf_event_open, attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

static enum probe_state try_sampling(char *found, size_t size)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = 1000000000,
	};
	_cleanup_close_ int event = open_event(&attr), program = -1, link = -1;

	if (event < 0) {
		say_errno(found, size, -event);
		return PROBE_FATAL;
	}
	program = load(BPF_PROG_TYPE_PERF_EVENT, NULL);
	if (program < 0) {
		say_errno(found, size, -program);
		return PROBE_FATAL;
	}
	link = bpf_link_create(program, event, BPF_PERF_EVENT, NULL);
	snprintf(found, size, link < 0 ? "by ioctl" : "by BPF link");
	return PROBE_OK;
}

static enum probe_state try_counters(char *found, size_t size)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.config = PERF_COUNT_HW_CPU_CYCLES,
		.sample_freq = 99,
		.freq = 1,
	};
	_cleanup_close_ int event = open_event(&attr);

	if (event < 0) {
		say_errno(found, size, -event);
		return PROBE_LIMITED;
	}
	snprintf(found, size, "cycles");
	return PROBE_OK;
}

static enum probe_state try_build_id(char *found, size_t size)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.config = PERF_COUNT_SW_DUMMY,
		.mmap = 1,
		.mmap2 = 1,
		.build_id = 1,
	};
	_cleanup_close_ int event = open_event(&attr);

	if (event < 0) {
		say_errno(found, size, -event);
		return PROBE_LIMITED;
	}
	snprintf(found, size, "told by the kernel");
	return PROBE_OK;
}

static enum probe_state try_map(enum bpf_map_type type, uint32_t key, uint32_t value,
				uint32_t entries, char *found, size_t size)
{
	_cleanup_close_ int fd = bpf_map_create(type, "probe", key, value, entries, NULL);

	if (fd < 0) {
		say_errno(found, size, errno);
		return PROBE_FATAL;
	}
	snprintf(found, size, "works");
	return PROBE_OK;
}

static enum probe_state try_bpf(char *found, size_t size)
{
	return try_map(BPF_MAP_TYPE_HASH, 8, 8, 1, found, size);
}

static enum probe_state try_ring(char *found, size_t size)
{
	return try_map(BPF_MAP_TYPE_RINGBUF, 0, 0, (uint32_t)sysconf(_SC_PAGESIZE), found, size);
}

static enum probe_state try_rate(char *found, size_t size)
{
	_cleanup_free_ char *text = NULL;

	if (read_file("/proc/sys/kernel/perf_event_max_sample_rate", 64, &text, NULL) < 0)
		return PROBE_LIMITED;
	text[strcspn(text, "\n")] = '\0';
	snprintf(found, size, "%s a second", text);
	return atoi(text) >= 20000 ? PROBE_OK : PROBE_LIMITED;
}

static enum probe_state try_kallsyms(char *found, size_t size)
{
	_cleanup_fclose_ FILE *f = fopen("/proc/kallsyms", "re");
	unsigned long long address;
	char line[512];

	while (f && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%llx", &address) == 1 && address) {
			snprintf(found, size, "readable");
			return PROBE_OK;
		}
	}
	snprintf(found, size, f ? "addresses are hidden" : "not readable");
	return PROBE_MISSING;
}

static enum probe_state try_cgroups(char *found, size_t size)
{
	static const char *const names[] = { "not mounted", "v2", "v1", "hybrid (v1 and v2)" };
	struct containers *c;

	if (containers_open(NULL, &c) < 0) {
		snprintf(found, size, "unreadable");
		return PROBE_MISSING;
	}
	enum cgroup_mode mode = containers_mode(c);
	const char *controller = containers_v1_controller(c);

	snprintf(found, size, controller ? "%s, identity by v1 controller %s and v2" : "%s",
		 names[mode], controller);
	containers_free(c);
	return mode == CGROUP_NONE ? PROBE_MISSING : PROBE_OK;
}

static enum probe_state try_mount(const char *path, long magic, char *found, size_t size)
{
	struct statfs fs;

	if (statfs(path, &fs) < 0 || fs.f_type != magic) {
		snprintf(found, size, "not mounted at %s", path);
		return PROBE_MISSING;
	}
	snprintf(found, size, "%s", path);
	return PROBE_OK;
}

static enum probe_state try_tracefs(char *found, size_t size)
{
	if (try_mount("/sys/kernel/tracing", TRACEFS_MAGIC, found, size) == PROBE_OK)
		return PROBE_OK;
	return try_mount("/sys/kernel/debug/tracing", TRACEFS_MAGIC, found, size);
}

static enum probe_state try_bpffs(char *found, size_t size)
{
	return try_mount("/sys/fs/bpf", BPF_FS_MAGIC, found, size);
}

const struct probe probes[] = {
	{ "kernel", "kernel", NULL, NULL, try_kernel },
	{ "privileges", "privileges", "what the missing ones are for",
	  "run as root, or grant the capabilities named", try_privileges },
	{ "pid_namespace", "PID namespace",
	  "processes cannot be found in /proc under the number that the kernel tells",
	  "run on the host, or with --pid=host", try_pid_namespace },
	{ "btf", "kernel types (BTF)", "nothing can be recorded",
	  "a kernel built with CONFIG_DEBUG_INFO_BTF=y", try_btf },
	{ "lockdown", "kernel lockdown", "nothing can be recorded",
	  "boot with lockdown=integrity or none", try_lockdown },
	{ "bpf", "bpf() system call", "nothing can be recorded",
	  "CAP_BPF; no seccomp filter that forbids bpf()", try_bpf },
	{ "ring_buffer", "BPF ring buffer", "nothing can be recorded", "Linux 5.8 or newer",
	  try_ring },
	{ "tp_btf", "BTF tracepoints", "nothing can be recorded",
	  "CAP_BPF and CAP_PERFMON; a kernel with CONFIG_BPF_EVENTS=y", try_tp_btf },
	{ "sampling", "sampling by CPU clock", "nothing can be recorded",
	  "CAP_PERFMON; no seccomp filter that forbids perf_event_open()", try_sampling },
	{ "counters", "hardware cycle counter",
	  "samples come by the clock; code that runs with interrupts off shows at its end",
	  "a virtual machine with a virtual PMU, or bare metal", try_counters },
	{ "sample_rate", "highest sampling rate", "higher frequencies are throttled",
	  "sysctl kernel.perf_event_max_sample_rate=20000 or more", try_rate },
	{ "build_id", "build IDs of mappings",
	  "programs are told apart by device and inode until they are opened",
	  "Linux 5.12 or newer", try_build_id },
	{ "kallsyms", "kernel symbols", "kernel functions stay unnamed",
	  "CAP_SYSLOG, or sysctl kernel.kptr_restrict=0", try_kallsyms },
	{ "cgroups", "cgroups", "everything is labelled 'host'",
	  "mount -t cgroup2 none /sys/fs/cgroup", try_cgroups },
	{ "fentry", "fentry programs", "nothing today: the cpu signal does not use them",
	  "a kernel with CONFIG_DYNAMIC_FTRACE_WITH_DIRECT_CALLS=y", try_fentry },
	{ "lsm", "BPF LSM programs", "nothing today: the cpu signal does not use them",
	  "boot with lsm=...,bpf", try_lsm },
	{ "kprobe", "kprobes", "nothing today: the cpu signal does not use them",
	  "a kernel with CONFIG_KPROBE_EVENTS=y", try_kprobe },
	{ "uprobe", "uprobes", "nothing today: the cpu signal does not use them",
	  "a kernel with CONFIG_UPROBE_EVENTS=y", try_uprobe },
	{ "tracefs", "tracefs", "nothing today: the cpu signal does not use it",
	  "mount -t tracefs none /sys/kernel/tracing", try_tracefs },
	{ "bpffs", "BPF file system", "nothing today: nothing is pinned",
	  "mount -t bpf none /sys/fs/bpf", try_bpffs },
	{ 0 },
};
