/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One request: the symbol tables say in which function an address is, DWARF (or what a language
 * keeps instead) which functions were inlined there, and where in the source all of them are; the
 * names are demangled, and everything is written onto the sheet. See namer.h.
 *
 * Of the function that was not inlined, both know a name. The symbol table's is the one that shows
 * when there is no DWARF, and the one that programmers know (malloc, not __libc_malloc); but copies
 * that the compiler made for itself (compute.constprop.0) are shown under the name in the source.
 */
#include "symbol/namer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/arena.h"
#include "base/cleanup.h"
#include "base/confined.h"
#include "symbol/answer.h"
#include "symbol/debugfile.h"
#include "symbol/demangle.h"
#include "symbol/dwarf_file.h"
#include "symbol/jit_name.h"
#include "symbol/kallsyms.h"
#include "symbol/pclntab.h"
#include "symbol/perf_map.h"
#include "symbol/source.h"
#include "symbol/symtab.h"
#include "symbol/vdso.h"

/* Some 3 ns a byte, in steps of lookup.h. */
#define CRC_BYTES_PER_STEP 16
/* A perf map of a million functions, a binary with as many: more is not asked for at once. */
#define ADDRESSES_MAX (4U << 20)

struct task {
	const struct request *request;
	int files[ASK_FILES]; /* -1: not there */
	uint64_t *addresses;
	const char **names, **modules; /* as the symbol tables have them; modules: the kernel's */
	struct source_answer *sources;
	struct arena arena;
	uint64_t work, source_work;
	struct source_stats stats;
};

/* --- finding --- */

static bool open_elf(int fd, struct elf *elf)
{
	struct image image;

	return fd >= 0 && image_of_file(fd, &image) == 0 && elf_open(&image, elf) == 0;
}

/* Only for reading: nothing is to be closed if this fails. */
static bool open_debug(struct task *t, struct lookup *lookup, struct elf *debug)
{
	int fd = t->files[ASK_DEBUG];

	if (!open_elf(fd, debug))
		return false;
	if (!t->request->debug_needs_crc ||
	    (lookup_spend(lookup, debug->image.size / CRC_BYTES_PER_STEP) &&
	     debugfile_matches(fd, t->request->debug_crc)))
		return true;
	elf_close(debug);
	return false;
}

static void find_source(struct task *t, const struct elf *elf, const struct elf *debug)
{
	struct elf supplement = { 0 };
	struct source_files files = { .elf = elf };

	if (!t->source_work)
		return;
	if (!dwarf_file_present(elf) && debug) {
		files.elf = debug;
		files.bias = elf->base - debug->base;
	}
	if (open_elf(t->files[ASK_SUPPLEMENT], &supplement))
		files.supplement = &supplement;
	source_lookup(&files, t->addresses, t->request->n, &t->source_work, &t->arena, t->sources,
		      &t->stats);
	elf_close(&supplement);
}

static int look_into_file(struct task *t, struct lookup *lookup)
{
	struct elf elf, debug = { 0 };
	bool has_debug;

	if (!open_elf(t->files[ASK_MAIN], &elf))
		return -EBADMSG;
	has_debug = open_debug(t, lookup, &debug);
	symtab_lookup(&elf, has_debug ? &debug : NULL, lookup);
	find_source(t, &elf, has_debug ? &debug : NULL);
	pclntab_source(&elf, t->addresses, t->request->n, &t->work, &t->arena, t->sources);
	elf_close(&debug);
	elf_close(&elf);
	return 0;
}

static int look_into_vdso(struct lookup *lookup)
{
	struct image image;
	struct elf elf;

	if (!vdso_image(&image) || elf_open(&image, &elf))
		return -ENOENT;
	symtab_lookup(&elf, NULL, lookup);
	elf_close(&elf);
	return 0;
}

static int look_up(struct task *t)
{
	struct lookup lookup = {
		.addresses = t->addresses,
		.n = t->request->n,
		.names = t->names,
		.arena = &t->arena,
		.work = &t->work,
	};

	switch (t->request->kind) {
	case ASK_FILE:
		return look_into_file(t, &lookup);
	case ASK_PERF_MAP:
		if (t->files[ASK_MAIN] >= 0)
			perf_map_lookup(t->files[ASK_MAIN], &lookup);
		if (t->files[ASK_DEBUG] >= 0)
			perf_map_lookup(t->files[ASK_DEBUG], &lookup);
		return 0;
	case ASK_KERNEL:
		return kallsyms_lookup(t->files[ASK_MAIN], t->request->all_core, &lookup,
				       t->modules);
	case ASK_VDSO:
		return look_into_vdso(&lookup);
	default:
		return -EINVAL;
	}
}

/* --- answering --- */

/* "compute.constprop.0", "_Z7computei.part.1": gcc's and LLVM's names for copies and pieces. */
static bool is_copy_of(const char *symbol, const char *name)
{
	size_t size = strlen(name);

	return strncmp(symbol, name, size) == 0 && symbol[size] == '.';
}

/* The outermost function: `symbol` is the symbol table's name of it or NULL. */
static struct answer_function outermost(struct answer_draft *draft, const char *symbol,
					const struct source_function *function)
{
	struct answer_function f = { 0 };
	const char *name = function ? function->name : NULL;

	f.name = answer_string(draft, symbol ? symbol : name);
	if (symbol && name && is_copy_of(symbol, name))
		f.readable = answer_string(draft, name);
	f.start_line = function ? function->start_line : 0;
	return f;
}

static void add_lines(struct task *t, struct answer_draft *draft, size_t i)
{
	const struct source_answer *source = &t->sources[i];
	const struct source_scope *scope = source->scope;
	const char *file = source->file;
	uint32_t line = source->line;
	struct answer_function f;

	for (; scope && scope->outer; scope = scope->outer) {
		f = (struct answer_function){ .file = answer_string(draft, file) };
		if (scope->function) {
			f.name = answer_string(draft, scope->function->name);
			f.start_line = scope->function->start_line;
		}
		answer_line(draft, &f, line);
		file = scope->call_file;
		line = scope->call_line;
	}
	if (!t->names[i] && !scope && !file)
		return;
	f = outermost(draft, t->names[i], scope ? scope->function : NULL);
	f.file = answer_string(draft, file);
	f.module = answer_string(draft, t->modules[i]);
	answer_line(draft, &f, line);
}

/* A perf map's line says all of it. */
static void add_jit_line(struct task *t, struct answer_draft *draft, size_t i)
{
	struct jit_name name;
	struct answer_function f;

	if (!t->names[i])
		return;
	jit_name_read(t->names[i], &t->arena, &name);
	f = (struct answer_function){
		.name = answer_string(draft, t->names[i]),
		.readable = answer_string(draft, name.function),
		.file = answer_string(draft, name.file),
		.start_line = (uint32_t)name.line,
	};
	answer_line(draft, &f, f.start_line);
}

/* The name to be read: the source's where the symbol is a copy, else the symbol's. */
static uint32_t mangled_name(const struct answer_function *f)
{
	return f->readable ? f->readable : f->name;
}

static void demangle_functions(struct task *t, struct answer_draft *draft)
{
	_cleanup_free_ const char **names = xcalloc(draft->nfunctions + 1, sizeof(*names));
	size_t n = draft->nfunctions;

	/* Copied, since the text moves when it grows. */
	for (size_t i = 0; i < n; i++) {
		const char *name = draft->text + mangled_name(&draft->functions[i]);

		names[i] = arena_strndup(&t->arena, name, strlen(name));
	}
	demangle_all(names, n, &t->arena);
	for (size_t i = 0; i < n; i++)
		draft->functions[i].readable = answer_string(draft, names[i]);
}

static int write_answer(struct task *t, int sheet)
{
	struct answer_draft draft = { 0 };
	int err;

	answer_string(&draft, NULL);
	for (size_t i = 0; i < t->request->n; i++) {
		answer_next(&draft);
		if (t->request->kind == ASK_PERF_MAP)
			add_jit_line(t, &draft, i);
		else
			add_lines(t, &draft, i);
	}
	if (t->request->demangles)
		demangle_functions(t, &draft);
	err = answer_write(&draft, sheet, t->request->n);
	answer_draft_free(&draft);
	return err;
}

/* --- serving --- */

static int read_addresses(struct task *t, int sheet)
{
	size_t size = t->request->n * sizeof(*t->addresses), done = 0;

	while (done < size) {
		ssize_t n = pread(sheet, (char *)t->addresses + done, size - done, (off_t)done);

		if (n <= 0)
			return -EIO;
		done += (size_t)n;
	}
	return 0;
}

static struct reply serve(const struct request *request, const int *fds, size_t nfds)
{
	struct task t = {
		.request = request,
		.files = { -1, -1, -1 },
		.work = request->work,
		.source_work = request->source_work,
	};
	size_t next = 1;
	int err;

	for (size_t i = 0; i < ASK_FILES; i++)
		if (request->has_file[i] && next < nfds)
			t.files[i] = fds[next++];
	t.addresses = xcalloc(request->n, sizeof(*t.addresses));
	t.names = xcalloc(request->n, sizeof(*t.names));
	t.modules = xcalloc(request->n, sizeof(*t.modules));
	t.sources = xcalloc(request->n, sizeof(*t.sources));
	err = read_addresses(&t, fds[0]);
	if (!err) {
		/* What went wrong is told; what was found nevertheless, too. */
		int why = look_up(&t);

		err = write_answer(&t, fds[0]);
		err = err ? err : why;
	}
	arena_free(&t.arena);
	free(t.addresses);
	free(t.names);
	free(t.modules);
	free(t.sources);
	return (struct reply){
		.error = err,
		.is_exhausted = t.stats.is_exhausted,
		.work = request->work - t.work,
		.source_work = request->source_work - t.source_work,
		.units_split = t.stats.units_split,
		.units_broken = t.stats.units_broken,
		.scopes_cut = t.stats.scopes_cut,
	};
}

void namer_run(int socket, void *context)
{
	int fds[CONFINED_FDS_MAX];
	struct request request;

	(void)context;
	for (;;) {
		size_t nfds = ARRAY_SIZE(fds);
		ssize_t size = confined_receive(socket, &request, sizeof(request), fds, &nfds);
		struct reply reply;

		if (size != sizeof(request) || !nfds || !request.n || request.n > ADDRESSES_MAX)
			return;
		reply = serve(&request, fds, nfds);
		while (nfds)
			close(fds[--nfds]);
		if (confined_send(socket, &reply, sizeof(reply), NULL, 0))
			return;
	}
}
