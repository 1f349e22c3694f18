/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where is it? While a recording runs, turns addresses of processes into addresses of files and
 * keeps those files open, so that a process may exit and a file may be deleted; when it ends, turns
 * the addresses into names.
 *
 *     live:   (pid, address) --spaces--> object (one per build ID) + address in the file
 *     after:  object --symbols--> function names, all of an object's addresses in one pass
 *
 * Objects are shared by all processes and containers; symbol tables are never loaded whole: the
 * addresses asked for are sorted, and one pass over the table finds their names.
 *
 * A location's mapping says what kind of code it is:
 *
 *     "/usr/lib/libc.so.6"    a file; address as in its symbol table; build ID, or a hash of the
 *                             content where it has none. A file that was never opened: offsets
 *     "/tmp/perf-7.map"       anonymous code of a process that has this perf map; the build ID is
 *     "[anon]"                made from the process, since its addresses mean nothing elsewhere
 *     "[vdso]"                the kernel's page of user code; offsets into it
 *     "[python]"              functions of an interpreted program; no addresses
 *     "[vsyscall]", "[uprobes]"   likewise user code; addresses of the process
 *     "[kernel.kallsyms]"     the kernel, "[ext4]" a module, "[bpf]" generated kernel code
 *     none                    no executable memory: function SYMBOL_UNKNOWN
 */
#ifndef PLIMSOLL_SYMBOL_SYMBOL_H
#define PLIMSOLL_SYMBOL_SYMBOL_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "profile/profile.h"

struct object;
struct space;
struct symbols;

/* An address where nothing executable is mapped, as frame-pointer walks through code without frame
 * pointers produce them: one location for all of them. */
#define SYMBOL_UNKNOWN "[unknown]"

struct symbols_options {
	const char *kallsyms;	/* NULL: /proc/kallsyms */
	const char *proc;	/* NULL: /proc */
	const char *debug_root; /* host's separate debug files; NULL: /usr/lib/debug */
	bool debuginfod;	/* fetch debug files from the servers in DEBUGINFOD_URLS */
	bool jvm_maps;		/* ask sampled Java virtual machines for perf maps */
};

struct symbols *symbols_new(const struct symbols_options *options);
void symbols_free(struct symbols *s);

/* --- live: what the kernel's side band says, in its order --- */

struct map_event {
	pid_t pid;
	uint64_t start, length, offset; /* bytes; offset into the file */
	const char *path;		/* as the process sees it; "//anon", "[vdso]", ... */
	const uint8_t *build_id;	/* or NULL */
	uint32_t build_id_size;
	/* device: major << 20 | minor; 0 where not told (build_id is then) */
	uint64_t device, inode, inode_generation;
};
void symbols_on_map(struct symbols *s, const struct map_event *event);
void symbols_on_exec(struct symbols *s, pid_t pid);
void symbols_on_fork(struct symbols *s, pid_t parent, pid_t child);
void symbols_on_exit(struct symbols *s, pid_t pid);

/*
 * First sample of a process, or of one not heard of before: reads its mappings from /proc and opens
 * the files that are mapped executable, its perf map included, while it lives; from then on, what
 * it maps is opened as symbols_on_map() tells of it. Cheap when known.
 */
void symbols_on_process(struct symbols *s, pid_t pid);

/*
 * --- live: for those who walk stacks ---
 *
 * An address space is told by its key (bpf/unwind.h): process, and number of execs. Records of the
 * kernel carry it in the order in which they were written; the side band may be ahead of them or
 * behind.
 */

/* Does the key fit what was told of the process until now? If not, more is on its way. */
bool symbols_expect(struct symbols *s, uint64_t key);
/* A record says so. As symbols_on_process(), for that program. */
void symbols_on_space(struct symbols *s, uint64_t key);

/* Of a process: what it has mapped, or that it is gone. */
struct space_change {
	pid_t pid;
	bool is_gone;
	uint64_t key;
	struct space *space; /* valid until the next call of symbols_*() */
};
/* The next of the processes with known keys whose mappings changed since this told of them; false
 * if there is none. */
bool symbols_next_change(struct symbols *s, struct space_change *change);
/* Does the process still have the address space? */
bool symbols_has_space(struct symbols *s, uint64_t key);

/* What the address space maps, kept for as long as it is held even if its process moves on; NULL if
 * nothing is known of it. A process may map more afterwards: ask again. */
struct space *symbols_hold_space(struct symbols *s, uint64_t key);
/* A walk came to this address of it, where nothing is mapped as far as is known: if it may be that
 * a record of that was lost, its mappings are read again. True if there is something then. */
bool symbols_look_again(struct symbols *s, uint64_t key, uint64_t address);
void symbols_release_space(struct symbols *s, struct space *space);

/* The open file with this build ID or fingerprint, or NULL. Valid until the next call of
 * symbols_*(). */
const struct object *symbols_find_object(struct symbols *s, const uint8_t *id, size_t id_size);

/* Once a second. */
void symbols_tick(struct symbols *s);

/*
 * --- live: addresses to locations of `p`; never fails, what is unknown is a location without
 * mapping ---
 *
 * A frame that is not the leaf is a return address, which may already belong to the next function
 * or line: its location is one byte before, as in other pprof files. One profile at a time: from
 * its first location to symbols_name() all must go to the same `p`.
 */

uint32_t symbols_user_location(struct symbols *s, struct profile *p, pid_t pid, uint64_t address,
			       bool is_leaf);
/* In a space that is held. */
uint32_t symbols_space_location(struct symbols *s, struct profile *p, pid_t pid,
				struct space *space, uint64_t address, bool is_leaf);
/*
 * Of an interpreter's frame, by its two words (bpf/stack.h); function, file and line are read from
 * the process at once. 0: no frame of the program, to be left out.
 */
uint32_t symbols_interpreted_location(struct symbols *s, struct profile *p, pid_t pid,
				      uint64_t word, uint64_t position);
uint32_t symbols_kernel_location(struct symbols *s, struct profile *p, uint64_t address,
				 bool is_leaf);

/* --- after --- */

/*
 * Asks the Java virtual machines in the profile for the names of what they have compiled, if that
 * was wanted; takes up to some seconds. To be called when sampling has ended, before
 * symbols_name(), while the processes live.
 */
void symbols_ask_jvms(struct symbols *s);

struct symbols_stats {
	uint64_t named, unnamed;   /* locations */
	uint64_t objects;	   /* files looked into */
	uint64_t objects_refused;  /* not regular, too large, corrupt */
	uint64_t processes_missed; /* exited before their mappings could be read */
	uint64_t interpreted; /* functions of interpreted programs that were read, and places */
	uint64_t interpreted_unnamed; /* in them that could not: their process was gone */
	uint64_t fetched;	      /* debug files, by debuginfod */
	uint64_t failures;	      /* times that reading a file crashed or took too long */
	uint64_t units_split; /* units of compilation without inlined functions: see source.h */
	uint64_t units_broken;
};
/*
 * Names every location of `p` that has none; what stays unknown gets the function name
 * "[file+0xoffset]", so that every reader shows the same. `stats` may be NULL. Processes that live
 * or died during this profile, and their files, stay known for the next one; others are closed.
 */
void symbols_name(struct symbols *s, struct profile *p, struct symbols_stats *stats);

#endif
