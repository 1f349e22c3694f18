/* SPDX-License-Identifier: Apache-2.0 */
/*
 * plimsoll ps: the containers on this host, what they are and what they use.
 */
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "base/terminal.h"
#include "base/text.h"
#include "cmd/arguments.h"
#include "cmd/cmd.h"
#include "container/container.h"

struct options {
	bool json, all;
};

static void print_help(void)
{
	fputs("usage: plimsoll ps [--json] [--all]\n"
	      "\n"
	      "Lists the containers on this host: name, runtime, id, pod, image, processes, CPU\n"
	      "time since start, memory (without what could be dropped), its limit, and age.\n"
	      "\n"
	      "  -a, --all    systemd's services and scopes, too\n"
	      "      --json   all that is known, for programs: also labels, parent, cgroup and\n"
	      "               its ids, first process, limits\n"
	      "  -h, --help   this text\n"
	      "\n"
	      "What is in the columns NAME, ID and POD can be given to -c of the other verbs.\n",
	      stdout);
}

/* --- the table --- */

enum column { NAME, RUNTIME, ID, POD, IMAGE, PROCS, CPU, MEM, LIMIT, AGE, COLUMNS };

static const struct {
	const char *title;
	bool right;
	size_t least; /* may be cut to this; 0: never cut */
} columns[COLUMNS] = {
	[NAME] = { "NAME", false, 16 },	  [RUNTIME] = { "RUNTIME", false, 0 },
	[ID] = { "ID", false, 0 },	  [POD] = { "POD", false, 10 },
	[IMAGE] = { "IMAGE", false, 10 }, [PROCS] = { "PROCS", true, 0 },
	[CPU] = { "CPU", true, 0 },	  [MEM] = { "MEM", true, 0 },
	[LIMIT] = { "LIMIT", true, 0 },	  [AGE] = { "AGE", true, 0 },
};

/* Cut first what is seldom needed whole. */
static const enum column cut_order[] = { IMAGE, POD, NAME };

#define GAP	 2
#define SHORT_ID 12
#define UNKNOWN	 "-"

struct row {
	char *cells[COLUMNS]; /* escaped */
};

struct listing {
	const struct options *options;
	struct containers *containers;
	time_t now;
	struct row *rows;
	size_t n, capacity;
	json_t *json;
};

static char *escaped(const char *s)
{
	return escaped_terminal(s && *s ? s : UNKNOWN);
}

/* A 64-digit id is known by its first twelve, as elsewhere. */
static char *short_id(const struct container *c)
{
	bool is_long = strspn(c->id, "0123456789abcdef") == 64;
	_cleanup_free_ char *id = xstrndup(c->id, is_long ? SHORT_ID : strlen(c->id));

	return escaped(id);
}

static char *pod(const struct container *c)
{
	_cleanup_free_ char *name = NULL;

	if (c->pod && c->namespace)
		name = xasprintf("%s/%s", c->namespace, c->pod);
	return escaped(name ? name : c->pod);
}

static char *age(const struct container *c, time_t now)
{
	char text[TEXT_SHORT];

	if (!c->created || c->created > now)
		return xstrdup(UNKNOWN);
	/* Known to the second only, so there are no parts of one to be told. */
	if (now - c->created < 60)
		return xasprintf("%d s", (int)(now - c->created));
	return xstrdup(text_duration((uint64_t)(now - c->created) * 1000000000, text));
}

static void add_row(struct listing *l, const struct container *c, const struct container_usage *u)
{
	char text[TEXT_SHORT];
	struct row *row;

	GROW(l->rows, l->n, l->capacity);
	row = &l->rows[l->n++];
	row->cells[NAME] = escaped(c->name);
	row->cells[RUNTIME] = escaped(c->runtime);
	row->cells[ID] = short_id(c);
	row->cells[POD] = pod(c);
	row->cells[IMAGE] = escaped(c->image);
	row->cells[PROCS] = xstrdup(text_count(u->processes, text));
	row->cells[CPU] = xstrdup(u->has_cpu ? text_duration(u->cpu_ns, text) : UNKNOWN);
	row->cells[MEM] = xstrdup(u->has_memory ? text_bytes(u->memory, text) : UNKNOWN);
	row->cells[LIMIT] = xstrdup(
		u->memory_limit == UINT64_MAX ? UNKNOWN : text_bytes(u->memory_limit, text));
	row->cells[AGE] = age(c, l->now);
}

static void fit_widths(const struct listing *l, size_t widths[COLUMNS])
{
	/* A pipe has as many columns as it takes. */
	size_t total = GAP * (COLUMNS - 1), room = terminal_columns(STDOUT_FILENO);

	room = room ? room : SIZE_MAX;
	for (enum column i = 0; i < COLUMNS; i++) {
		widths[i] = strlen(columns[i].title);
		for (size_t r = 0; r < l->n; r++)
			widths[i] = MAX(widths[i], text_width(l->rows[r].cells[i]));
		total += widths[i];
	}
	for (size_t k = 0; k < ARRAY_SIZE(cut_order) && total > room; k++) {
		enum column i = cut_order[k];
		size_t spare = widths[i] > columns[i].least ? widths[i] - columns[i].least : 0;
		size_t less = MIN(spare, total - room);

		widths[i] -= less;
		total -= less;
	}
}

static void print_line(const char *const cells[COLUMNS], const size_t widths[COLUMNS])
{
	struct buffer line = { 0 };

	for (enum column i = 0; i < COLUMNS; i++) {
		if (i)
			buffer_puts(&line, "  ");
		text_fit(&line, cells[i], widths[i], columns[i].right);
	}
	puts(line.data);
	buffer_free(&line);
}

static void print_table(const struct listing *l)
{
	const char *titles[COLUMNS];
	size_t widths[COLUMNS];

	if (!l->n) {
		log_info(l->options->all ? "neither containers nor systemd units on this host"
					 : "no containers on this host; 'plimsoll ps --all' lists "
					   "systemd units, too");
		return;
	}
	for (enum column i = 0; i < COLUMNS; i++)
		titles[i] = columns[i].title;
	fit_widths(l, widths);
	print_line(titles, widths);
	for (size_t r = 0; r < l->n; r++)
		print_line((const char *const *)l->rows[r].cells, widths);
}

/* --- JSON --- */

static json_t *text_or_null(const char *s)
{
	return s && *s ? json_string(s) : json_null();
}

static json_t *labels_of(const struct container *c)
{
	json_t *labels = json_object();

	for (size_t i = 0; i < c->nlabels; i++)
		json_object_set_new(labels, c->labels[i].key, json_string(c->labels[i].value));
	return labels;
}

/* The container's own cgroup comes first, then those below it. */
static json_t *ids_of(struct containers *containers, const struct container *c, int hierarchy)
{
	_cleanup_free_ uint64_t *ids = NULL;
	json_t *list = json_array();
	size_t n = 0;

	containers_cgroup_ids(containers, c, hierarchy, &ids, &n);
	for (size_t i = 0; i < n; i++)
		json_array_append_new(list, json_integer((json_int_t)ids[i]));
	return list;
}

static json_t *parent_of(const struct container *c)
{
	if (!c->parent)
		return json_null();
	return json_pack("{s:s, s:s, s:s}", "name", c->parent->name, "id", c->parent->id, "cgroup",
			 c->parent->cgroup);
}

static json_t *integer_or_null(bool known, uint64_t value)
{
	return known ? json_integer((json_int_t)value) : json_null();
}

static void add_json(struct listing *l, const struct container *c, const struct container_usage *u)
{
	int v1 = containers_v1_hierarchy(l->containers);
	const struct {
		const char *key;
		json_t *value;
	} fields[] = {
		{ "name", json_string(c->name) },
		{ "kind", json_string(c->kind == OWNER_UNIT ? "unit" : "container") },
		{ "runtime", json_string(c->runtime) },
		{ "id", text_or_null(c->id) },
		{ "image", text_or_null(c->image) },
		{ "pod", text_or_null(c->pod) },
		{ "namespace", text_or_null(c->namespace) },
		{ "pod_uid", text_or_null(c->pod_uid) },
		{ "sandbox", json_boolean(c->is_sandbox) },
		{ "labels", labels_of(c) },
		{ "parent", parent_of(c) },
		{ "cgroup", json_string(c->cgroup) },
		{ "cgroup_v2_ids", ids_of(l->containers, c, 0) },
		{ "cgroup_v1_ids", v1 ? ids_of(l->containers, c, v1) : json_array() },
		{ "init_pid", integer_or_null(c->init_pid, (uint64_t)c->init_pid) },
		{ "created", integer_or_null(c->created, (uint64_t)c->created) },
		{ "processes", json_integer((json_int_t)u->processes) },
		{ "cpu_ns", integer_or_null(u->has_cpu, u->cpu_ns) },
		{ "cpu_limit", u->cpu_limit > 0 ? json_real(u->cpu_limit) : json_null() },
		{ "memory_bytes", integer_or_null(u->has_memory, u->memory) },
		{ "memory_limit_bytes",
		  integer_or_null(u->memory_limit != UINT64_MAX, u->memory_limit) },
	};
	json_t *object = json_object();

	for (size_t i = 0; i < ARRAY_SIZE(fields); i++)
		json_object_set_new(object, fields[i].key, fields[i].value);
	json_array_append_new(l->json, object);
}

/* ASCII only, so that it is harmless to a terminal, too. */
static void print_json(const struct listing *l)
{
	json_dumpf(l->json, stdout, JSON_INDENT(2) | JSON_ENSURE_ASCII);
	putchar('\n');
}

/* --- all of it --- */

static int add(const struct container *c, void *context)
{
	struct listing *l = context;
	struct container_usage usage;

	if (c->kind == OWNER_UNIT && !l->options->all)
		return 0;
	containers_usage(l->containers, c, &usage);
	if (l->options->json)
		add_json(l, c, &usage);
	else
		add_row(l, c, &usage);
	return 0;
}

static int list(const struct options *options)
{
	struct listing l = { .options = options, .now = time(NULL) };

	if (geteuid() != 0)
		log_warn("not root: names, images and labels may be missing");
	if (containers_open(NULL, &l.containers) < 0)
		return EXIT_FAILED;
	l.json = options->json ? json_array() : NULL;
	containers_each(l.containers, add, &l);
	if (options->json)
		print_json(&l);
	else
		print_table(&l);
	for (size_t r = 0; r < l.n; r++)
		for (enum column i = 0; i < COLUMNS; i++)
			free(l.rows[r].cells[i]);
	free(l.rows);
	json_decref(l.json);
	containers_free(l.containers);
	return fflush(stdout) == 0 && !ferror(stdout) ? EXIT_DONE : EXIT_FAILED;
}

static int run(int argc, char **argv)
{
	static const struct option long_options[] = {
		{ "json", no_argument, NULL, 'j' },
		{ "all", no_argument, NULL, 'a' },
		{ "help", no_argument, NULL, 'h' },
		{ 0 },
	};
	struct options options = { 0 };
	int c;

	opterr = 0;
	while ((c = getopt_long(argc, argv, "ah", long_options, NULL)) != -1) {
		switch (c) {
		case 'j':
			options.json = true;
			break;
		case 'a':
			options.all = true;
			break;
		case 'h':
			print_help();
			return EXIT_DONE;
		default:
			return option_error("ps", c, argv, long_options);
		}
	}
	if (optind < argc)
		return usage_error("ps", "unexpected argument '%s'", argv[optind]);
	return list(&options);
}

const struct verb ps_verb = {
	.name = "ps",
	.summary = "containers on this host",
	.run = run,
};
