/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a namer (symbol/namer.h) is asked and what it answers. Both stand on one sheet, a memory
 * file that the asker makes; the request goes through the socket with it:
 *
 *     sheet:  | addresses[n] | head | first[n + 1] | lines[] | functions[] | text ... |
 *              from us         from the namer
 *
 *     address i: lines[first[i]] .. lines[first[i + 1]], innermost first
 *     line:      number of a function, line         function: names and file, offsets in the text
 *
 * An answer may come from a namer that a hostile file has taken over: answer_read() believes
 * nothing, copies all, and what it returns holds together.
 */
#ifndef PLIMSOLL_SYMBOL_ANSWER_H
#define PLIMSOLL_SYMBOL_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/index.h"

/* --- asking --- */

enum ask_kind {
	ASK_FILE, /* an ELF file: symbol tables, DWARF, what languages keep */
	ASK_PERF_MAP,
	ASK_KERNEL, /* /proc/kallsyms */
	ASK_VDSO,
	ASK_KINDS
};

/* The descriptors of a request: the sheet, then those of these that there are, in this order. Of a
 * process with two perf maps, ASK_DEBUG is the one for what the other does not name. */
enum ask_file { ASK_MAIN, ASK_DEBUG, ASK_SUPPLEMENT, ASK_FILES };

struct request {
	uint32_t kind;
	uint32_t n;	      /* addresses, sorted and distinct */
	uint64_t work;	      /* as in symbol/lookup.h */
	uint64_t source_work; /* as in symbol/source.h; 0: no DWARF */
	uint32_t debug_crc;
	uint8_t has_file[ASK_FILES];
	uint8_t debug_needs_crc;
	uint8_t demangles;
	uint8_t all_core; /* of the kernel: no address is in a module */
	uint8_t spare[6];
};
_Static_assert(sizeof(struct request) == 40, "no padding");

struct reply {
	int32_t error; /* of reading the source: 0 or negative errno */
	uint32_t is_exhausted;
	uint64_t work, source_work; /* spent */
	uint64_t units_split, units_broken, scopes_cut;
};

/* --- answering --- */

struct answer_line {
	uint32_t function, line;
};

/* Offsets of strings in the text; 0, where the empty one is, if not known. */
struct answer_function {
	uint32_t name;	   /* as linked */
	uint32_t readable; /* demangled; 0: as `name` */
	uint32_t file;
	uint32_t start_line;
	uint32_t module; /* of the kernel */
};

struct answer_head {
	uint32_t n, nlines, nfunctions, text_size;
};

/* More lines than this of one address are refused. */
#define ANSWER_LINES_MAX 128
/* Bytes of an answer: 10,000 addresses of C++ take 2 MB. */
#define ANSWER_MAX (64U << 20)

/* An answer on its way to the sheet; zeroed: empty. */
struct answer_draft {
	uint32_t *first;
	struct answer_line *lines;
	struct answer_function *functions;
	char *text;
	size_t n, nlines, nfunctions, text_size;
	size_t first_capacity, lines_capacity, functions_capacity, text_capacity;
	struct index strings, by_function;
	uint32_t *starts; /* of the strings, which the index counts */
	size_t nstrings, starts_capacity;
	bool is_full;
};

/* Begins the next address; its lines follow. */
void answer_next(struct answer_draft *draft);
/* The offset of a string, valid UTF-8 or not; NULL and "" are 0. */
uint32_t answer_string(struct answer_draft *draft, const char *s);
/* Nothing happens once the draft is full. */
void answer_line(struct answer_draft *draft, const struct answer_function *function, uint32_t line);
/* Behind the addresses on the sheet. 0 or negative errno. */
int answer_write(struct answer_draft *draft, int sheet, size_t n);
void answer_draft_free(struct answer_draft *draft);

/* --- reading --- */

struct answer {
	const uint32_t *first;
	const struct answer_line *lines;
	const struct answer_function *functions;
	const char *text;
	size_t n;
	void *copy;
};

/* 0, -EBADMSG for an answer that does not hold together, or negative errno. `n` is how many
 * addresses were asked for. */
int answer_read(int sheet, size_t n, struct answer *out);
void answer_free(struct answer *answer);

#endif
