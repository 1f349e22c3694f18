/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plimsoll blame: who had the CPU that whom was waiting for. Opens the ledger, waits, and shows the
 * one part of its window.
 */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/privileges.h"
#include "base/terminal.h"
#include "base/text.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/loop.h"
#include "container/container.h"
#include "container/watch.h"
#include "output/blame.h"
#include "signal/cpus.h"
#include "signal/ledger.h"

struct options {
	const char **containers;
	size_t ncontainers, capacity;
	double duration; /* seconds; 0: until told to stop */
	bool by_cpu, all, json;
};

/* All that watching consists of, in the order in which it is set up. */
struct watching {
	const struct options *options;
	struct loop loop;
	struct containers *containers;
	struct watch *watch;
	struct ledger *ledger;
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

static int parse_option(struct options *o, int c, char *const *argv)
{
	switch (c) {
	case 'c':
		GROW(o->containers, o->ncontainers, o->capacity);
		o->containers[o->ncontainers++] = optarg;
		return EXIT_DONE;
	case 'd':
		return argument_seconds("blame", 'd', optarg, 0, &o->duration);
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
	default:
		return option_error("blame", c, argv, long_options);
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

static int set_up(struct watching *w)
{
	struct watch_options watch = {
		.patterns = w->options->containers,
		.npatterns = w->options->ncontainers,
	};
	struct ledger_options ledger = { 0 };
	int err;

	loop_hush_libbpf();
	err = loop_open(&w->loop);
	if (!err)
		err = containers_open(NULL, &w->containers);
	if (err)
		return err;
	watch.containers = ledger.containers = w->containers;
	err = watch_open(&watch, &w->watch);
	if (!err)
		err = loop_add(&w->loop, watch_fd(w->watch));
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
	if (fd == w->loop.ticker) {
		w->seconds += (unsigned)loop_fired(fd);
		ledger_tick(w->ledger);
		show_progress(w);
	}
	return loop_is_over(&w->loop, fd);
}

static int run_until_told(struct watching *w)
{
	int ready[LOOP_READY_MAX], err = loop_start(&w->loop, w->options->duration);
	bool done = false;

	log_debug("watching");
	show_progress(w);
	while (!err && !done) {
		int n = loop_wait(&w->loop, ready);

		err = MIN(n, 0);
		watch_drain(w->watch);
		for (int i = 0; i < n; i++)
			done |= handle(w, ready[i]);
	}
	progress_clear();
	return err;
}

/* --- what came of it --- */

static void show(const struct watching *w, const struct ledger_window *window)
{
	_cleanup_(buffer_free) struct buffer out = { 0 };
	const struct blame_options options = {
		.patterns = w->options->containers,
		.npatterns = w->options->ncontainers,
		.by_cpu = w->options->by_cpu,
		.all = w->options->all,
		.color = terminal_has_colours(STDOUT_FILENO),
		.width = terminal_columns(STDOUT_FILENO),
		.cpus = cpus_count(),
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
		.loop = LOOP_NONE,
	};
	int err = set_up(&w);

	if (!err)
		err = run_until_told(&w);
	if (!err)
		err = finish(&w);
	ledger_close(w.ledger);
	watch_close(w.watch);
	containers_free(w.containers);
	loop_close(&w.loop);
	return err ? EXIT_FAILED : EXIT_DONE;
}

static int run(int argc, char **argv)
{
	struct options o = { 0 };
	int status = parse_arguments(argc, argv, &o);

	if (status == EXIT_DONE && privileges_check("blame") < 0)
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
