/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plimsoll doctor: what the kernel and the user allow, what is lost without, how to get it.
 */
#include <bpf/libbpf.h>
#include <getopt.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"
#include "base/text.h"
#include "cmd/cmd.h"
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
	      "Tries what plimsoll needs of this kernel and this user. For what is missing,\n"
	      "says what is lost by it and how to get it. Nothing is changed.\n"
	      "\n"
	      "      --json   the same for programs\n"
	      "  -h, --help   this text\n"
	      "\n"
	      "Exit status: 0 plimsoll can record, 1 it cannot.\n",
	      stdout);
}

static void print_row(const struct probe *p, const struct probe_result *r, bool color)
{
	struct buffer line = { 0 };
	struct buffer found = { 0 };

	escape_terminal(&found, r->found);
	text_fit(&line, p->what, 24, false);
	buffer_puts(&line, color ? states[r->state].color : "");
	buffer_puts(&line, " ");
	text_fit(&line, states[r->state].shown, 8, false);
	buffer_puts(&line, color ? "\033[0m" : "");
	buffer_puts(&line, found.data ? found.data : "");
	puts(line.data);
	if (r->state != PROBE_OK && p->lost)
		printf("%*s lost: %s\n%*s get it: %s\n", 24, "", p->lost, 24, "", p->remedy);
	buffer_free(&line);
	buffer_free(&found);
}

static void add_json(struct buffer *out, const struct probe *p, const struct probe_result *r)
{
	const struct {
		const char *key, *value;
	} fields[] = {
		{ "name", p->name },
		{ "what", p->what },
		{ "state", states[r->state].json },
		{ "found", r->found },
		{ "lost", r->state == PROBE_OK ? NULL : p->lost },
		{ "remedy", r->state == PROBE_OK ? NULL : p->remedy },
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
	buffer_puts(out, "}");
}

static int ignore_libbpf(enum libbpf_print_level level, const char *format, va_list ap)
{
	(void)level, (void)format, (void)ap;
	return 0;
}

static int run(int argc, char **argv)
{
	static const struct option options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	bool json = false, color = isatty(STDOUT_FILENO), able = true;
	struct buffer out = { 0 };
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (c) {
		case 'j':
			json = true;
			break;
		case 'h':
			print_help();
			return EXIT_DONE;
		default:
			return usage_error("doctor", "unknown option '%s'", argv[optind - 1]);
		}
	}
	if (optind < argc)
		return usage_error("doctor", "unexpected argument '%s'", argv[optind]);

	/* The answer is ours to give; libbpf would comment on each refusal. */
	libbpf_set_print(ignore_libbpf);
	buffer_puts(&out, "[");
	for (const struct probe *p = probes; p->name; p++) {
		struct probe_result r = { 0 };

		r.state = p->try(r.found, sizeof(r.found));
		able = able && r.state != PROBE_FATAL;
		if (json)
			add_json(&out, p, &r);
		else
			print_row(p, &r, color);
	}
	buffer_puts(&out, "\n]\n");
	if (json)
		fputs(out.data, stdout);
	else
		printf("\n%s\n", able ? "plimsoll can record here."
				      : "plimsoll cannot record here; see what is MISSING above.");
	buffer_free(&out);
	return able ? EXIT_DONE : EXIT_FAILED;
}

const struct verb doctor_verb = {
	.name = "doctor",
	.summary = "what this kernel and this user allow",
	.run = run,
};
