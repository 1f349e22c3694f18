/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Programs that an interpreter runs. The native stack shows the interpreter at work; what it works
 * on stands in its own data, and that is what the programmer wants to see.
 *
 *     file     language_probe()      is an interpreter in it, where, and how are its data laid out?
 *                |                   Once a build ID; all in addresses of the file
 *     process  language_place()      the same in addresses of a process: goes to the kernel's map
 *                |                   of interpreters under the process's address space
 *     stack    bpf/python.bpf.h ...  puts words of interpreted frames (bpf/stack.h) in the place of
 *                |                   the native function that executes them
 *     names    languages_location()  words to function, file and line, read from the process's
 *                                    memory while it lives
 *
 * A language is a row in languages[] (language.c), a file language_NAME.c that fills the row, and a
 * header bpf/NAME.bpf.h with the walk. docs/languages.md says how to add one.
 *
 * Whatever comes from a process may be a lie: the reads are bounded, and a process can only spoil
 * its own names.
 */
#ifndef PLIMSOLL_SYMBOL_LANGUAGE_H
#define PLIMSOLL_SYMBOL_LANGUAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "bpf/interpreter.h"
#include "profile/profile.h"
#include "symbol/elf.h"

/* --- files and processes --- */

/* Is this the file of an interpreter? Some reads for a file that is none. Then *out holds addresses
 * of the file. */
bool language_probe(const struct elf *elf, struct interpreter *out);

/* From addresses of the file to those of a process that mapped it: bias as in unwind.h. */
void language_place(struct interpreter *interpreter, uint64_t bias);

/* --- names --- */

/* What has been named already, of all processes; bounded. */
struct languages;

struct languages *languages_new(void);
void languages_free(struct languages *languages);
/* The numbers of the profile filled until now mean nothing any more; names stay known. */
void languages_next_profile(struct languages *languages);

/*
 * The location of an interpreted frame, its two words as in bpf/stack.h. `interpreter` as placed in
 * the process, NULL when it is not known. Never fails: what cannot be read any more has the
 * language's mapping for a name. 0: a frame that is no part of the program, to be left out.
 */
uint32_t languages_location(struct languages *languages, struct profile *p, pid_t pid,
			    const struct interpreter *interpreter, uint64_t word,
			    uint64_t position);

struct languages_stats {
	uint64_t named;	  /* functions */
	uint64_t unnamed; /* locations: the process was gone, or its memory made no sense */
};
struct languages_stats languages_stats(const struct languages *languages);

/* --- what a language is; for language_NAME.c --- */

/* Bytes of the table from positions to lines that are looked at of one function. */
#define LANGUAGE_LINES_MAX 65536

/* The memory of a process, or what stands for it in tests. */
struct language_reader {
	/* How many of `size` bytes there are from `address` on. */
	size_t (*read)(const struct language_reader *reader, uint64_t address, void *buffer,
		       size_t size);
	pid_t pid;
};

/* One function, method, or module of an interpreted program. */
struct language_code {
	char *name, *file; /* bounded; valid UTF-8 */
	int64_t first_line;
	uint8_t *lines; /* from positions to lines, in the language's own form; or NULL */
	size_t nlines;
	bool hidden; /* made by the interpreter for itself */
};

struct language {
	const char *mapping; /* of its frames in the profile, "[name]" */
	/* As language_probe() and language_place(). */
	bool (*probe)(const struct elf *elf, struct interpreter *out);
	void (*place)(struct interpreter *interpreter, uint64_t bias);
	/* Reads what is at `address`; false if it is not the function with that identity
	 * (FRAME_POSITION_CODE). The caller frees what *out points to. */
	bool (*read)(const struct language_reader *reader, const struct interpreter *interpreter,
		     uint64_t address, uint32_t identity, struct language_code *out);
	/* The line for an offset (FRAME_POSITION_OFFSET), for the `version` of struct interpreter;
	 * 0: not known. */
	int64_t (*line)(uint32_t version, const struct language_code *code, uint32_t offset);
};

extern const struct language language_python;

#endif
