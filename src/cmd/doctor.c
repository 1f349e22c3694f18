/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plimsoll doctor: what the kernel and the user allow, what running processes hide, what is lost by
 * it, how to get it.
 */
#include <bpf/libbpf.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/terminal.h"
#include "base/text.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "cmd/doctor_processes.h"
#include "signal/probe.h"

static const struct {
	const char *json, *shown, *color;
} states[] = {
	[PROBE_OK] = { "ok", "ok", "\033[32m" },
	[PROBE_LIMITED] = { "limited", "limited", "\033[33m" },
	[PROBE_MISSING] = { "missing", "missing", "\033[33m" },
	[PROBE_FATAL] = { "fatal", "MISSING", "\033[31;1m" },
};

static void print_help(void)
{
	fputs("usage: plimsoll doctor [--json]\n"
	      "\n"
	      "Tries what plimsoll needs of this kernel and this user, and looks for running\n"
	      "processes that hide names or callers of functions. For what is missing, says\n"
	      "what is lost by it and how to get it. Nothing is changed.\n"
	      "\n"
	      "      --json   the same for programs\n"
	      "  -h, --help   this text\n"
	      "\n"
	      "Exit status: 0 plimsoll can record, 1 it cannot.\n",
	      stdout);
}

/* A line of the answer; lost and remedy: NULL where there is nothing to say. */
struct row {
	const char *name, *what;
	enum probe_state state;
	const char *found, *lost, *remedy;
	const struct finding *finding; /* processes, or NULL */
};

static void print_row(const struct row *row, bool color)
{
	struct buffer line = { 0 };
	struct buffer found = { 0 };

	escape_terminal(&found, row->found);
	text_fit(&line, row->what, 24, false);
	buffer_puts(&line, color ? states[row->state].color : "");
	buffer_puts(&line, " ");
	text_fit(&line, states[row->state].shown, 8, false);
	buffer_puts(&line, color ? "\033[0m" : "");
	buffer_puts(&line, found.data ? found.data : "");
	puts(line.data);
	if (row->lost)
		printf("%*s lost: %s\n%*s get it: %s\n", 24, "", row->lost, 24, "", row->remedy);
	buffer_free(&line);
	buffer_free(&found);
}

static void add_processes(struct buffer *out, const struct finding *f)
{
	size_t pids = MIN(f->nprocesses, (size_t)FINDING_PIDS_MAX);

	buffer_printf(out, ", \"processes\": %zu, \"pids\": [", f->nprocesses);
	for (size_t i = 0; i < pids; i++)
		buffer_printf(out, "%s%d", i ? ", " : "", f->pids[i]);
	buffer_puts(out, "], \"containers\": [");
	for (size_t i = 0; i < f->ncontainers; i++) {
		buffer_puts(out, i ? ", " : "");
		escape_json(out, f->containers[i]);
	}
	buffer_puts(out, "]");
}

static void add_json(struct buffer *out, const struct row *row)
{
	const struct {
		const char *key, *value;
	} fields[] = {
		{ "name", row->name },
		{ "what", row->what },
		{ "state", states[row->state].json },
		{ "found", row->found },
		{ "lost", row->lost },
		{ "remedy", row->remedy },
	};

	buffer_puts(out, out->size > 2 ? ",\n  {" : "\n  {");
	for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
		buffer_puts(out, i ? ", " : "");
		escape_json(out, fields[i].key);
		buffer_puts(out, ": ");
		if (fields[i].value)
			escape_json(out, fields[i].value);
		else
			buffer_puts(out, "null");
	}
	if (row->finding)
		add_processes(out, row->finding);
	buffer_puts(out, "}");
}

/* Where the answer goes: a table for the eye, or `json`. */
struct answer {
	bool is_json, color;
	struct buffer json;
};

static void tell(struct answer *answer, const struct row *row)
{
	if (answer->is_json)
		add_json(&answer->json, row);
	else
		print_row(row, answer->color);
}

/* Returns whether anything can be recorded. */
static bool tell_probes(struct answer *answer)
{
	bool able = true;

	for (const struct probe *p = probes; p->name; p++) {
		struct probe_result r = { 0 };

		r.state = p->try(r.found, sizeof(r.found));
		able = able && r.state != PROBE_FATAL;
		tell(answer, &(struct row){
				     .name = p->name,
				     .what = p->what,
				     .state = r.state,
				     .found = r.found,
				     .lost = r.state == PROBE_OK ? NULL : p->lost,
				     .remedy = r.state == PROBE_OK ? NULL : p->remedy,
			     });
	}
	return able;
}

static void tell_processes(struct answer *answer)
{
	struct findings findings;
	char found[512];

	if (findings_gather(&findings) == 0) {
		struct row row = { "processes", "processes", PROBE_OK, found, NULL, NULL, NULL };
		int n = snprintf(found, sizeof(found), "%zu looked at", findings.looked_at);

		if (findings.not_allowed) {
			snprintf(found + n, sizeof(found) - (size_t)n, ", %zu not to be seen",
				 findings.not_allowed);
		}
		/* Some do not let even root look. */
		if (findings.not_allowed && geteuid() != 0) {
			row.state = PROBE_LIMITED;
			row.lost = "what they hide";
			row.remedy = "run as root, or grant CAP_SYS_PTRACE";
		}
		tell(answer, &row);
		for (size_t i = 0; i < RUNTIME_HINTS; i++) {
			const struct finding *f = &findings.all[i];

			if (!f->nprocesses)
				continue;
			tell(answer, &(struct row){
					     .name = f->hint->name,
					     .what = f->hint->what,
					     .state = PROBE_LIMITED,
					     .found = finding_found(f, found, sizeof(found)),
					     .lost = f->hint->lost,
					     .remedy = f->hint->remedy,
					     .finding = f,
				     });
		}
	}
	findings_free(&findings);
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct answer answer = { .color = terminal_has_colours(STDOUT_FILENO) };
	bool able;
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			answer.is_json = true;
			break;
		case 'h':
			print_help();
			return EXIT_DONE;
		default:
			return option_error("doctor", c, argv, options);
		}
	}
	if (optind < argc)
		return usage_error("doctor", "unexpected argument '%s'", argv[optind]);

	/* The answer is ours to give; libbpf would comment on each refusal. */
	libbpf_set_print(NULL);
	buffer_puts(&answer.json, "[");
	able = tell_probes(&answer);
	tell_processes(&answer);
	buffer_puts(&answer.json, "\n]\n");
	if (answer.is_json)
		fputs(answer.json.data, stdout);
	else
		printf("\n%s\n", able ? "plimsoll can record here."
				      : "plimsoll cannot record here; see what is MISSING above.");
	buffer_free(&answer.json);
	return able ? EXIT_DONE : EXIT_FAILED;
}

const struct verb doctor_verb = {
	.name = "doctor",
	.summary = "what this kernel and this user allow, what processes hide",
	.run = run,
};
