/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Formats: one file each, one row each in formats[] (output.c). A format turns a profile into
 * bytes; it does not know where they go.
 */
#ifndef PLIMSOLL_OUTPUT_OUTPUT_H
#define PLIMSOLL_OUTPUT_OUTPUT_H

#include <stdbool.h>

#include "base/file.h"
#include "base/text.h"
#include "profile/profile.h"

struct output_options {
	const char *title;     /* NULL: one made from the profile */
	const char *const *by; /* NULL-terminated keys for tables; NULL: the default summary */
	const char *const
		*roots; /* label keys that root folded stacks and flame graphs; NULL: default */
	int value;	/* index of the value type, -1: the profile's default */
	bool inverted;	/* flame graph: icicle (root on top) */
	bool color;	/* table: on a terminal */
	unsigned rows;	/* table: at most so many rows a section; 0: default */
	unsigned width; /* table: terminal columns (0: no limit); SVG: pixels (0: 1200) */
};

struct format {
	const char *name;   /* "pprof", for --format */
	const char *suffix; /* ".pb.gz", for -o; NULL: only by name */
	const char *what;   /* one line for --help */
	/* Appends to out. 0, or negative errno with the reason logged. */
	int (*write)(const struct profile *p, const struct output_options *o, struct buffer *out);
	/* The same for a comparison; NULL: this format has none. */
	int (*write_diff)(const struct profile *before, const struct profile *after,
			  const struct output_options *o, struct buffer *out);
};

/* Ends with a row whose name is NULL. */
extern const struct format formats[];

const struct format *format_by_name(const char *name); /* NULL: unknown */
/* By the longest matching suffix; NULL: none matches. */
const struct format *format_by_path(const char *path);

int pprof_write(const struct profile *, const struct output_options *, struct buffer *);
int folded_write(const struct profile *, const struct output_options *, struct buffer *);
int folded_write_diff(const struct profile *, const struct profile *, const struct output_options *,
		      struct buffer *);
int flamegraph_write(const struct profile *, const struct output_options *, struct buffer *);
int flamegraph_write_diff(const struct profile *, const struct profile *,
			  const struct output_options *, struct buffer *);
int html_write(const struct profile *, const struct output_options *, struct buffer *);
int html_write_diff(const struct profile *, const struct profile *, const struct output_options *,
		    struct buffer *);
int speedscope_write(const struct profile *, const struct output_options *, struct buffer *);
int table_write(const struct profile *, const struct output_options *, struct buffer *);
int table_write_diff(const struct profile *, const struct profile *, const struct output_options *,
		     struct buffer *);
int json_write(const struct profile *, const struct output_options *, struct buffer *);
int json_write_diff(const struct profile *, const struct profile *, const struct output_options *,
		    struct buffer *);

#endif
