/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The table of formats. A new format is one file and one row here.
 */
#include "output/output.h"

#include <string.h>

const struct format formats[] = {
	{ "pprof", ".pb.gz", "pprof's profile.proto, gzipped: opened by every other tool",
	  pprof_write, NULL },
	{ "folded", ".folded", "one line a stack, root first: container;thread;main;... count",
	  folded_write, folded_write_diff },
	{ "flamegraph", ".svg", "flame graph, one SVG file: zoom, search, tooltips",
	  flamegraph_write, flamegraph_write_diff },
	{ "html", ".html", "report, one HTML file: containers, flame graph, functions", html_write,
	  html_write_diff },
	{ "speedscope", ".speedscope.json", "for https://www.speedscope.app", speedscope_write,
	  NULL },
	{ "table", NULL, "text: by container, then the hottest functions of each", table_write,
	  table_write_diff },
	{ "json", ".json", "everything, for programs", json_write, json_write_diff },
	{ NULL, NULL, NULL, NULL, NULL },
};

/* A format also goes by its suffix: --format svg. */
const struct format *format_by_name(const char *name)
{
	for (const struct format *f = formats; f->name; f++)
		if (!strcmp(f->name, name) || (f->suffix && !strcmp(f->suffix + 1, name)))
			return f;
	return NULL;
}

const struct format *format_by_path(const char *path)
{
	const struct format *best = NULL;
	size_t length = strlen(path), longest = 0;

	for (const struct format *f = formats; f->name; f++) {
		size_t n = f->suffix ? strlen(f->suffix) : 0;

		if (n > longest && n <= length && !strcmp(path + length - n, f->suffix)) {
			best = f;
			longest = n;
		}
	}
	return best;
}
