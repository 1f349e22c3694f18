/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a recording is over: the locations sorted by where their names come from and by address, so
 * that each file, perf map and the kernel is read once, front to back. See symbol.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "symbol/demangle.h"
#include "symbol/kallsyms.h"
#include "symbol/perf_map.h"
#include "symbol/state.h"
#include "symbol/symtab.h"
#include "symbol/vdso.h"

/* A location without name. */
struct question {
	const struct binding *binding;
	const void *source; /* the object, the JIT; one pointer for each file to be read */
	uint64_t address;   /* in the source's terms */
	const char *name;   /* as in the symbol table; NULL: not found */
	uint32_t location;
};

/* Questions to one source: their distinct addresses, and what came back. */
struct answers {
	uint64_t *addresses;
	const char **names, **modules; /* modules: the kernel's only */
	size_t n;
};

struct naming {
	struct symbols *symbols;
	struct profile *profile;
	struct symbols_stats *stats;
	struct arena arena;
	uint64_t work;
};

/* --- sorting --- */

/* What is not in the file at all stays at an address that no symbol has. */
static uint64_t address_of_offset(const struct object *object, uint64_t offset)
{
	uint64_t address;
	size_t load;

	return object_address(object, offset, &address, &load) ? address : UINT64_MAX;
}

static struct question ask(const struct symbols *s, const struct location *location,
			   uint32_t number)
{
	static const struct binding none = { .kind = SOURCE_NONE };
	struct question q = { .binding = &none, .address = location->address, .location = number };

	if (!location->mapping || location->mapping >= s->nbindings)
		return q;
	q.binding = &s->bindings[location->mapping];
	switch (q.binding->kind) {
	case SOURCE_OBJECT:
		q.source = q.binding->object;
		break;
	case SOURCE_OBJECT_BY_OFFSET:
		/* It may have been opened since, by way of another process. */
		q.source = object_resolve(q.binding->object);
		q.address = address_of_offset(q.source, q.address);
		break;
	case SOURCE_JIT:
		q.source = q.binding->jit;
		break;
	default:
		break;
	}
	return q;
}

static enum source_kind kind_of(const struct question *q)
{
	return q->binding->kind == SOURCE_OBJECT_BY_OFFSET ? SOURCE_OBJECT : q->binding->kind;
}

static int by_source(const void *a, const void *b)
{
	const struct question *x = a, *y = b;

	if (kind_of(x) != kind_of(y))
		return kind_of(x) < kind_of(y) ? -1 : 1;
	if (x->source != y->source)
		return (uintptr_t)x->source < (uintptr_t)y->source ? -1 : 1;
	return x->address < y->address ? -1 : x->address > y->address;
}

/* --- answering --- */

static void name_kernel(struct naming *n, const struct question *q, size_t nq,
			struct lookup *lookup, const char **modules)
{
	const char *path = n->symbols->kallsyms;
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool all_core = true;
	int err;

	for (size_t i = 0; i < nq; i++)
		all_core &= !q[i].binding->module[0];
	err = fd < 0 ? -errno : kallsyms_lookup(fd, all_core, lookup, modules);
	if (err == -EACCES)
		log_warn("kernel functions have no names: %s shows no addresses; run with "
			 "CAP_SYSLOG, or set kernel.kptr_restrict to 0 or 1",
			 path);
	else if (err)
		log_warn("kernel functions have no names: cannot read %s: %s", path,
			 strerror(-err));
}

static void name_vdso(struct lookup *lookup)
{
	struct image image;
	struct elf elf;

	if (!vdso_image(&image) || elf_open(&image, &elf))
		return;
	symtab_lookup(&elf, NULL, lookup);
	elf_close(&elf);
}

static void look_up(struct naming *n, const struct question *q, size_t nq, struct answers *answers)
{
	struct lookup lookup = {
		.addresses = answers->addresses,
		.n = answers->n,
		.names = answers->names,
		.arena = &n->arena,
		.work = &n->work,
	};

	switch (kind_of(q)) {
	case SOURCE_OBJECT:
		n->stats->objects++;
		object_lookup(&n->symbols->objects, q->source, &lookup);
		break;
	case SOURCE_JIT:
		if (q->binding->jit->fd >= 0)
			perf_map_lookup(q->binding->jit->fd, &lookup);
		break;
	case SOURCE_VDSO:
		name_vdso(&lookup);
		break;
	case SOURCE_KERNEL:
		name_kernel(n, q, nq, &lookup, answers->modules);
		break;
	default:
		break;
	}
}

/* "[libc.so.6+0x1234]"; a name in brackets loses its own. */
static void unnamed(const struct profile *p, const struct location *location, char *buffer,
		    size_t size)
{
	const struct mapping *mapping = location->mapping
						? profile_get_mapping(p, location->mapping)
						: NULL;
	const char *file = mapping ? profile_str(p, mapping->file) : "", *slash;
	int n = (int)strlen(file);

	if (n && file[0] == '[' && file[n - 1] == ']') {
		file++;
		n -= 2;
	} else if ((slash = strrchr(file, '/')) && slash[1]) {
		n -= (int)(slash + 1 - file);
		file = slash + 1;
	}
	snprintf(buffer, size, "[%.*s+0x%" PRIx64 "]", n ? n : 7, n ? file : "unknown",
		 location->address);
}

static void set_name(struct naming *n, const struct question *q, const char *readable)
{
	char buffer[PATH_MAX];
	struct profile *p = n->profile;
	struct function function = { 0 };
	struct line line;

	if (q->name) {
		function.system_name = profile_string(p, q->name);
		function.name = profile_string(p, readable);
		n->stats->named++;
	} else {
		unnamed(p, profile_get_location(p, q->location), buffer, sizeof(buffer));
		function.name = function.system_name = profile_string(p, buffer);
		n->stats->unnamed++;
	}
	line = (struct line){ .function = profile_function(p, &function) };
	profile_set_lines(p, q->location, &line, 1);
}

/* All that is mangled at once; neighbours are often in one function and share its name. */
static void set_names(struct naming *n, const struct question *q, size_t nq)
{
	_cleanup_free_ const char **readable = xcalloc(nq + 1, sizeof(*readable));
	const char *last = NULL;
	size_t count = 0;

	for (size_t i = 0; i < nq; i++)
		if (q[i].name && is_mangled(q[i].name) && (!last || strcmp(last, q[i].name) != 0))
			readable[count++] = last = q[i].name;
	demangle_all(readable, count, &n->arena);
	last = NULL;
	count = 0;
	for (size_t i = 0; i < nq; i++) {
		if (!q[i].name || !is_mangled(q[i].name)) {
			set_name(n, &q[i], q[i].name);
			continue;
		}
		count += last && strcmp(last, q[i].name) != 0;
		last = q[i].name;
		set_name(n, &q[i], readable[count]);
	}
}

/*
 * kallsyms has no sizes: past the end of the kernel the nearest symbol may be one of a module, or
 * the other way round. The names of generated code all stand at the end, as "[bpf]",
 * "[__builtin__ftrace]" and "[__builtin__kprobes]".
 */
static bool is_of_module(const char *expected, const char *module)
{
	bool generated = strcmp(module, MODULE_BPF) == 0 ||
			 strncmp(module, "__builtin__", strlen("__builtin__")) == 0;

	if (!expected[0])
		return generated || !module[0];
	return strcmp(expected, MODULE_BPF) == 0 ? generated : strcmp(expected, module) == 0;
}

/* Finds the names of q[0..nq), all of one source. */
static void name_source(struct naming *n, struct question *q, size_t nq)
{
	struct answers answers = {
		.addresses = xcalloc(nq, sizeof(*answers.addresses)),
		.names = xcalloc(nq, sizeof(*answers.names)),
		.modules = xcalloc(nq, sizeof(*answers.modules)),
	};

	for (size_t i = 0; i < nq; i++)
		if (!i || q[i].address != q[i - 1].address)
			answers.addresses[answers.n++] = q[i].address;
	look_up(n, q, nq, &answers);
	for (size_t i = 0, k = 0; i < nq; i++) {
		const char *name;

		k += i && q[i].address != q[i - 1].address;
		name = answers.names[k];
		if (name && kind_of(q) == SOURCE_KERNEL &&
		    !is_of_module(q[i].binding->module, answers.modules[k]))
			name = NULL;
		q[i].name = name;
	}
	free(answers.addresses);
	free(answers.names);
	free(answers.modules);
}

void symbols_name(struct symbols *s, struct profile *p, struct symbols_stats *stats)
{
	struct symbols_stats own = { 0 };
	struct naming n = { .symbols = s, .profile = p, .stats = &own };
	size_t count = profile_count_locations(p), nq = 0;
	_cleanup_free_ struct question *questions = NULL;
	uint64_t left = LOOKUP_WORK;

	if (s->profile != p)
		symbols_next_profile(s, p);
	questions = xcalloc(count + 1, sizeof(*questions));
	for (uint32_t i = 1; i <= count; i++) {
		const struct location *location = profile_get_location(p, i);

		if (!location->nlines)
			questions[nq++] = ask(s, location, i);
	}
	qsort(questions, nq, sizeof(*questions), by_source);
	for (size_t i = 0, end; i < nq; i = end) {
		for (end = i + 1; end < nq && kind_of(&questions[end]) == kind_of(&questions[i]) &&
				  questions[end].source == questions[i].source;)
			end++;
		n.work = MIN(left, LOOKUP_WORK_SOURCE);
		left -= n.work;
		name_source(&n, questions + i, end - i);
		left += n.work;
	}
	set_names(&n, questions, nq);
	arena_free(&n.arena);
	own.objects_refused = s->objects.refused;
	own.processes_missed = s->processes_missed;
	if (stats)
		*stats = own;
	symbols_end_profile(s);
}
