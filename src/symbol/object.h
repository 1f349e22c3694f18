/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The files that code comes from, one object a build ID, shared by every process and container that
 * maps it.
 *
 *     (device, inode) --by_file--> object --same--> the object with this build ID
 *     build ID ---------by_id-----------------------^
 *
 * An object is known by name first (from a mapping), and opened when a process that is sampled has
 * it mapped; its fd then keeps the file through the ends of processes and containers and through
 * deletion, and keeps its inode number from being used again.
 */
#ifndef PLIMSOLL_SYMBOL_OBJECT_H
#define PLIMSOLL_SYMBOL_OBJECT_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>

#include "base/index.h"
#include "bpf/interpreter.h"
#include "symbol/elf.h"

enum object_state {
	OBJECT_SEEN, /* not opened yet, or its processes were gone before it could be */
	OBJECT_OPEN,
	OBJECT_SAME,	/* `same` is the one to ask */
	OBJECT_NO_ELF,	/* memory of a JIT compiler, data, a device */
	OBJECT_REFUSED, /* corrupt */
};

struct object {
	struct object *same;
	char *path; /* as the process saw it that had it first; valid UTF-8 */
	uint64_t device, inode;
	enum object_state state;
	bool by_id;  /* was announced by its build ID, not by its inode */
	bool stale;  /* its (device, inode) is another file by now */
	bool marked; /* during objects_sweep(): is in use */
	bool debug_needs_crc;
	uint8_t nloads, id_size;
	int fd, debug_fd, supplement_fd; /* -1: none; see debugfile.h */
	uint32_t debug_crc;
	uint32_t epoch;			  /* of the profile that `mappings` are numbers of */
	uint32_t mappings[ELF_LOADS_MAX]; /* the profile's, one a load; 0: none yet */
	uint8_t id[ELF_ID_MAX];		  /* build ID or fingerprint */
	struct elf_load loads[ELF_LOADS_MAX];
	off_t size; /* when opened: a file that is written over since has other symbols */
	struct timespec mtime;
	struct interpreter *interpreter; /* that it is, in addresses of the file; NULL: of none */
};

struct objects {
	struct object **all;
	size_t n, capacity;
	struct index by_file, by_id;
	const char *proc, *debug_root;
	unsigned fds, fds_max;
	bool warned;	  /* of too few fds */
	uint64_t refused; /* not regular, corrupt, changed, or one too many */
};

/* proc and debug_root are kept. Raises this process's limit of open files as far as it may. */
void objects_init(struct objects *objects, const char *proc, const char *debug_root);
void objects_free(struct objects *objects);

/* What a mapping says of its file. */
struct object_key {
	const char *path;
	uint64_t device, inode; /* inode 0: not told */
	const uint8_t *id;	/* or NULL */
	size_t id_size;
};
/* The object that the key describes, new or known; NULL when there are too many. */
struct object *objects_get(struct objects *objects, const struct object_key *key);

/* Where a file can be reached: by the mapping of a live process. */
struct object_reach {
	pid_t pid;
	uint64_t start, end;
};
/*
 * Like objects_get() for a mapping just read from /proc, so that an inode number which was given
 * to another file meanwhile is noticed.
 */
struct object *objects_get_live(struct objects *objects, const struct object_key *key,
				const struct object_reach *reach);

/* Opens it unless that was done; whether it worked stands in the state. */
void object_open(struct objects *objects, struct object *object, const struct object_reach *reach);

/* Follows `same`. */
struct object *object_resolve(struct object *object);

/* Address in the file of the byte at `offset`, and the load it is in; false if it is in none. */
bool object_address(const struct object *object, uint64_t offset, uint64_t *address, size_t *load);

/*
 * What is to be taken off an address of a process, where [start, end) maps the file from `offset`
 * on, to have the address in the file; false if none of its code is mapped there.
 */
bool object_bias(const struct object *object, uint64_t start, uint64_t end, uint64_t offset,
		 uint64_t *bias);

/* The open one with this build ID or fingerprint, NULL if there is none. */
struct object *objects_find_open(struct objects *objects, const uint8_t *id, size_t id_size);
/* Is the open file still what it was? */
bool object_is_unchanged(const struct object *object);

/* An open one that has no debug file yet, but would have use for one, and a build ID to ask for it.
 */
bool object_wants_debug(const struct object *object);
/* Takes over this file if it is the debug file of an open object; else it stays the caller's. */
bool object_adopt_debug(struct objects *objects, struct object *object, int fd);

/* Too many: time for a sweep. */
bool objects_full(const struct objects *objects);
/* Forgets the objects that are not `marked`, and takes the marks away. */
void objects_sweep(struct objects *objects);

#endif
