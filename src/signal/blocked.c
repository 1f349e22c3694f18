/* SPDX-License-Identifier: Apache-2.0 */
/* What threads that sleep in a system call wait for; see blocked.h. The table of docs/ledger.md. */
#include "signal/blocked.h"

#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>

#include "base/cleanup.h"

struct row {
	uint16_t number;
	uint8_t waits; /* enum syscall_wait */
};

#define CALL(name, waits)                                  \
	{                                                  \
		SYS_##name, (uint8_t)SYSCALL_WAITS_##waits \
	}

static const struct row rows[] = {
	/* Until something comes up, or a time. */
	CALL(clock_nanosleep, IDLE),
	CALL(nanosleep, IDLE),
	CALL(ppoll, IDLE),
	CALL(pselect6, IDLE),
	CALL(epoll_pwait, IDLE),
	CALL(epoll_pwait2, IDLE),
	CALL(rt_sigsuspend, IDLE),
	CALL(rt_sigtimedwait, IDLE),
	CALL(accept, IDLE),
	CALL(accept4, IDLE),
	CALL(restart_syscall, IDLE), /* one of the above, after a signal */
	CALL(io_uring_enter, RING),
	/* On the file in the first argument. */
	CALL(read, FILE),
	CALL(readv, FILE),
	CALL(pread64, FILE),
	CALL(preadv, FILE),
	CALL(preadv2, FILE),
	CALL(write, FILE),
	CALL(writev, FILE),
	CALL(pwrite64, FILE),
	CALL(pwritev, FILE),
	CALL(pwritev2, FILE),
	CALL(sendto, FILE),
	CALL(sendmsg, FILE),
	CALL(sendmmsg, FILE),
	CALL(recvfrom, FILE),
	CALL(recvmsg, FILE),
	CALL(recvmmsg, FILE),
	CALL(connect, FILE),
	CALL(shutdown, FILE),
	CALL(sendfile, FILE),
	CALL(splice, FILE),
	CALL(tee, FILE),
	CALL(vmsplice, FILE),
	CALL(copy_file_range, FILE),
	CALL(ioctl, FILE),
	CALL(close, FILE),
	CALL(fsync, FILE),
	CALL(fdatasync, FILE),
	CALL(ftruncate, FILE),
	CALL(fallocate, FILE),
	CALL(sync_file_range, FILE),
	CALL(readahead, FILE),
	CALL(getdents64, FILE),
	CALL(fstat, FILE),
	CALL(lseek, FILE),
	/* On a file system. */
	CALL(sync, DISK),
	CALL(syncfs, DISK),
	CALL(msync, DISK),
	CALL(truncate, DISK),
	CALL(openat, DISK),
	CALL(openat2, DISK),
	CALL(newfstatat, DISK),
	CALL(statx, DISK),
	CALL(faccessat, DISK),
	CALL(faccessat2, DISK),
	CALL(readlinkat, DISK),
	CALL(mkdirat, DISK),
	CALL(unlinkat, DISK),
	CALL(renameat2, DISK),
	CALL(linkat, DISK),
	CALL(symlinkat, DISK),
	CALL(fchmodat, DISK),
	CALL(fchownat, DISK),
	CALL(utimensat, DISK),
	CALL(statfs, DISK),
	CALL(mount, DISK),
	CALL(umount2, DISK),
	CALL(execve, DISK),
	CALL(execveat, DISK),
	CALL(io_getevents, DISK),
	CALL(io_pgetevents, DISK),
	CALL(io_submit, DISK),
	/* On a lock; those of the memory map among them. */
	CALL(futex, LOCK),
#ifdef SYS_futex_waitv
	CALL(futex_waitv, LOCK),
#endif
#ifdef SYS_futex_wait
	CALL(futex_wait, LOCK),
#endif
	CALL(flock, LOCK),
	CALL(fcntl, LOCK),
	CALL(semop, LOCK),
	CALL(semtimedop, LOCK),
	CALL(mmap, LOCK),
	CALL(munmap, LOCK),
	CALL(mremap, LOCK),
	CALL(mprotect, LOCK),
	CALL(madvise, LOCK),
	CALL(brk, LOCK),
	/* On messages between processes. */
	CALL(msgrcv, PIPE),
	CALL(msgsnd, PIPE),
	CALL(mq_timedreceive, PIPE),
	CALL(mq_timedsend, PIPE),
	/* On another process: vfork waits in clone until the child has executed a program. */
	CALL(wait4, CHILD),
	CALL(waitid, CHILD),
	CALL(clone, CHILD),
	CALL(clone3, CHILD),
/* Calls that newer architectures do not have any more. */
#ifdef SYS_poll
	CALL(poll, IDLE),
	CALL(select, IDLE),
	CALL(epoll_wait, IDLE),
	CALL(pause, IDLE),
	CALL(getdents, FILE),
	CALL(open, DISK),
	CALL(creat, DISK),
	CALL(stat, DISK),
	CALL(lstat, DISK),
	CALL(access, DISK),
	CALL(readlink, DISK),
	CALL(mkdir, DISK),
	CALL(rmdir, DISK),
	CALL(unlink, DISK),
	CALL(rename, DISK),
	CALL(link, DISK),
	CALL(symlink, DISK),
	CALL(vfork, CHILD),
#endif
};

void blocked_describe_syscalls(uint8_t waits[SYSCALLS_MAX])
{
	memset(waits, SYSCALL_WAITS_OTHER, SYSCALLS_MAX);
	for (size_t i = 0; i < ARRAY_SIZE(rows); i++)
		if (rows[i].number < SYSCALLS_MAX)
			waits[rows[i].number] = rows[i].waits;
}
