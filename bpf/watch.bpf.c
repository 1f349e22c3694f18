/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Containers announce themselves: a cgroup is made, a task enters it and executes a program, the
 * cgroup goes. User space hears of it while the container lives and learns its name in time. And
 * the filter is inherited here, so that no child and no cgroup below a target slips through between
 * its birth and user space noticing.
 */
#include "watch.h"
#include "identity.bpf.h"
#include "kernel.h"

char LICENSE[] SEC("license") = "GPL";

const volatile __s32 v1_hierarchy = -1; /* number of the v1 controller's hierarchy, -1: none */
const volatile __u32 pid_level = 0;	/* depth of the profiler's own PID namespace */

__u64 lost_ring_full;
__u64 lost_targets_full;

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 << 10);
} events SEC(".maps");

/* How often a task of this cgroup was told of. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, WATCH_CGROUPS_MAX);
	__type(key, struct identity);
	__type(value, u32);
} told SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct watch_record);
} scratch SEC(".maps");

static __always_inline void send(struct watch_record *record, u32 path_size)
{
	u32 size = __builtin_offsetof(struct watch_record, path) + path_size;

	if (size > sizeof(*record))
		return;
	if (bpf_ringbuf_output(&events, record, size, 0))
		__sync_fetch_and_add(&lost_ring_full, 1);
}

/* Fills what says of a cgroup where it is; false: a hierarchy that nobody asks about. */
static __always_inline bool locate(struct cgroup *cgroup, struct watch_record *record)
{
	u64 id = BPF_CORE_READ(cgroup, kn, id);

	record->hierarchy = BPF_CORE_READ(cgroup, root, hierarchy_id);
	record->who.cgroup_v2 = 0;
	record->who.cgroup_v1 = 0;
	if (record->hierarchy == 0)
		record->who.cgroup_v2 = id;
	else if (record->hierarchy == v1_hierarchy)
		record->who.cgroup_v1 = id;
	else
		return false;
	record->pid = 0;
	record->flags = 0;
	return true;
}

static __always_inline u64 target_key(const struct identity *who)
{
	return who->cgroup_v1 ? who->cgroup_v1 | TARGET_V1 : who->cgroup_v2;
}

static __always_inline void inherit_target(struct cgroup *cgroup, const struct identity *who)
{
	struct cgroup *parent = BPF_CORE_READ(cgroup, self.parent, cgroup);
	u64 parent_id = BPF_CORE_READ(parent, kn, id);
	u64 key = target_key(who);
	u8 yes = 1;

	if (who->cgroup_v1)
		parent_id |= TARGET_V1;
	if (bpf_map_lookup_elem(&target_cgroups, &parent_id) &&
	    bpf_map_update_elem(&target_cgroups, &key, &yes, BPF_ANY))
		__sync_fetch_and_add(&lost_targets_full, 1);
}

/* cgroup_mkdir() in kernel/cgroup/cgroup.c */
SEC("tp_btf/cgroup_mkdir")
int BPF_PROG(on_cgroup_mkdir, struct cgroup *cgroup, const char *path)
{
	struct watch_record *record;
	u32 zero = 0;
	long length;

	record = bpf_map_lookup_elem(&scratch, &zero);
	if (!record || !locate(cgroup, record))
		return 0;
	if (target_mode == TARGET_CHOSEN)
		inherit_target(cgroup, &record->who);
	record->kind = WATCH_MKDIR;
	length = bpf_probe_read_kernel_str(record->path, sizeof(record->path), path);
	/* Two comparisons, or clang makes one of another register and verifiers up to 6.12 do not
	 * see the bound. */
	if (length <= 0)
		return 0;
	barrier_var(length);
	if (length <= WATCH_PATH_MAX)
		send(record, length);
	return 0;
}

/* cgroup_rmdir() in kernel/cgroup/cgroup.c */
SEC("tp_btf/cgroup_rmdir")
int BPF_PROG(on_cgroup_rmdir, struct cgroup *cgroup, const char *path)
{
	struct watch_record *record;
	u32 zero = 0;
	u64 key;

	record = bpf_map_lookup_elem(&scratch, &zero);
	if (!record || !locate(cgroup, record))
		return 0;
	if (target_mode == TARGET_CHOSEN) {
		key = target_key(&record->who);
		bpf_map_delete_elem(&target_cgroups, &key);
	}
	record->kind = WATCH_RMDIR;
	send(record, 0);
	return 0;
}

static __always_inline void tell_of_task(struct task_struct *task)
{
	struct watch_record *record;
	u32 zero = 0, one = 1, *count;

	record = bpf_map_lookup_elem(&scratch, &zero);
	if (!record)
		return;
	identify(task, &record->who);
	count = bpf_map_lookup_elem(&told, &record->who);
	if (count) {
		if (*count >= WATCH_TASKS_PER_CGROUP)
			return;
		__sync_fetch_and_add(count, 1);
	} else {
		bpf_map_update_elem(&told, &record->who, &one, BPF_ANY);
	}
	record->kind = WATCH_TASK;
	record->hierarchy = 0;
	record->pid = BPF_CORE_READ(task, tgid);
	record->flags = BPF_CORE_READ(task, thread_pid, level) > pid_level ? WATCH_OWN_PID_NAMESPACE
									   : 0;
	send(record, 0);
}

/* cgroup_attach_task() in kernel/cgroup/cgroup.c; the task is in its new cgroup by now. */
SEC("tp_btf/cgroup_attach_task")
int BPF_PROG(on_cgroup_attach, struct cgroup *cgroup, const char *path, struct task_struct *task)
{
	tell_of_task(task);
	return 0;
}

/* exec_binprm() in fs/exec.c */
SEC("tp_btf/sched_process_exec")
int BPF_PROG(on_exec, struct task_struct *task)
{
	tell_of_task(task);
	return 0;
}

/* copy_process() in kernel/fork.c; loaded only when processes are targets. */
SEC("tp_btf/sched_process_fork")
int BPF_PROG(on_fork, struct task_struct *parent, struct task_struct *child)
{
	u32 parent_pid = BPF_CORE_READ(parent, tgid), child_pid = BPF_CORE_READ(child, tgid);
	u8 yes = 1;

	if (child_pid != parent_pid && bpf_map_lookup_elem(&target_pids, &parent_pid) &&
	    bpf_map_update_elem(&target_pids, &child_pid, &yes, BPF_ANY))
		__sync_fetch_and_add(&lost_targets_full, 1);
	return 0;
}

/* do_exit() in kernel/exit.c; a number that is free again must not stay a target. */
SEC("tp_btf/sched_process_exit")
int BPF_PROG(on_exit, struct task_struct *task)
{
	u32 pid = BPF_CORE_READ(task, pid);

	if (pid == (u32)BPF_CORE_READ(task, tgid))
		bpf_map_delete_elem(&target_pids, &pid);
	return 0;
}
