/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plimsoll stat: where the time of containers went, in numbers. Opens the ledger, reads it when the
 * measuring begins, at the end of each interval and at the end, and shows the differences.
 */
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "base/log.h"
#include "base/privileges.h"
#include "base/terminal.h"
#include "base/text.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/command.h"
#include "cmd/loop.h"
#include "cmd/subjects.h"
#include "container/command_cgroup.h"
#include "container/container.h"
#include "container/watch.h"
#include "output/stat.h"
#include "signal/ledger.h"

#define INTERVAL_LEAST	0.01 /* a reading of a busy host takes milliseconds */
#define BLOCKS_DEFAULT	6    /* of all there is; about three screens */
#define REMAINDER_SHARE 0.1  /* so small a part of an interval at the end is no interval */
/* Whoever writes -I 1000 may think of perf stat, which counts milliseconds. */
#define INTERVAL_OF_PERF 100

enum format { FORMAT_TABLE, FORMAT_JSON, FORMAT_CSV };

struct options {
	const char **containers;
	size_t ncontainers, containers_capacity;
	pid_t *pids;
	size_t npids, pids_capacity;
	double duration, interval; /* seconds; 0: until told to stop, none */
	uint64_t blocks;	   /* 0: all */
	bool summary, has_format;
	enum format format;
	const char *path;
	char *const *command; /* NULL: none */
};

/* All that measuring consists of, in the order in which it is set up. */
struct measuring {
	const struct options *options;
	struct output_file *out;
	struct stat_view view;
	struct loop loop;
	struct command command;
	struct containers *containers;
	struct watch *watch;
	struct command_cgroup *cgroup;
	struct ledger *ledger;
	struct subjects *subjects;
	int intervals;	   /* timer; -1: none */
	unsigned interval; /* that is going on, 1 the first */
	unsigned seconds;  /* since the begin */
	bool command_ended, reader_left;
};

static void print_help(void)
{
	fputs("usage: plimsoll stat [-c NAME]... [-p PID]... [-d SEC] [-I SEC] [--json | --csv]\n"
	      "                     [-o FILE] [-- COMMAND...]\n"
	      "\n"
	      "Tells where the time of containers went, as wall time times threads, and counts:\n"
	      "context switches, waits for a CPU, page faults, throttling, hardware counters.\n"
	      "Without -c, -p and COMMAND all containers, systemd units and the host are\n"
	      "measured, and those that lost most time are shown.\n"
	      "\n"
	      "  -c NAME          container name, id prefix, pod namespace/name, unit, \"host\",\n"
	      "                   or a glob; repeatable\n"
	      "  -p PID           a process: what its threads did, without its children\n"
	      "  -d SEC           so long; else until Ctrl-C or the end of COMMAND\n"
	      "  -I SEC           a block, or record, each so many seconds\n"
	      "      --summary    with -I: the whole at the end, too\n"
	      "  -n N             show N containers and the host (6); 0: all\n"
	      "      --json       a line with an object for each container and interval\n"
	      "      --csv        a line of comma-separated values\n"
	      "  -o FILE          there; .json and .csv tell the format\n"
	      "  -q, --quiet      no progress, only errors\n"
	      "  -v, --verbose    tell what happens when\n"
	      "  -h, --help       this text\n"
	      "\n"
	      "COMMAND is run in a cgroup of its own, with all that it starts. 'man plimsoll'\n"
	      "and docs/stat.md tell what each figure means.\n",
	      stdout);
}

/* --- options --- */

static int set_format(struct options *o, enum format format)
{
	if (o->has_format && o->format != format)
		return usage_error("stat", "--json and --csv exclude each other");
	o->format = format;
	o->has_format = true;
	return EXIT_DONE;
}

static int parse_option(struct options *o, int c, const char *argument)
{
	switch (c) {
	case 'c':
		GROW(o->containers, o->ncontainers, o->containers_capacity);
		o->containers[o->ncontainers++] = argument;
		return EXIT_DONE;
	case 'p':
		GROW(o->pids, o->npids, o->pids_capacity);
		return argument_pid("stat", argument, &o->pids[o->npids++]);
	case 'd':
		return argument_seconds("stat", 'd', argument, 0, &o->duration);
	case 'I':
		return argument_seconds("stat", 'I', argument, INTERVAL_LEAST, &o->interval);
	case 'n':
		if (parse_u64(argument, &o->blocks) < 0)
			return usage_error("stat", "'-n %s': a number is expected", argument);
		return EXIT_DONE;
	case 'S':
		o->summary = true;
		return EXIT_DONE;
	case 'j':
		return set_format(o, FORMAT_JSON);
	case 'x':
		return set_format(o, FORMAT_CSV);
	case 'o':
		o->path = argument;
		return EXIT_DONE;
	case 'q':
		log_set_level(LOG_ERROR);
		return EXIT_DONE;
	case 'v':
		log_set_level(LOG_DEBUG);
		return EXIT_DONE;
	default:
		return EXIT_USAGE;
	}
}

static bool has_suffix(const char *path, const char *suffix)
{
	size_t n = strlen(path), m = strlen(suffix);

	return n > m && strcmp(path + n - m, suffix) == 0;
}

static int check_options(struct options *o)
{
	if (o->summary && !o->interval)
		return usage_error("stat", "--summary is for intervals: -I says how long they are");
	if (o->command && !*o->command)
		return usage_error("stat", "a command is expected after '--'");
	if (o->interval >= INTERVAL_OF_PERF)
		log_info("-I counts seconds here, not milliseconds: a block each %g s",
			 o->interval);
	if (!o->has_format && has_suffix(o->path, ".json"))
		o->format = FORMAT_JSON;
	else if (!o->has_format && has_suffix(o->path, ".csv"))
		o->format = FORMAT_CSV;
	return EXIT_DONE;
}

/* -1: help was asked for and given. */
static int parse_arguments(int argc, char **argv, struct options *o)
{
	static const struct option long_options[] = {
		{ "container", required_argument, NULL, 'c' },
		{ "pid", required_argument, NULL, 'p' },
		{ "duration", required_argument, NULL, 'd' },
		{ "interval", required_argument, NULL, 'I' },
		{ "summary", no_argument, NULL, 'S' },
		{ "json", no_argument, NULL, 'j' },
		{ "csv", no_argument, NULL, 'x' },
		{ "output", required_argument, NULL, 'o' },
		{ "quiet", no_argument, NULL, 'q' },
		{ "verbose", no_argument, NULL, 'v' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	int c, status;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "+:c:p:d:I:n:o:qvh", long_options, NULL)) != -1) {
		if (c == 'h') {
			print_help();
			return -1;
		}
		if (c == '?' || c == ':')
			return option_error("stat", c, argv, long_options);
		status = parse_option(o, c, optarg);
		if (status != EXIT_DONE)
			return status;
	}
	if (strcmp(argv[optind - 1], "--") == 0)
		o->command = argv + optind;
	else if (optind < argc)
		return usage_error("stat", "unexpected argument '%s'; a command goes after '--'",
				   argv[optind]);
	return check_options(o);
}

/* --- set-up --- */

static int open_output(struct measuring *m)
{
	const char *path = m->options->path;
	int err = output_open(path, &m->out);

	if (err) {
		log_error("cannot write %s: %s", path, strerror(-err));
		return err;
	}
	m->view = (struct stat_view){ .width = STAT_WIDTH };
	if (strcmp(path, "-") == 0) {
		unsigned columns = terminal_columns(STDOUT_FILENO);

		m->view.colours = bar_colours_of_terminal();
		m->view.width = columns ? columns : STAT_WIDTH;
	}
	return 0;
}

static int open_watch(struct measuring *m)
{
	const struct watch_options options = {
		.containers = m->containers,
		.patterns = m->options->containers,
		.npatterns = m->options->ncontainers,
	};
	int err = watch_open(&options, &m->watch);

	return err ? err : loop_add(&m->loop, watch_fd(m->watch));
}

static int begin(struct measuring *m)
{
	const struct options *o = m->options;
	const struct subjects_options options = {
		.containers = m->containers,
		.ledger = m->ledger,
		.patterns = o->containers,
		.npatterns = o->ncontainers,
		.pids = o->pids,
		.npids = o->npids,
		.command = m->cgroup ? command_cgroup_container(m->cgroup) : NULL,
		.command_pid = m->command.pid,
	};
	_cleanup_(buffer_free) struct buffer head = { 0 };

	if (o->format == FORMAT_CSV) {
		stat_csv_head(&head);
		output_write(m->out, head.data, head.size);
	}
	return subjects_begin(&options, &m->subjects);
}

static int set_up(struct measuring *m)
{
	const struct options *o = m->options;
	struct ledger_options ledger = { .threads = o->npids > 0 };
	int err = open_output(m);

	loop_hush_libbpf();
	if (!err)
		err = loop_open(&m->loop);
	/* The command is forked while we still have everything: it is run as given. */
	if (!err && o->command)
		err = command_start(o->command, &m->command);
	/* Ours alone: a command would inherit it. */
	signal(SIGPIPE, SIG_IGN);
	if (!err)
		err = containers_open(NULL, &m->containers);
	if (!err)
		err = open_watch(m);
	if (!err && o->command)
		err = command_cgroup_make(m->containers, m->command.pid, m->command.name,
					  &m->cgroup);
	if (err)
		return err;
	ledger.watch = m->watch;
	ledger.containers = m->containers;
	err = ledger_open(&ledger, &m->ledger);
	if (!err && privileges_drop() < 0)
		log_warn("cannot drop privileges that are not needed any more");
	return err ? err : begin(m);
}

/* --- showing --- */

static int write_out(struct measuring *m, const struct buffer *text)
{
	int err = text->size ? output_write(m->out, text->data, text->size) : 0;

	/* `| head` has seen enough. */
	if (err == -EPIPE && strcmp(m->options->path, "-") == 0) {
		m->reader_left = true;
		return 0;
	}
	if (err)
		log_error("cannot write %s: %s",
			  strcmp(m->options->path, "-") == 0 ? "standard output" : m->options->path,
			  strerror(-err));
	return err;
}

static bool is_chosen(const struct options *o)
{
	return o->ncontainers || o->npids || o->command;
}

/* What is left out is said; kernel threads are not worth a place among the first. */
static void add_blocks(const struct measuring *m, const struct stat_record *records, size_t n,
		       struct buffer *out)
{
	const struct options *o = m->options;
	bool shows_all = is_chosen(o) || !o->blocks;
	size_t shown = 0, left_out = 0;
	char lost_text[TEXT_SHORT];
	uint64_t lost = 0;

	for (size_t i = 0; i < n; i++) {
		const struct stat_record *r = &records[i];

		if (shows_all || r->kind == STAT_HOST ||
		    (r->kind != STAT_KERNEL && shown < o->blocks)) {
			stat_block(r, &m->view, out);
			shown++;
		} else if (r->kind != STAT_KERNEL) {
			left_out++;
			lost += stat_lost(r);
		}
	}
	if (left_out)
		buffer_printf(out,
			      "\nNot shown: %zu more, which lost %s together, and kernel threads; "
			      "-n 0 shows all.\n",
			      left_out, text_duration(lost, lost_text));
	else if (!shows_all)
		buffer_puts(out, "\nNot shown: kernel threads; -n 0 shows all.\n");
}

static int show(struct measuring *m, bool whole)
{
	size_t n;
	_cleanup_free_ struct stat_record *records = subjects_records(m->subjects, whole, &n);
	_cleanup_(buffer_free) struct buffer out = { 0 };

	if (!records) {
		log_error("cannot read the ledger: %s", strerror(errno));
		return -EIO;
	}
	for (size_t i = 0; i < n; i++) {
		records[i].interval = whole ? 0 : m->interval;
		if (m->options->format == FORMAT_JSON)
			stat_json(&records[i], &out);
		else if (m->options->format == FORMAT_CSV)
			stat_csv(&records[i], &out);
	}
	if (m->options->format == FORMAT_TABLE)
		add_blocks(m, records, n, &out);
	progress_clear();
	return write_out(m, &out);
}

static int end_interval(struct measuring *m)
{
	int err = show(m, false);

	subjects_mark(m->subjects);
	m->interval++;
	return err;
}

/* --- while it runs --- */

static void show_progress(const struct measuring *m)
{
	const struct options *o = m->options;

	if (o->duration > 0)
		progress("measuring: %u of %g s, Ctrl-C ends it early", m->seconds, o->duration);
	else
		progress("measuring: %u s, %s", m->seconds,
			 o->command ? "until the command ends" : "Ctrl-C ends it");
}

/* The last interval is as long as the others, or up to a tenth longer. */
static bool is_remainder(const struct measuring *m)
{
	double left = m->options->duration - (double)subjects_elapsed(m->subjects) / 1e9;

	return m->options->duration > 0 && left < m->options->interval * REMAINDER_SHARE;
}

static int tick(struct measuring *m)
{
	m->seconds += (unsigned)loop_fired(m->loop.ticker);
	ledger_tick(m->ledger);
	show_progress(m);
	return subjects_read(m->subjects);
}

static int on_interval(struct measuring *m)
{
	int err = loop_fired(m->intervals) ? subjects_read(m->subjects) : 0;

	return err || is_remainder(m) ? err : end_interval(m);
}

static int start_timers(struct measuring *m)
{
	const struct options *o = m->options;

	m->intervals = -1;
	if (o->interval > 0 && (m->intervals = loop_add_timer(&m->loop, o->interval, true)) < 0)
		return m->intervals;
	return loop_start(&m->loop, o->duration);
}

static bool is_over(struct measuring *m, const int *ready, int n)
{
	for (int i = 0; i < n; i++) {
		if (m->options->command && ready[i] == m->command.pidfd)
			m->command_ended = true;
		if (loop_is_over(&m->loop, ready[i]))
			return true;
	}
	return m->command_ended || m->reader_left;
}

static int run_until_told(struct measuring *m)
{
	int ready[LOOP_READY_MAX];
	int err = start_timers(m);

	if (!err && m->options->command) {
		err = command_release(&m->command);
		if (!err)
			err = loop_add(&m->loop, m->command.pidfd);
	}
	show_progress(m);
	while (!err) {
		int n = loop_wait(&m->loop, ready);

		if (n < 0)
			return n;
		/* Who is there before what they did. */
		watch_drain(m->watch);
		if (is_over(m, ready, n))
			break;
		for (int i = 0; !err && i < n; i++) {
			if (ready[i] == m->loop.ticker)
				err = tick(m);
			else if (ready[i] == m->intervals)
				err = on_interval(m);
		}
	}
	return err;
}

/* --- the end --- */

static void add_command_faults(struct measuring *m)
{
	struct rusage usage;

	if (m->command_ended && getrusage(RUSAGE_CHILDREN, &usage) == 0)
		subjects_add_command_faults(m->subjects, (uint64_t)usage.ru_minflt,
					    (uint64_t)usage.ru_majflt);
}

static void warn_of_losses(struct measuring *m)
{
	uint64_t without_slot, astray, events = watch_lost_events(m->watch);

	subjects_losses(m->subjects, &without_slot, &astray);
	if (without_slot)
		log_warn("lost: the time of %llu cgroups is in one account, because there are more "
			 "than the ledger has room for",
			 (unsigned long long)without_slot);
	if (astray)
		log_debug("%llu events did not fit: time that is unaccounted",
			  (unsigned long long)astray);
	if (events)
		log_warn("lost: %llu container events, because their ring was full",
			 (unsigned long long)events);
}

static int finish(struct measuring *m)
{
	int err;

	ledger_stop(m->ledger);
	watch_drain(m->watch);
	err = subjects_read(m->subjects);
	if (err)
		return err;
	if (m->options->command) {
		command_wait(&m->command, !m->command_ended);
		add_command_faults(m);
	}
	if (m->options->interval > 0 && !m->reader_left)
		err = end_interval(m);
	if (!err && (!m->options->interval || m->options->summary) && !m->reader_left)
		err = show(m, true);
	warn_of_losses(m);
	return err;
}

static int close_output(struct measuring *m, int err)
{
	struct output_file *out = TAKE_PTR(m->out);
	int failed;

	if (err) {
		output_abort(out);
		return err;
	}
	failed = output_commit(out);
	if (!failed || (failed == -EPIPE && strcmp(m->options->path, "-") == 0))
		return 0;
	log_error("cannot write %s: %s", m->options->path, strerror(-failed));
	return failed;
}

static void close_measuring(struct measuring *m)
{
	progress_clear();
	subjects_free(m->subjects);
	ledger_close(m->ledger);
	watch_close(m->watch);
	command_close(&m->command);
	/* After the command's end, or it would be busy. */
	command_cgroup_remove(m->cgroup);
	containers_free(m->containers);
	loop_close(&m->loop);
}

static int measure(const struct options *o)
{
	struct measuring m = {
		.options = o,
		.loop = LOOP_NONE,
		.interval = 1,
	};
	int err = set_up(&m);

	if (!err)
		err = run_until_told(&m);
	if (!err)
		err = finish(&m);
	err = close_output(&m, err);
	close_measuring(&m);
	return err ? EXIT_FAILED : EXIT_DONE;
}

static int run(int argc, char **argv)
{
	struct options o = { .blocks = BLOCKS_DEFAULT, .path = "-" };
	int status = parse_arguments(argc, argv, &o);

	if (status == EXIT_DONE && privileges_check("stat") < 0)
		status = EXIT_FAILED;
	if (status == EXIT_DONE)
		status = measure(&o);
	free(o.containers);
	free(o.pids);
	return status < 0 ? EXIT_DONE : status;
}

const struct verb stat_verb = {
	.name = "stat",
	.summary = "where the time of containers went, and counters, in numbers",
	.run = run,
};
