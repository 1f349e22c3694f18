/* SPDX-License-Identifier: Apache-2.0 */
/* What a verb that measures waits for; see loop.h. */
#include "cmd/loop.h"

#include <bpf/libbpf.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

#define TICK_S 1.0

int loop_add(const struct loop *loop, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0)
		return -errno;
	return epoll_ctl(loop->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

int loop_open(struct loop *loop)
{
	sigset_t set;

	*loop = (struct loop)LOOP_NONE;
	loop->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (loop->epoll < 0)
		return -errno;
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	loop->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return loop_add(loop, loop->signals);
}

void loop_close(struct loop *loop)
{
	while (loop->ntimers)
		close(loop->timers[--loop->ntimers]);
	if (loop->signals >= 0)
		close(loop->signals);
	if (loop->epoll >= 0)
		close(loop->epoll);
}

int loop_add_timer(struct loop *loop, double seconds, bool repeats)
{
	const uint64_t ns = (uint64_t)(seconds * 1e9);
	const struct timespec t = { .tv_sec = (time_t)(ns / 1000000000),
				    .tv_nsec = (long)(ns % 1000000000) };
	const struct itimerspec spec = { .it_value = t,
					 .it_interval = repeats ? t : (struct timespec){ 0 } };
	int err, fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd < 0)
		return -errno;
	if (loop->ntimers == LOOP_TIMERS_MAX) {
		close(fd);
		return -ENOSPC;
	}
	loop->timers[loop->ntimers++] = fd;
	if (timerfd_settime(fd, 0, &spec, NULL) < 0)
		return -errno;
	err = loop_add(loop, fd);
	return err ? err : fd;
}

int loop_start(struct loop *loop, double seconds)
{
	if (seconds > 0 && (loop->end = loop_add_timer(loop, seconds, false)) < 0)
		return loop->end;
	loop->ticker = loop_add_timer(loop, TICK_S, true);
	return loop->ticker < 0 ? loop->ticker : 0;
}

bool loop_is_over(const struct loop *loop, int fd)
{
	return fd == loop->signals || fd == loop->end;
}

uint64_t loop_fired(int timer)
{
	uint64_t times;

	return read(timer, &times, sizeof(times)) == sizeof(times) ? times : 0;
}

int loop_wait(const struct loop *loop, int ready[LOOP_READY_MAX])
{
	struct epoll_event events[LOOP_READY_MAX];
	int n = epoll_wait(loop->epoll, events, LOOP_READY_MAX, -1);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++)
		ready[i] = events[i].data.fd;
	return n;
}

static int print_libbpf(enum libbpf_print_level level, const char *format, va_list ap)
{
	_cleanup_free_ char *text = NULL;

	if (level == LIBBPF_DEBUG || log_get_level() < LOG_DEBUG)
		return 0;
	if (vasprintf(&text, format, ap) >= 0)
		log_debug("%.*s", (int)strcspn(text, "\n"), text);
	return 0;
}

void loop_hush_libbpf(void)
{
	libbpf_set_print(print_libbpf);
}
