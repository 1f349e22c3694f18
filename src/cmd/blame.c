/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plimsoll blame: who had the CPU that whom was waiting for. Opens the ledger, waits, and shows the
 * one part of its window.
 */
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/privileges.h"
#include "base/text.h"
#include "cmd/cmd.h"
#include "container/container.h"
#include "container/watch.h"
#include "output/blame.h"
#include "signal/cpus.h"
#include "signal/ledger.h"

#define DURATION_MAX (365.0 * 86400)

struct options {
	const char **containers;
	size_t ncontainers, capacity;
	double duration; /* seconds; 0: until told to stop */
	bool by_cpu, all, json;
};

/* All that watching consists of, in the order in which it is set up. */
struct watching {
	const struct options *options;
	struct containers *containers;
	struct watch *watch;
	struct ledger *ledger;
	int epoll, signals, timer, ticker;
	unsigned seconds; /* since it began */
};

static void print_help(void)
{
	fputs("usage: plimsoll blame [-c NAME]... [-d SEC] [--cpu] [--all] [--json]\n"
	      "\n"
	      "Tells who waited for a CPU, and who had it meanwhile. Every wait is charged to\n"
	      "those that ran on that CPU while it lasted: containers, systemd units, the host,\n"
	      "kernel threads, interrupts. \"itself\" are other threads of the same container;\n"
	      "in \"[wake-up]\" the CPU was idle and took so long to begin.\n"
	      "\n"
	      "  -c NAME          only who waited: container name, id prefix, pod\n"
	      "                   namespace/name, unit, \"host\", or a glob; repeatable\n"
	      "  -d SEC           so long; else until Ctrl-C\n"
	      "      --cpu        CPU by CPU\n"
	      "  -a, --all        also what is too small to matter\n"
	      "      --json       all of it, for programs\n"
	      "  -q, --quiet      no progress, only errors\n"
	      "  -v, --verbose    tell what happens when\n"
	      "  -h, --help       this text\n"
	      "\n"
	      "RAN and WAITED are sums over threads: ten that wait for a second waited 10 s.\n",
	      stdout);
}

/* --- options --- */

enum { OPTION_CPU = 256, OPTION_JSON };

static const char short_options[] = ":c:d:aqvh";
static const struct option long_options[] = {
	{ "container", required_argument, NULL, 'c' },
	{ "duration", required_argument, NULL, 'd' },
	{ "cpu", no_argument, NULL, OPTION_CPU },
	{ "all", no_argument, NULL, 'a' },
	{ "json", no_argument, NULL, OPTION_JSON },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static int parse_duration(struct options *o, const char *text)
{
	if (parse_number(text, &o->duration) < 0 || o->duration <= 0 || o->duration > DURATION_MAX)
		return usage_error("blame", "'-d %s': seconds are expected, such as 10 or 0.5",
				   text);
	return EXIT_DONE;
}

static int parse_option(struct options *o, int c, char *const *argv)
{
	switch (c) {
	case 'c':
		GROW(o->containers, o->ncontainers, o->capacity);
		o->containers[o->ncontainers++] = optarg;
		return EXIT_DONE;
	case 'd':
		return parse_duration(o, optarg);
	case OPTION_CPU:
		o->by_cpu = true;
		return EXIT_DONE;
	case 'a':
		o->all = true;
		return EXIT_DONE;
	case OPTION_JSON:
		o->json = true;
		return EXIT_DONE;
	case 'q':
		log_set_level(LOG_ERROR);
		return EXIT_DONE;
	case 'v':
		log_set_level(LOG_DEBUG);
		return EXIT_DONE;
	case ':':
		return usage_error("blame", "option '%s' needs a value", argv[optind - 1]);
	default:
		return usage_error("blame", "unknown option '%s'", argv[optind - 1]);
	}
}

/* -1: help was asked for and given. */
static int parse_arguments(int argc, char **argv, struct options *o)
{
	int c, status = EXIT_DONE;

	opterr = 0;
	while (status == EXIT_DONE &&
	       (c = getopt_long(argc, argv, short_options, long_options, NULL)) != -1) {
		if (c == 'h') {
			print_help();
			return -1;
		}
		status = parse_option(o, c, argv);
	}
	if (status == EXIT_DONE && optind < argc)
		return usage_error("blame", "unexpected argument '%s'", argv[optind]);
	return status;
}

/* --- set-up --- */

static int add_fd(const struct watching *w, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	if (fd < 0)
		return -errno;
	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int open_signals(struct watching *w)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	w->signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	return add_fd(w, w->signals);
}

static int open_timer(const struct watching *w, int *fd, double seconds, bool repeats)
{
	const struct timespec t = { .tv_sec = (time_t)seconds,
				    .tv_nsec = (long)((seconds - (double)(time_t)seconds) * 1e9) };
	const struct itimerspec spec = { .it_value = t,
					 .it_interval = repeats ? t : (struct timespec){ 0 } };

	*fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (*fd < 0 || timerfd_settime(*fd, 0, &spec, NULL) < 0)
		return -errno;
	return add_fd(w, *fd);
}

static int print_libbpf(enum libbpf_print_level level, const char *format, va_list ap)
{
	_cleanup_free_ char *text = NULL;

	/* What fails we explain ourselves; libbpf's own words help only who asks for them. */
	if (level == LIBBPF_DEBUG || log_get_level() < LOG_DEBUG)
		return 0;
	if (vasprintf(&text, format, ap) >= 0)
		log_debug("%.*s", (int)strcspn(text, "\n"), text);
	return 0;
}

static int set_up(struct watching *w)
{
	struct watch_options watch = {
		.patterns = w->options->containers,
		.npatterns = w->options->ncontainers,
	};
	struct ledger_options ledger = { 0 };
	int err;

	libbpf_set_print(print_libbpf);
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	err = w->epoll < 0 ? -errno : open_signals(w);
	if (!err)
		err = containers_open(NULL, &w->containers);
	if (err)
		return err;
	watch.containers = ledger.containers = w->containers;
	err = watch_open(&watch, &w->watch);
	if (!err)
		err = add_fd(w, watch_fd(w->watch));
	if (err)
		return err;
	ledger.watch = w->watch;
	err = ledger_open(&ledger, &w->ledger);
	if (!err && privileges_drop() < 0)
		log_warn("cannot drop privileges that are not needed any more");
	return err;
}

/* --- while it runs --- */

static void show_progress(const struct watching *w)
{
	if (w->options->duration > 0)
		progress("watching: %u of %g s, Ctrl-C ends it early", w->seconds,
			 w->options->duration);
	else
		progress("watching: %u s, Ctrl-C ends it", w->seconds);
}

/* Returns true when it is time to stop. */
static bool handle(struct watching *w, int fd)
{
	uint64_t expirations;

	if (fd == w->ticker && read(fd, &expirations, sizeof(expirations)) > 0) {
		w->seconds += (unsigned)expirations;
		ledger_tick(w->ledger);
		show_progress(w);
	}
	return fd == w->signals || fd == w->timer;
}

static int run_until_told(struct watching *w)
{
	struct epoll_event events[4];
	bool done = false;
	int err = 0;

	if (w->options->duration > 0)
		err = open_timer(w, &w->timer, w->options->duration, false);
	if (!err)
		err = open_timer(w, &w->ticker, 1, true);
	log_debug("watching");
	show_progress(w);
	while (!err && !done) {
		int n = epoll_wait(w->epoll, events, ARRAY_SIZE(events), -1);

		if (n < 0 && errno != EINTR)
			err = -errno;
		watch_drain(w->watch);
		for (int i = 0; i < n; i++)
			done |= handle(w, events[i].data.fd);
	}
	progress_clear();
	return err;
}

/* --- what came of it --- */

/* 0: no limit, as for a pipe. */
static unsigned terminal_columns(void)
{
	struct winsize size;

	if (!isatty(STDOUT_FILENO) || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) < 0)
		return 0;
	return size.ws_col;
}

static unsigned count_cpus(void)
{
	_cleanup_free_ struct cpus *cpus = xcalloc(1, sizeof(*cpus));

	return cpus_read(cpus) < 0 ? 0 : (unsigned)cpus->count;
}

static void show(const struct watching *w, const struct ledger_window *window)
{
	_cleanup_(buffer_free) struct buffer out = { 0 };
	const char *no_color = getenv("NO_COLOR"); /* no-color.org */
	const struct blame_options options = {
		.patterns = w->options->containers,
		.npatterns = w->options->ncontainers,
		.by_cpu = w->options->by_cpu,
		.all = w->options->all,
		.color = isatty(STDOUT_FILENO) && (!no_color || !*no_color),
		.width = terminal_columns(),
		.cpus = count_cpus(),
	};

	if (w->options->json)
		blame_write_json(window, &options, &out);
	else
		blame_write_table(window, &options, &out);
	fwrite(out.data, 1, out.size, stdout);
	if (window->without_slot)
		log_warn("%llu cgroups found no place in the kernel's tables and are '[unknown]'",
			 (unsigned long long)window->without_slot);
}

static int finish(struct watching *w)
{
	struct ledger_window *window;
	struct ledger_reading *reading;

	ledger_stop(w->ledger);
	watch_drain(w->watch);
	reading = ledger_read(w->ledger);
	if (!reading) {
		log_error("cannot read the ledger: %s", strerror(errno));
		return -errno;
	}
	window = ledger_window(w->ledger, NULL, reading);
	show(w, window);
	ledger_window_free(window);
	ledger_reading_free(reading);
	return fflush(stdout) == 0 && !ferror(stdout) ? 0 : -EIO;
}

static int blame(const struct options *o)
{
	struct watching w = {
		.options = o,
		.epoll = -1,
		.signals = -1,
		.timer = -1,
		.ticker = -1,
	};
	int err = set_up(&w);

	if (!err)
		err = run_until_told(&w);
	if (!err)
		err = finish(&w);
	ledger_close(w.ledger);
	watch_close(w.watch);
	containers_free(w.containers);
	const int fds[] = { w.epoll, w.signals, w.timer, w.ticker };

	for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
		if (fds[i] >= 0)
			close(fds[i]);
	return err ? EXIT_FAILED : EXIT_DONE;
}

static int run(int argc, char **argv)
{
	struct options o = { 0 };
	int status = parse_arguments(argc, argv, &o);

	if (status == EXIT_DONE && privileges_check() < 0)
		status = EXIT_FAILED;
	if (status == EXIT_DONE)
		status = blame(&o);
	free(o.containers);
	return status < 0 ? EXIT_DONE : status;
}

const struct verb blame_verb = {
	.name = "blame",
	.summary = "who had the CPU that whom was waiting for",
	.run = run,
};
