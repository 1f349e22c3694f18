/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When a recording is over: the locations sorted by where their names come from and by address, so
 * that each file, perf map and the kernel is read once, front to back; by namers (symbol/namer.h),
 * since what is read there may be hostile. See symbol.h.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "symbol/debuginfod.h"
#include "symbol/dispatch.h"
#include "symbol/lookup.h"
#include "symbol/source.h"
#include "symbol/state.h"

/* What the kernel takes to write its table, as if it were a file. */
#define KALLSYMS_SIZE (16U << 20)
/* An inlined function whose name is not known. */
#define NAMELESS "[inlined]"

/* A location without name. */
struct question {
	const struct binding *binding;
	const void *source; /* the object, the JIT; one pointer for each file to be read */
	uint64_t address;   /* in the source's terms */
	uint32_t location;
};

/* Questions to one source. */
struct group {
	const struct question *questions;
	size_t nquestions;
	uint64_t *addresses; /* theirs, distinct */
	size_t n;
};

struct naming {
	struct symbols *symbols;
	struct profile *profile;
	struct symbols_stats *stats;
	struct group *groups;
	struct job *jobs;
	size_t njobs, ndone;
	int kallsyms; /* -1: not open */
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

/* --- asking --- */

static uint64_t size_of(int fd)
{
	struct stat st;

	return fd >= 0 && fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static bool ask_object(struct naming *n, const struct object *object, struct job *job)
{
	n->stats->objects++;
	job->name = object->path;
	if (object->fd < 0)
		return false;
	if (!object_is_unchanged(object)) {
		log_debug("%s: was changed since it was mapped", object->path);
		n->symbols->objects.refused++;
		return false;
	}
	job->request.kind = ASK_FILE;
	job->request.source_work = SOURCE_WORK;
	job->request.debug_needs_crc = object->debug_needs_crc;
	job->request.debug_crc = object->debug_crc;
	job->files[ASK_MAIN] = object->fd;
	job->files[ASK_DEBUG] = object->debug_fd;
	job->files[ASK_SUPPLEMENT] = object->supplement_fd;
	job->size = size_of(object->fd) + size_of(object->debug_fd);
	return true;
}

static bool ask_jit(const struct jit *jit, struct job *job)
{
	job->request.kind = ASK_PERF_MAP;
	job->name = jit->file;
	job->files[ASK_MAIN] = jit->fd;
	job->files[ASK_DEBUG] = jit->older_fd;
	job->size = size_of(jit->fd) + size_of(jit->older_fd);
	return jit->fd >= 0 || jit->older_fd >= 0;
}

static void warn_of_kernel(const struct naming *n, int err)
{
	const char *path = n->symbols->kallsyms;

	if (err == -EACCES)
		log_warn("kernel functions have no names: %s shows no addresses; run with "
			 "CAP_SYSLOG, or set kernel.kptr_restrict to 0 or 1",
			 path);
	else if (err)
		log_warn("kernel functions have no names: cannot read %s: %s", path,
			 strerror(-err));
}

static bool ask_kernel(struct naming *n, const struct group *group, struct job *job)
{
	bool all_core = true;

	for (size_t i = 0; i < group->nquestions; i++)
		all_core &= !group->questions[i].binding->module[0];
	n->kallsyms = open(n->symbols->kallsyms, O_RDONLY | O_CLOEXEC);
	if (n->kallsyms < 0)
		warn_of_kernel(n, -errno);
	job->request.kind = ASK_KERNEL;
	job->request.all_core = all_core;
	job->name = n->symbols->kallsyms;
	job->files[ASK_MAIN] = n->kallsyms;
	job->size = KALLSYMS_SIZE;
	return n->kallsyms >= 0;
}

/* False: there is nobody to ask. */
static bool ask_source(struct naming *n, const struct group *group, struct job *job)
{
	const struct question *q = group->questions;

	*job = (struct job){
		.request = { .demangles = true },
		.files = { -1, -1, -1 },
		.addresses = group->addresses,
		.n = group->n,
		.name = "?",
		.number = (size_t)(group - n->groups),
	};
	switch (kind_of(q)) {
	case SOURCE_OBJECT:
		return ask_object(n, q->source, job);
	case SOURCE_JIT:
		return ask_jit(q->source, job);
	case SOURCE_VDSO:
		job->request.kind = ASK_VDSO;
		job->name = "[vdso]";
		return true;
	case SOURCE_KERNEL:
		return ask_kernel(n, group, job);
	default:
		return false;
	}
}

/* --- answering --- */

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

static void name_unknown(struct naming *n, uint32_t location, const char *file, uint32_t number)
{
	struct profile *p = n->profile;
	struct function function = { 0 };
	char buffer[PATH_MAX];
	struct line line;

	unnamed(p, profile_get_location(p, location), buffer, sizeof(buffer));
	function.name = function.system_name = profile_string(p, buffer);
	function.file = profile_string(p, file);
	line = (struct line){ profile_function(p, &function), number };
	profile_set_lines(p, location, &line, 1);
	n->stats->unnamed++;
}

static struct line line_of(struct profile *p, const struct answer *answer, size_t number)
{
	const struct answer_line *from = &answer->lines[number];
	const struct answer_function *f = &answer->functions[from->function];
	const char *name = f->name ? answer->text + f->name : NAMELESS;
	struct function function = {
		.name = profile_string(p, f->readable ? answer->text + f->readable : name),
		.system_name = profile_string(p, name),
		.file = profile_string(p, answer->text + f->file),
		.start_line = f->start_line,
	};

	return (struct line){ profile_function(p, &function), from->line };
}

/* The answer to address number `k` of the question's source. */
static void name_question(struct naming *n, const struct question *q, const struct answer *answer,
			  size_t k)
{
	struct line lines[ANSWER_LINES_MAX];
	size_t first = answer->first[k], count = answer->first[k + 1] - first;
	const struct answer_function *outermost;

	if (!count) {
		name_unknown(n, q->location, "", 0);
		return;
	}
	outermost = &answer->functions[answer->lines[first + count - 1].function];
	if (kind_of(q) == SOURCE_KERNEL &&
	    !is_of_module(q->binding->module, answer->text + outermost->module)) {
		name_unknown(n, q->location, "", 0);
		return;
	}
	if (count == 1 && !outermost->name) {
		name_unknown(n, q->location, answer->text + outermost->file,
			     answer->lines[first].line);
		return;
	}
	for (size_t i = 0; i < count; i++)
		lines[i] = line_of(n->profile, answer, first + i);
	profile_set_lines(n->profile, q->location, lines, count);
	n->stats->named++;
}

static void name_group(struct naming *n, const struct group *group, const struct answer *answer)
{
	for (size_t i = 0, k = 0; i < group->nquestions; i++) {
		const struct question *q = &group->questions[i];

		k += i && q->address != q[-1].address;
		if (answer)
			name_question(n, q, answer, k);
		else
			name_unknown(n, q->location, "", 0);
	}
}

static void take_answer(const struct job *job, const struct answer *answer,
			const struct reply *reply, void *context)
{
	struct naming *n = context;

	if (job->request.kind == ASK_KERNEL)
		warn_of_kernel(n, reply->error);
	if (reply->units_split || reply->units_broken || reply->scopes_cut || reply->is_exhausted)
		log_debug("%s: of its DWARF, not read: %llu units in .dwo files, %llu broken; %llu "
			  "scopes too deep%s",
			  job->name, (unsigned long long)reply->units_split,
			  (unsigned long long)reply->units_broken,
			  (unsigned long long)reply->scopes_cut,
			  reply->is_exhausted ? "; and what was too much work" : "");
	n->stats->units_split += reply->units_split;
	n->stats->units_broken += reply->units_broken;
	name_group(n, &n->groups[job->number], answer);
	progress("naming functions: %zu of %zu files", ++n->ndone, n->njobs);
}

/* --- the whole --- */

static void fill_group(struct group *group, const struct question *q, size_t nq)
{
	*group = (struct group){
		.questions = q,
		.nquestions = nq,
		.addresses = xcalloc(nq, sizeof(*group->addresses)),
	};
	for (size_t i = 0; i < nq; i++)
		if (!i || q[i].address != q[i - 1].address)
			group->addresses[group->n++] = q[i].address;
}

static size_t make_groups(struct naming *n, const struct question *q, size_t nq)
{
	size_t count = 0;

	n->groups = xcalloc(nq + 1, sizeof(*n->groups));
	for (size_t i = 0, end; i < nq; i = end) {
		for (end = i + 1; end < nq && kind_of(&q[end]) == kind_of(&q[i]) &&
				  q[end].source == q[i].source;)
			end++;
		fill_group(&n->groups[count++], q + i, end - i);
	}
	return count;
}

/* Debug files from elsewhere, for those objects that lack one and are asked for names. */
static void fetch_debug_files(struct naming *n, size_t ngroups)
{
	_cleanup_free_ struct object **objects = xcalloc(ngroups + 1, sizeof(*objects));
	size_t count = 0;

	if (!n->symbols->debuginfod)
		return;
	for (size_t i = 0; i < ngroups; i++) {
		const struct question *q = n->groups[i].questions;

		if (kind_of(q) == SOURCE_OBJECT && object_wants_debug(q->source))
			objects[count++] = (struct object *)q->source;
	}
	n->stats->fetched = debuginfod_fetch(&n->symbols->objects, objects, count);
}

static void ask_all(struct naming *n, size_t ngroups)
{
	struct dispatch_stats stats = { 0 };

	n->jobs = xcalloc(ngroups + 1, sizeof(*n->jobs));
	for (size_t i = 0; i < ngroups; i++) {
		if (ask_source(n, &n->groups[i], &n->jobs[n->njobs]))
			n->njobs++;
		else
			name_group(n, &n->groups[i], NULL);
	}
	dispatch(&dispatch_usual, n->jobs, n->njobs, take_answer, n, &stats);
	n->stats->failures = stats.failures;
	if (stats.unanswered)
		log_warn("%llu files have no function names: reading them failed (-v tells more)",
			 (unsigned long long)stats.unanswered);
}

void symbols_name(struct symbols *s, struct profile *p, struct symbols_stats *stats)
{
	struct symbols_stats own = { 0 };
	struct naming n = { .symbols = s, .profile = p, .stats = &own, .kallsyms = -1 };
	size_t count = profile_count_locations(p), nq = 0, ngroups;
	_cleanup_free_ struct question *questions = NULL;

	if (s->profile != p)
		symbols_next_profile(s, p);
	questions = xcalloc(count + 1, sizeof(*questions));
	for (uint32_t i = 1; i <= count; i++) {
		const struct location *location = profile_get_location(p, i);

		if (!location->nlines)
			questions[nq++] = ask(s, location, i);
	}
	qsort(questions, nq, sizeof(*questions), by_source);
	ngroups = make_groups(&n, questions, nq);
	fetch_debug_files(&n, ngroups);
	ask_all(&n, ngroups);
	for (size_t i = 0; i < ngroups; i++)
		free(n.groups[i].addresses);
	free(n.groups);
	free(n.jobs);
	if (n.kallsyms >= 0)
		close(n.kallsyms);
	own.objects_refused = s->objects.refused;
	own.processes_missed = s->processes_missed;
	own.interpreted = languages_stats(s->languages).named;
	own.interpreted_unnamed = languages_stats(s->languages).unnamed;
	if (stats)
		*stats = own;
	symbols_end_profile(s);
}
