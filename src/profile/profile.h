/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The model: what every signal produces and every output shows.
 *
 *     sample = (stack, label set) -> values         stack     = locations, leaf first
 *     location = (mapping, address) -> lines        line      = function + line number
 *
 * Everything is interned: equal strings, mappings, functions, locations, stacks and label sets have
 * one number, 0 meaning "none" (string 0 is ""), and the same sample added twice adds its values.
 * The shape follows pprof's profile.proto, the one on-disk form (profile/pprof.h).
 *
 * Addresses are addresses in the file (what the ELF symbol table says), not in a process, so one
 * function is one location in all processes that share a build ID. A mapping's start, limit and
 * offset are those of the executable segment in the file, which makes pprof's arithmetic work.
 *
 * Not thread-safe. Memory belongs to the profile and goes with it.
 */
#ifndef PLIMSOLL_PROFILE_PROFILE_H
#define PLIMSOLL_PROFILE_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct profile;

/* At most this many sample values (pprof allows any number; we read and write up to this). */
#define PROFILE_VALUES_MAX 8
/* A longer stack in a file that we read is refused. Ours have 2 * 127 frames plus inlined ones. */
#define PROFILE_STACK_MAX 4096
/* A sample with more labels is refused. Ours have ten. */
#define PROFILE_LABELS_MAX 64

/* The mapping that kernel frames belong to (modules and BPF programs have "[module]" names). */
#define MAPPING_KERNEL "[kernel.kallsyms]"
/* Name of the frame between a stack that waited and, on its leaf's side, the stack of who ended the
 * wait, which is upside down, as in the output of offwaketime. */
#define NAME_WAKER "--"
/* The function name of a frame that stands for the part of a stack that could not be walked. */
#define FRAME_TRUNCATED "[truncated]"

/* What a frame is; the flame graph colours by it. Derived from the mapping's file name. */
enum frame_kind {
	FRAME_USER,
	FRAME_KERNEL,
	FRAME_JIT,	 /* named by a perf map, anonymous executable memory, or interpreted */
	FRAME_MARK,	 /* [truncated] and the like */
	FRAME_CONTAINER, /* made from labels by tree.h, never in a profile */
	FRAME_THREAD,	 /* likewise */
	FRAME_STATE,	 /* likewise: what a thread was doing, of record ledger */
	FRAME_KINDS
};

struct value_type {
	uint32_t type; /* string */
	uint32_t unit; /* string */
};

struct mapping {
	uint64_t start, limit, offset; /* bytes; of the executable segment, in file addresses */
	uint32_t file;	   /* string: path inside the container, or "[kernel.kallsyms]" */
	uint32_t build_id; /* string: lower-case hex, or 0 */
};

struct function {
	uint32_t name;	      /* string, demangled */
	uint32_t system_name; /* string, as in the symbol table */
	uint32_t file;	      /* string: source file, or 0 */
	int64_t start_line;
};

struct line {
	uint32_t function;
	int64_t line;
};

struct location {
	uint32_t mapping; /* 0: none */
	uint32_t nlines;  /* 0: not named yet. Inlined callees come first, as in pprof */
	uint64_t address;
	const struct line *lines;
};

struct label {
	uint32_t key;  /* string */
	uint32_t text; /* string; 0: a number */
	int64_t number;
	uint32_t unit; /* string, of the number */
};

struct sample {
	uint32_t stack;
	uint32_t labels;
	const int64_t *values; /* profile_values() of them */
};

struct profile *profile_new(void);
void profile_free(struct profile *p);

/* --- what the profile as a whole says --- */

/* All of these before the first sample. `n` at most PROFILE_VALUES_MAX. */
void profile_set_types(struct profile *p, const struct value_type *types, size_t n);
size_t profile_values(const struct profile *p);
const struct value_type *profile_types(const struct profile *p);
/* The value that a view shows unless told otherwise; the last one by pprof's custom. */
size_t profile_default_value(const struct profile *p);
/* Index of the value type named `type` ("cpu"), or -1. */
int profile_find_type(const struct profile *p, const char *type);

struct profile_head {
	int64_t time;	  /* start, ns since the epoch; 0 unknown */
	int64_t duration; /* ns */
	struct value_type period_type;
	int64_t period;	       /* e.g. ns between samples of one CPU */
	uint32_t default_type; /* string: name of the default value type, or 0 */
};
struct profile_head *profile_head(struct profile *p);
const struct profile_head *profile_get_head(const struct profile *p);

/* Free text that travels with the profile (pprof comments), e.g. "lost: 12 samples (map full)". */
void profile_note(struct profile *p, const char *note);
size_t profile_notes(const struct profile *p);
const char *profile_get_note(const struct profile *p, size_t i);

/*
 * --- interning; each returns the number of the equal thing, old or new ---
 *
 * Strings are made valid UTF-8 here, at the door, and end at the first NUL.
 */

uint32_t profile_string(struct profile *p, const char *s);
uint32_t profile_string_n(struct profile *p, const char *s, size_t n);
uint32_t profile_find_string(const struct profile *p, const char *s); /* 0: not there (or "") */
const char *profile_str(const struct profile *p, uint32_t string);

uint32_t profile_mapping(struct profile *p, const struct mapping *m);
uint32_t profile_function(struct profile *p, const struct function *f);
/* The location at `address` of a mapping, without lines yet. */
uint32_t profile_location(struct profile *p, uint32_t mapping, uint64_t address);
/* The location with just these lines. For profiles that come from elsewhere: there many locations
 * may share an address, 0 as a rule. */
uint32_t profile_location_with_lines(struct profile *p, uint32_t mapping, uint64_t address,
				     const struct line *lines, size_t n);
/* A location that is only a name, such as FRAME_TRUNCATED. */
uint32_t profile_named_location(struct profile *p, uint32_t mapping, const char *name);
/* Names a location; the lines are copied. Replaces what was there. */
void profile_set_lines(struct profile *p, uint32_t location, const struct line *lines, size_t n);
/* Leaf first; n at most PROFILE_STACK_MAX, cut to it. */
uint32_t profile_stack(struct profile *p, const uint32_t *locations, size_t n);
/* In any order; n at most PROFILE_LABELS_MAX, cut to it. A key may have several values. */
uint32_t profile_labels(struct profile *p, const struct label *labels, size_t n);

/* Adds to the sample with this stack and these labels; saturates instead of overflowing. */
void profile_add(struct profile *p, uint32_t stack, uint32_t labels, const int64_t *values);

/* --- reading; numbers run from 1 to the count (samples from 0) --- */

size_t profile_count_strings(const struct profile *p); /* valid: 0 .. count-1 */
size_t profile_count_mappings(const struct profile *p);
size_t profile_count_functions(const struct profile *p);
size_t profile_count_locations(const struct profile *p);
size_t profile_count_stacks(const struct profile *p);
size_t profile_count_labels(const struct profile *p); /* label sets */
size_t profile_count_samples(const struct profile *p);

const struct mapping *profile_get_mapping(const struct profile *p, uint32_t mapping);
const struct function *profile_get_function(const struct profile *p, uint32_t function);
const struct location *profile_get_location(const struct profile *p, uint32_t location);
const uint32_t *profile_get_stack(const struct profile *p, uint32_t stack, size_t *n);
const struct label *profile_get_labels(const struct profile *p, uint32_t labels, size_t *n);
struct sample profile_get_sample(const struct profile *p, size_t i);

/* The label's (first) text in a label set, or NULL; numbers by the second call (false: not there).
 */
const char *profile_label_text(const struct profile *p, uint32_t labels, const char *key);
bool profile_label_number(const struct profile *p, uint32_t labels, const char *key, int64_t *n);

enum frame_kind profile_frame_kind(const struct profile *p, uint32_t location);
/* "main"; "[libc.so.6+0x1234]" for a location without lines. Into the caller's buffer, returned. */
const char *profile_frame_name(const struct profile *p, uint32_t location, size_t line, char *buf,
			       size_t size);

/* Bytes held, for accounting. */
size_t profile_memory(const struct profile *p);

/* --- whole profiles --- */

/*
 * Adds all of `src` to `dst`, every value times `scale`. An empty dst (no types set) takes src's
 * types; otherwise values are matched by type name and unit. -EINVAL: they have no type in common.
 */
int profile_merge(struct profile *dst, const struct profile *src, double scale);

/* Keeps a sample or not. */
typedef bool (*profile_filter_fn)(const struct profile *p, const struct sample *s, void *context);
/* A new profile with the head, the notes and the samples that pass. */
struct profile *profile_filter(const struct profile *p, profile_filter_fn keep, void *context);

#endif
