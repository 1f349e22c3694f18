/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plimsoll record: the whole program from top to bottom. Opens the outputs, finds the containers,
 * lets the kernel watch, waits, collects, names, writes.
 */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/privileges.h"
#include "base/text.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/command.h"
#include "cmd/loop.h"
#include "cmd/outputs.h"
#include "container/container.h"
#include "container/watch.h"
#include "output/output.h"
#include "signal/offcpu.h"
#include "signal/sideband.h"
#include "signal/signal.h"
#include "signal/unwinder.h"
#include "symbol/symbol.h"

#define FREQUENCY_DEFAULT 99 /* not 100: it must not beat with what runs by the clock */
#define FREQUENCY_MAX	  20000
#define KEPT_PATH	  "plimsoll.pb.gz"

struct options {
	const struct signal_ops *signal;
	const char **containers;
	size_t ncontainers, containers_capacity;
	pid_t *pids;
	size_t npids, pids_capacity;
	double duration; /* seconds; 0: until told to stop */
	unsigned frequency;
	uint32_t states;    /* what is recorded of waits: bits 1 << enum ledger_state */
	uint64_t threshold; /* ns */
	bool wakers;
	const char *of_waits, *of_samples; /* an option that only signals of that kind know */
	bool by_frame_pointers;		   /* user stacks, rather than by unwind tables */
	bool jvm_maps;			   /* ask Java virtual machines for names */
	bool debuginfod;		   /* fetch debug files */
	struct outputs *outputs;
	bool has_outputs; /* -o or --format was given */
	struct output_options view;
	char *const *command; /* NULL: none */
};

/* All that a recording consists of, in the order in which it is set up. */
struct recording {
	const struct options *options;
	struct loop loop;
	struct containers *containers;
	struct symbols *symbols;
	struct unwinder *unwinder;
	struct sideband *sideband;
	struct profile *profile;
	struct watch *watch;
	struct signal *signal;
	struct command command;
	uint64_t began; /* CLOCK_MONOTONIC, ns */
	bool command_ended;
};

/* --- options --- */

static void print_help(void)
{
	fputs("usage: plimsoll record [SIGNAL] [-c NAME]... [-p PID]... [-d SEC] [-F HZ]\n"
	      "                       [-o FILE]... [-- COMMAND...]\n"
	      "\n"
	      "Without -c, -p and COMMAND the whole host is recorded; with several, all that\n"
	      "any of them means. SIGNAL is\n",
	      stdout);
	for (size_t i = 0; signals[i]; i++)
		printf("  %-16s %s%s\n", signals[i]->name, signals[i]->summary,
		       i ? "" : " (default)");
	fputs("\n"
	      "  -c NAME          container name, id prefix, pod namespace/name, or a glob\n"
	      "  -p PID           process, with the children it starts from now on\n"
	      "  -d SEC           so long; else until Ctrl-C or the end of COMMAND\n"
	      "  -F HZ            samples a second and CPU, 1 to 20000 (99)\n"
	      "  -o FILE          .pb.gz .folded .svg .html .speedscope.json .json; several\n"
	      "                   are possible; - is standard output\n"
	      "      --state LIST of offcpu: only waits of these, with commas (all but idle):\n"
	      "                   runnable throttled disk network lock pipe memory child\n"
	      "                   other idle all\n"
	      "      --threshold TIME\n"
	      "                   of offcpu: leave out shorter waits, such as 1ms or 50us\n"
	      "      --wakers     of offcpu: join the stacks of those that ended the waits\n"
	      "      --format F   format of -o -, or of a FILE whose name does not tell\n"
	      "      --icicle     flame graph with the root on top\n"
	      "      --stacks HOW tables (default), or fp: by frame pointers alone\n"
	      "      --jvm-maps   ask Java virtual machines for the names of their functions\n"
	      "      --debuginfod fetch missing debug files from servers in DEBUGINFOD_URLS\n"
	      "  -q, -v           no progress, only errors; or tell what happens when\n"
	      "  -h, --help       this text\n"
	      "\n"
	      "Without -o a table is printed and the profile kept in " KEPT_PATH ".\n",
	      stdout);
}

static int parse_frequency(struct options *o, const char *text)
{
	uint64_t hz;

	o->of_samples = "-F";
	if (parse_u64(text, &hz) < 0 || hz < 1 || hz > FREQUENCY_MAX)
		return usage_error("record", "'-F %s': a number from 1 to %d is expected", text,
				   FREQUENCY_MAX);
	o->frequency = (unsigned)hz;
	return EXIT_DONE;
}

static int parse_signal(struct options *o, const char *name)
{
	const char *names[16] = { 0 };

	o->signal = signal_by_name(name);
	if (o->signal)
		return EXIT_DONE;
	for (size_t i = 0; signals[i] && i + 1 < ARRAY_SIZE(names); i++)
		names[i] = signals[i]->name;
	const char *near = nearest_name(name, names);

	if (near)
		return usage_error("record", "unknown signal '%s' (did you mean '%s'?)", name,
				   near);
	return usage_error("record", "unknown signal '%s'; a command goes after '--'", name);
}

static int parse_stacks(struct options *o, const char *text)
{
	o->by_frame_pointers = strcmp(text, "fp") == 0;
	if (!o->by_frame_pointers && strcmp(text, "tables") != 0)
		return usage_error("record", "'--stacks %s': 'tables' or 'fp' is expected", text);
	return EXIT_DONE;
}

static int parse_states(struct options *o, const char *text)
{
	const char *names[LEDGER_STATES + 1] = { "all" }, *unknown, *near;
	_cleanup_(buffer_free) struct buffer all = { 0 };
	_cleanup_free_ char *name = NULL;
	int n;

	o->of_waits = "--state";
	if (offcpu_parse_states(text, &o->states, &unknown, &n) == 0)
		return EXIT_DONE;
	for (int i = LEDGER_RUNNABLE; i < LEDGER_STATES; i++)
		names[i] = offcpu_state_name((enum ledger_state)i);
	name = xstrndup(unknown, (size_t)n);
	near = nearest_name(name, names);
	if (near)
		return usage_error("record",
				   "'--state %s': there is no state '%s' (did you mean '%s'?)",
				   text, name, near);
	for (size_t i = 0; i < ARRAY_SIZE(names) && names[i]; i++)
		buffer_printf(&all, "%s%s", i ? " " : "", names[i]);
	return usage_error("record", "'--state %s': there is no state '%s' (there are: %s)", text,
			   name, all.data);
}

static int parse_threshold(struct options *o, const char *text)
{
	o->of_waits = "--threshold";
	if (parse_duration_ns(text, &o->threshold) < 0)
		return usage_error("record",
				   "'--threshold %s': a time and its unit are expected, such as "
				   "1ms or 50us",
				   text);
	return EXIT_DONE;
}

enum {
	OPTION_FORMAT = 256,
	OPTION_ICICLE,
	OPTION_STACKS,
	OPTION_STATE,
	OPTION_THRESHOLD,
	OPTION_WAKERS,
	OPTION_JVM_MAPS,
	OPTION_DEBUGINFOD
};

static int parse_option(struct options *o, int c, const char *argument)
{
	switch (c) {
	case 'c':
		GROW(o->containers, o->ncontainers, o->containers_capacity);
		o->containers[o->ncontainers++] = argument;
		return EXIT_DONE;
	case 'p':
		GROW(o->pids, o->npids, o->pids_capacity);
		return argument_pid("record", argument, &o->pids[o->npids++]);
	case 'd':
		return argument_seconds("record", 'd', argument, 0, &o->duration);
	case 'F':
		return parse_frequency(o, argument);
	case 'o':
		o->has_outputs = true;
		return outputs_add(o->outputs, argument, NULL) < 0 ? EXIT_USAGE : EXIT_DONE;
	case OPTION_FORMAT:
		o->has_outputs = true;
		return outputs_set_format(o->outputs, argument) < 0 ? EXIT_USAGE : EXIT_DONE;
	case OPTION_ICICLE:
		o->view.inverted = true;
		return EXIT_DONE;
	case OPTION_STACKS:
		return parse_stacks(o, argument);
	case OPTION_STATE:
		return parse_states(o, argument);
	case OPTION_THRESHOLD:
		return parse_threshold(o, argument);
	case OPTION_WAKERS:
		o->of_waits = "--wakers";
		o->wakers = true;
		return EXIT_DONE;
	case OPTION_JVM_MAPS:
		o->jvm_maps = true;
		return EXIT_DONE;
	case OPTION_DEBUGINFOD:
		o->debuginfod = true;
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

static const char short_options[] = "+:c:p:d:F:o:qvh";
static const struct option long_options[] = {
	{ "container", required_argument, NULL, 'c' },
	{ "pid", required_argument, NULL, 'p' },
	{ "duration", required_argument, NULL, 'd' },
	{ "frequency", required_argument, NULL, 'F' },
	{ "output", required_argument, NULL, 'o' },
	{ "format", required_argument, NULL, OPTION_FORMAT },
	{ "icicle", no_argument, NULL, OPTION_ICICLE },
	{ "stacks", required_argument, NULL, OPTION_STACKS },
	{ "state", required_argument, NULL, OPTION_STATE },
	{ "threshold", required_argument, NULL, OPTION_THRESHOLD },
	{ "wakers", no_argument, NULL, OPTION_WAKERS },
	{ "jvm-maps", no_argument, NULL, OPTION_JVM_MAPS },
	{ "debuginfod", no_argument, NULL, OPTION_DEBUGINFOD },
	{ "quiet", no_argument, NULL, 'q' },
	{ "verbose", no_argument, NULL, 'v' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

/* Takes SIGNAL and the command; what stands between the options and neither is an error. */
static int parse_arguments(int argc, char **argv, struct options *o)
{
	bool has_signal = false;
	int c, status;

	opterr = 0;
	for (;;) {
		c = getopt_long(argc, argv, short_options, long_options, NULL);
		if (c == 'h') {
			print_help();
			return -1;
		}
		if (c == '?' || c == ':')
			return option_error("record", c, argv, long_options);
		if (c != -1) {
			status = parse_option(o, c, optarg);
			if (status != EXIT_DONE)
				return status;
			continue;
		}
		if (strcmp(argv[optind - 1], "--") == 0) {
			if (optind >= argc)
				return usage_error("record", "a command is expected after '--'");
			o->command = argv + optind;
			return EXIT_DONE;
		}
		if (optind >= argc)
			return EXIT_DONE;
		if (has_signal)
			return usage_error("record",
					   "unexpected argument '%s'; a command goes after '--'",
					   argv[optind]);
		status = parse_signal(o, argv[optind++]);
		if (status != EXIT_DONE)
			return status;
		has_signal = true;
	}
}

/* Options that the signal has no use for are a misunderstanding. */
static int check_options(const struct options *o)
{
	if (o->of_waits && !o->signal->waits)
		return usage_error("record", "'%s' is for 'record offcpu', not for '%s'",
				   o->of_waits, o->signal->name);
	if (o->of_samples && !o->signal->samples)
		return usage_error("record", "'%s': '%s' sees every wait and samples none",
				   o->of_samples, o->signal->name);
	return EXIT_DONE;
}

/* --- set-up --- */

static int open_watch(struct recording *r)
{
	const struct options *o = r->options;
	const struct watch_options options = {
		.containers = r->containers,
		.patterns = o->containers,
		.npatterns = o->ncontainers,
		.pids = o->pids,
		.npids = o->npids,
		.expects_pid = o->command != NULL,
	};
	int err = watch_open(&options, &r->watch);

	if (!err)
		err = loop_add(&r->loop, watch_fd(r->watch));
	if (!err && o->command)
		err = watch_add_pid(r->watch, r->command.pid);
	return err;
}

static int open_signal(struct recording *r)
{
	const struct signal_options options = {
		.frequency = r->options->frequency,
		.states = r->options->states,
		.threshold = r->options->threshold,
		.wakers = r->options->wakers,
		.watch = r->watch,
		.containers = r->containers,
		.symbols = r->symbols,
		.sideband = r->sideband,
		.unwinder = r->unwinder,
		.profile = r->profile,
	};
	int err = r->options->signal->open(&options, &r->signal);

	return err ? err : loop_add(&r->loop, r->options->signal->fd(r->signal));
}

/* What stacks are read in the light of: who maps what, and how its frames are walked. */
static int open_stacks(struct recording *r)
{
	int err = sideband_open(r->symbols, &r->sideband);

	if (!err)
		err = loop_add(&r->loop, sideband_fd(r->sideband));
	if (err || r->options->by_frame_pointers)
		return err;
	err = unwinder_open(r->symbols, &r->unwinder);
	return err ? err : loop_add(&r->loop, unwinder_fd(r->unwinder));
}

static void say(const struct recording *r, const char *what)
{
	log_debug("%8.3f s %s", (double)(clock_ns(CLOCK_MONOTONIC) - r->began) / 1e9, what);
}

static void note_host(struct profile *p)
{
	char note[6 + HOST_NAME_MAX + 1] = "host: ";

	if (gethostname(note + 6, HOST_NAME_MAX) == 0)
		profile_note(p, note);
}

static int set_up(struct recording *r)
{
	int err;

	loop_hush_libbpf();
	err = loop_open(&r->loop);
	/* The command is forked while we still have everything: it is run as given. */
	if (!err && r->options->command)
		err = command_start(r->options->command, &r->command);
	if (!err)
		err = containers_open(NULL, &r->containers);
	if (err)
		return err;
	r->symbols = symbols_new(&(struct symbols_options){
		.jvm_maps = r->options->jvm_maps,
		.debuginfod = r->options->debuginfod,
	});
	r->profile = profile_new();
	note_host(r->profile);
	say(r, "containers known");
	err = open_watch(r);
	if (err)
		return err;
	say(r, "watching containers");
	err = open_stacks(r);
	if (!err)
		err = open_signal(r);
	if (err)
		return err;
	say(r, "sampling");
	if (privileges_drop() < 0)
		log_warn("cannot drop privileges that are not needed any more");
	return 0;
}

/* --- while it runs --- */

static void show_progress(const struct recording *r)
{
	char elapsed[TEXT_SHORT];

	text_duration((clock_ns(CLOCK_MONOTONIC) - r->began) / 1000000000 * 1000000000, elapsed);
	if (r->options->duration > 0)
		progress("recording: %s of %g s, Ctrl-C ends it early", elapsed,
			 r->options->duration);
	else
		progress("recording: %s, %s", elapsed,
			 r->options->command ? "until the command ends" : "Ctrl-C ends it");
}

static void tick(struct recording *r)
{
	sideband_tick(r->sideband);
	symbols_tick(r->symbols);
	if (r->unwinder)
		unwinder_tick(r->unwinder);
	if (r->options->signal->tick)
		r->options->signal->tick(r->signal);
	show_progress(r);
}

/* Returns true when it is time to stop. */
static bool handle(struct recording *r, int fd)
{
	if (loop_is_over(&r->loop, fd))
		return true;
	if (r->options->command && fd == r->command.pidfd) {
		r->command_ended = true;
		return true;
	}
	if (fd == r->loop.ticker && loop_fired(fd))
		tick(r);
	return false;
}

static int run_until_told(struct recording *r)
{
	int ready[LOOP_READY_MAX], err = loop_start(&r->loop, r->options->duration);
	bool done = false;

	if (!err && r->options->command) {
		err = command_release(&r->command);
		if (!err)
			err = loop_add(&r->loop, r->command.pidfd);
	}
	show_progress(r);
	while (!err && !done) {
		int n = loop_wait(&r->loop, ready);

		if (n < 0)
			return n;
		/* Who is there before what they did. */
		watch_drain(r->watch);
		err = r->options->signal->drain(r->signal, false);
		for (int i = 0; i < n; i++)
			done |= handle(r, ready[i]);
	}
	return err;
}

/* --- what came of it --- */

static void note_losses(const struct recording *r)
{
	struct lost lost[LOST_MAX];
	size_t n = r->options->signal->lost(r->signal, lost);
	const struct lost watch[] = {
		{ "mapping events", "perf's ring was full", sideband_lost(r->sideband) },
		{ "container events", "their ring was full", watch_lost_events(r->watch) },
		{ "cgroups or processes to watch", "there were more than the filter holds",
		  watch_lost_targets(r->watch) },
	};

	for (size_t i = 0; i < ARRAY_SIZE(watch) && n < LOST_MAX; i++)
		if (watch[i].count)
			lost[n++] = watch[i];
	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *note = xasprintf("lost: %llu %s, because %s",
						      (unsigned long long)lost[i].count,
						      lost[i].what, lost[i].reason);

		profile_note(r->profile, note);
		log_warn("%s", note);
	}
}

static int finish(struct recording *r)
{
	struct profile_head *head = profile_head(r->profile);
	struct symbols_stats stats = { 0 };
	int err;

	r->options->signal->stop(r->signal);
	head->duration = (int64_t)(clock_ns(CLOCK_MONOTONIC) - r->began);
	head->time = (int64_t)clock_ns(CLOCK_REALTIME) - head->duration;
	progress("naming functions");
	say(r, "stopped");
	watch_drain(r->watch);
	err = r->options->signal->drain(r->signal, true);
	if (err)
		return err;
	say(r, "samples collected");
	symbols_ask_jvms(r->symbols);
	symbols_name(r->symbols, r->profile, &stats);
	say(r, "functions named");
	log_debug(
		"%llu locations named, %llu not; %llu files, %llu refused; %llu processes missed; "
		"%llu interpreted functions, %llu places without name",
		(unsigned long long)stats.named, (unsigned long long)stats.unnamed,
		(unsigned long long)stats.objects, (unsigned long long)stats.objects_refused,
		(unsigned long long)stats.processes_missed, (unsigned long long)stats.interpreted,
		(unsigned long long)stats.interpreted_unnamed);
	note_losses(r);
	progress_clear();
	return 0;
}

static void close_recording(struct recording *r)
{
	if (r->signal)
		r->options->signal->close(r->signal);
	unwinder_close(r->unwinder);
	sideband_close(r->sideband);
	watch_close(r->watch);
	command_close(&r->command);
	profile_free(r->profile);
	symbols_free(r->symbols);
	containers_free(r->containers);
	loop_close(&r->loop);
}

static int write_results(const struct recording *r)
{
	const struct options *o = r->options;
	int err;

	if (!profile_count_samples(r->profile))
		log_warn("no samples: nothing that was watched %s",
			 r->options->signal->samples ? "ran on a CPU" : "waited");
	err = outputs_write_all(o->outputs, r->profile, &o->view);
	if (!err)
		say(r, "written");
	return err;
}

static int record(const struct options *o)
{
	struct recording r = {
		.options = o,
		.loop = LOOP_NONE,
		.began = clock_ns(CLOCK_MONOTONIC),
	};
	int err = set_up(&r);

	if (!err) {
		r.began = clock_ns(CLOCK_MONOTONIC);
		err = run_until_told(&r);
	}
	if (!err)
		err = finish(&r);
	if (!err && o->command)
		command_wait(&r.command, !r.command_ended);
	if (!err)
		err = write_results(&r);
	close_recording(&r);
	return err ? EXIT_FAILED : EXIT_DONE;
}

/* Without -o: a table for the eye and a profile for everything else. */
static int add_default_outputs(struct options *o)
{
	if (outputs_add(o->outputs, "-", "table") < 0 ||
	    outputs_add(o->outputs, KEPT_PATH, "pprof") < 0)
		return EXIT_FAILED;
	return EXIT_DONE;
}

static int run(int argc, char **argv)
{
	struct options o = {
		.signal = signals[0],
		.frequency = FREQUENCY_DEFAULT,
		.states = OFFCPU_STATES_DEFAULT,
		.outputs = outputs_new(),
		.view.value = -1,
	};
	int status = parse_arguments(argc, argv, &o);

	if (status == EXIT_DONE)
		status = check_options(&o);
	if (status == EXIT_DONE && privileges_check("record") < 0)
		status = EXIT_FAILED;
	if (status == EXIT_DONE && !o.has_outputs)
		status = add_default_outputs(&o);
	if (status == EXIT_DONE) {
		int err = outputs_open_all(o.outputs);

		status = err == -EINVAL ? EXIT_USAGE : err ? EXIT_FAILED : record(&o);
	}
	if (status == EXIT_DONE && !o.has_outputs)
		log_info("profile kept in " KEPT_PATH
			 "; look at it with 'plimsoll report " KEPT_PATH " -o flame.svg'");
	outputs_free(o.outputs);
	free(o.containers);
	free(o.pids);
	return status < 0 ? EXIT_DONE : status;
}

const struct verb record_verb = {
	.name = "record",
	.summary = "record a profile of containers, processes or the host",
	.run = run,
};
