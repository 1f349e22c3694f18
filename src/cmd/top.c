/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plimsoll top: the containers of the host as they run, on a whole terminal or in lines. Opens the
 * ledger, reads it once an interval, and hands the window to whoever shows it.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <ncurses.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/privileges.h"
#include "base/text.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/loop.h"
#include "cmd/top_sampler.h"
#include "container/container.h"
#include "container/watch.h"
#include "output/top_lines.h"
#include "output/top_open.h"
#include "output/top_rows.h"
#include "output/top_screen.h"
#include "signal/cpus.h"
#include "signal/ledger.h"

#define INTERVAL_DEFAULT 2.0
#define INTERVAL_LEAST	 0.1
/* The first window is short: somebody waits for it. */
#define FIRST_INTERVAL 0.5

enum form { FORM_SCREEN, FORM_BATCH, FORM_PLAIN };

struct options {
	const char **containers;
	size_t ncontainers, capacity;
	double interval; /* seconds */
	enum top_key key;
	enum form form;
	uint64_t count; /* of intervals; 0: until told */
};

struct watching {
	const struct options *options;
	struct loop loop;
	struct containers *containers;
	struct watch *watch;
	struct ledger *ledger;
	struct ledger_reading *reading; /* the last one */
	struct top_rows *rows;
	struct top_speech *speech;
	struct top_screen *screen;
	enum log_level log_level; /* while there is no screen */
	int first, refresh;	  /* timers */
	uint64_t intervals;
	/* The container that is open on the screen, or NULL. */
	const struct container *opened;
	struct top_sampler *sampler; /* NULL: could not be */
	struct top_open open;
	struct top_view view;
	char host[HOST_NAME_MAX + 1];
};

/* --- options --- */

static void print_help(void)
{
	fputs("usage: plimsoll top [-c NAME]... [-d SEC] [--sort KEY] [--batch|--plain] [-n N]\n"
	      "\n"
	      "Shows, live: CPU time of each container, where the time of its threads went,\n"
	      "how long it waits for a CPU, throttling, memory and limit, I/O and network.\n"
	      "\n"
	      "  -c NAME          container name, id prefix, pod namespace/name, or a glob\n"
	      "  -d SEC           new figures so often (2)\n"
	      "      --sort KEY   ",
	      stdout);
	for (size_t i = 0; top_key_names[i]; i++)
		printf("%s%s", i ? " " : "", top_key_names[i]);
	fputs("\n"
	      "                   (cpu)\n"
	      "      --batch      lines: a block an interval, fixed columns, no colours\n"
	      "      --plain      sentences, only of what has changed; for screen readers\n"
	      "  -n N             of these two: so many intervals, then end\n"
	      "  -h, --help       this text\n"
	      "\n"
	      "On the screen: ? help, q quit, Enter opens a container, / filters, < > sort.\n"
	      "'man plimsoll' tells all.\n",
	      stdout);
}

static int parse_key(struct options *o, const char *text)
{
	_cleanup_(buffer_free) struct buffer keys = { 0 };
	const char *near;

	for (size_t i = 0; top_key_names[i]; i++) {
		buffer_printf(&keys, "%s%s", i ? " " : "", top_key_names[i]);
		if (strcmp(top_key_names[i], text) == 0) {
			o->key = (enum top_key)i;
			return EXIT_DONE;
		}
	}
	near = nearest_name(text, top_key_names);
	if (near)
		return usage_error("top", "'--sort %s': no such column (did you mean '%s'?)", text,
				   near);
	return usage_error("top", "'--sort %s': no such column (there are: %s)", text, keys.data);
}

static int set_form(struct options *o, enum form form)
{
	if (o->form != FORM_SCREEN && o->form != form)
		return usage_error("top", "--batch and --plain exclude each other");
	o->form = form;
	return EXIT_DONE;
}

enum { OPTION_SORT = 256, OPTION_BATCH, OPTION_PLAIN };

static const char short_options[] = ":c:d:n:h";
static const struct option long_options[] = {
	{ "container", required_argument, NULL, 'c' },
	{ "delay", required_argument, NULL, 'd' },
	{ "sort", required_argument, NULL, OPTION_SORT },
	{ "batch", no_argument, NULL, OPTION_BATCH },
	{ "plain", no_argument, NULL, OPTION_PLAIN },
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
		return argument_seconds("top", 'd', optarg, INTERVAL_LEAST, &o->interval);
	case 'n':
		if (parse_u64(optarg, &o->count) < 0 || !o->count)
			return usage_error("top", "'-n %s': a number from 1 is expected", optarg);
		return EXIT_DONE;
	case OPTION_SORT:
		return parse_key(o, optarg);
	case OPTION_BATCH:
		return set_form(o, FORM_BATCH);
	case OPTION_PLAIN:
		return set_form(o, FORM_PLAIN);
	default:
		return option_error("top", c, argv, long_options);
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
	if (status != EXIT_DONE)
		return status;
	if (optind < argc)
		return usage_error("top", "unexpected argument '%s'", argv[optind]);
	if (o->count && o->form == FORM_SCREEN)
		return usage_error("top", "-n is for --batch and --plain");
	return EXIT_DONE;
}

/* --- set-up --- */

static void read_usage(void *context, const struct container *container, struct top_usage *usage)
{
	struct watching *w = context;
	struct container_usage u;
	struct container_traffic t;

	containers_usage(w->containers, container, &u);
	containers_traffic(w->containers, container, &t);
	*usage = (struct top_usage){
		.cpu_limit = u.cpu_limit,
		.has_memory = u.has_memory,
		.memory = u.memory,
		.memory_limit = u.memory_limit,
		.has_io = t.has_io,
		.io = t.io,
		.has_net = t.has_net,
		.net = t.net,
	};
}

static int open_ledger(struct watching *w)
{
	const struct watch_options watch = {
		.containers = w->containers,
		.patterns = w->options->containers,
		.npatterns = w->options->ncontainers,
	};
	struct ledger_options ledger = {
		.containers = w->containers,
		.threads = w->options->form == FORM_SCREEN,
	};
	int err = watch_open(&watch, &w->watch);

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

static int read_ledger(struct watching *w, struct ledger_reading **out)
{
	*out = ledger_read(w->ledger);
	if (*out)
		return 0;
	return errno ? -errno : -EIO;
}

/* However we leave, out of memory included, the terminal is as it was. */
static void restore_terminal(void)
{
	if (stdscr && !isendwin())
		endwin();
}

static int open_screen(struct watching *w)
{
	int err = top_screen_open(w->options->key, &w->screen);

	if (err) {
		const char *term = getenv("TERM");

		log_error("this terminal cannot be used as a screen (TERM is '%s'); --batch prints "
			  "lines, --plain sentences",
			  term ? term : "");
		return err;
	}
	atexit(restore_terminal);
	/* What would be said now would be written over the screen. */
	w->log_level = log_get_level();
	log_set_level(LOG_QUIET);
	err = loop_add(&w->loop, STDIN_FILENO);
	gethostname(w->host, sizeof(w->host) - 1);
	w->view = (struct top_view){
		.rows = w->rows,
		.interval = w->options->interval,
		.cpus = cpus_count(),
		.host = w->host,
		.open = &w->open,
	};
	return err;
}

static void close_screen(struct watching *w)
{
	if (!w->screen)
		return;
	top_screen_close(w->screen);
	w->screen = NULL;
	log_set_level(w->log_level);
}

static int open_timer(struct watching *w, int *timer, double seconds, bool repeats)
{
	*timer = loop_add_timer(&w->loop, seconds, repeats);
	return *timer < 0 ? *timer : 0;
}

static int set_up(struct watching *w)
{
	const struct options *o = w->options;
	struct top_rows_options rows = {
		.patterns = o->containers,
		.npatterns = o->ncontainers,
		.usage = read_usage,
		.context = w,
	};
	int err;

	loop_hush_libbpf();
	signal(SIGPIPE, SIG_IGN);
	err = loop_open(&w->loop);
	if (!err)
		err = containers_open(NULL, &w->containers);
	if (!err)
		err = open_ledger(w);
	if (err)
		return err;
	w->rows = top_rows_new(&rows);
	w->speech = top_speech_new();
	err = read_ledger(w, &w->reading);
	if (!err && o->form == FORM_SCREEN)
		err = open_screen(w);
	if (!err && o->form == FORM_SCREEN)
		err = open_timer(w, &w->first, MIN(FIRST_INTERVAL, o->interval), false);
	if (!err)
		err = open_timer(w, &w->refresh, o->interval, true);
	return err ? err : loop_start(&w->loop, 0);
}

/* --- an open container --- */

static void close_container(struct watching *w)
{
	top_sampler_close(w->sampler);
	w->sampler = NULL;
	top_open_clear(&w->open);
	w->opened = NULL;
	w->view.open_note = NULL;
}

/* Its threads need no more than the ledger; its stacks are a bonus that may fail. */
static void open_container(struct watching *w, const struct container *container)
{
	int err;

	close_container(w);
	w->opened = container;
	w->view.open_note = "sampling ...";
	err = top_sampler_open(w->containers, container, &w->sampler);
	if (!err)
		err = loop_add(&w->loop, top_sampler_fd(w->sampler));
	if (err)
		w->view.open_note = "no stacks: the sampler cannot be loaded; 'plimsoll record' "
				    "says why";
}

static void look_into_container(struct watching *w, const struct ledger_reading *from,
				const struct ledger_reading *to)
{
	struct thread_account *threads;
	size_t n = 0;

	if (!w->opened)
		return;
	threads = ledger_threads(w->ledger, from, to, &n);
	top_open_threads(&w->open, w->opened, threads, n);
	if (!w->sampler)
		return;
	if (top_sampler_round(w->sampler, &w->open) < 0) {
		top_sampler_close(w->sampler);
		w->sampler = NULL;
		w->view.open_note = "no stacks: the sampler could not go on";
		return;
	}
	w->view.open_note = w->open.samples ? NULL : "it did not run on a CPU";
}

/* --- showing --- */

static void draw(struct watching *w)
{
	w->view.now = time(NULL);
	top_screen_draw(w->screen, &w->view);
}

/* 0, or negative errno; -EPIPE when nobody reads any more. */
static int write_lines(struct watching *w)
{
	const struct top_arrangement how = { .key = w->options->key };
	_cleanup_(buffer_free) struct buffer out = { 0 };

	top_rows_arrange(w->rows, &how);
	if (w->options->form == FORM_BATCH)
		top_batch(w->rows, time(NULL), &out);
	else
		top_speech_say(w->speech, w->rows, time(NULL), &out);
	if (out.size && fwrite(out.data, 1, out.size, stdout) != out.size)
		return -errno;
	return fflush(stdout) ? -errno : 0;
}

static int refresh_figures(struct watching *w)
{
	struct ledger_reading *reading;
	struct ledger_window *window;
	int err;

	if (w->screen && top_screen_is_paused(w->screen))
		return 0;
	err = read_ledger(w, &reading);
	if (err)
		return err;
	window = ledger_window(w->ledger, w->reading, reading);
	top_rows_update(w->rows, window);
	w->view.unknown = window->without_slot;
	ledger_window_free(window);
	look_into_container(w, w->reading, reading);
	ledger_reading_free(w->reading);
	w->reading = reading;
	w->intervals++;
	if (!w->screen)
		return write_lines(w);
	draw(w);
	return 0;
}

/* --- while it runs --- */

/* False: the user wants to leave. */
static bool take_keys(struct watching *w)
{
	const struct container *opened;

	if (!top_screen_keys(w->screen, w->rows))
		return false;
	opened = top_screen_opened(w->screen);
	if (opened != w->opened && opened)
		open_container(w, opened);
	else if (opened != w->opened)
		close_container(w);
	draw(w);
	return true;
}

static void tick(struct watching *w)
{
	ledger_tick(w->ledger);
	if (w->sampler)
		top_sampler_tick(w->sampler);
}

/* 0; 1: it is time to stop; or negative errno. */
static int handle(struct watching *w, int fd)
{
	if (fd == w->loop.signals)
		return 1;
	if (fd == STDIN_FILENO)
		return take_keys(w) ? 0 : 1;
	if (fd == w->loop.ticker && loop_fired(fd))
		tick(w);
	else if ((fd == w->refresh || fd == w->first) && loop_fired(fd)) {
		int err = refresh_figures(w);

		return err ? err : w->options->count && w->intervals >= w->options->count;
	}
	return 0;
}

static int run_until_told(struct watching *w)
{
	int ready[LOOP_READY_MAX], status = 0;

	if (w->screen)
		draw(w);
	while (!status) {
		int n = loop_wait(&w->loop, ready);

		if (n < 0)
			return n;
		watch_drain(w->watch);
		if (w->sampler)
			top_sampler_drain(w->sampler);
		/* A signal handler ran: the terminal's size has changed, which is a key. */
		if (!n && w->screen && !take_keys(w))
			status = 1;
		for (int i = 0; i < n && !status; i++)
			status = handle(w, ready[i]);
	}
	return status < 0 ? status : 0;
}

static void close_all(struct watching *w)
{
	close_container(w);
	close_screen(w);
	ledger_reading_free(w->reading);
	top_rows_free(w->rows);
	top_speech_free(w->speech);
	if (w->ledger)
		ledger_close(w->ledger);
	watch_close(w->watch);
	containers_free(w->containers);
	loop_close(&w->loop);
}

static int top(const struct options *o)
{
	struct watching w = {
		.options = o,
		.loop = LOOP_NONE,
		.first = -1,
		.refresh = -1,
	};
	int err = set_up(&w);
	bool is_running = !err;

	if (is_running)
		err = run_until_told(&w);
	close_screen(&w);
	/* `| head` has seen enough. */
	if (err == -EPIPE)
		err = 0;
	else if (err && is_running)
		log_error("cannot go on: %s", strerror(-err));
	close_all(&w);
	return err ? EXIT_FAILED : EXIT_DONE;
}

static int run(int argc, char **argv)
{
	struct options o = { .interval = INTERVAL_DEFAULT, .key = TOP_BY_CPU };
	int status = parse_arguments(argc, argv, &o);

	if (status == EXIT_DONE && o.form == FORM_SCREEN &&
	    (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)))
		status = usage_error("top", "not a terminal: --batch prints lines, --plain "
					    "sentences");
	if (status == EXIT_DONE && privileges_check("top") < 0)
		status = EXIT_FAILED;
	if (status == EXIT_DONE)
		status = top(&o);
	free(o.containers);
	return status < 0 ? EXIT_DONE : status;
}

const struct verb top_verb = {
	.name = "top",
	.summary = "containers as they run: CPU, waiting, memory, live",
	.run = run,
};
