/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What processes hide; see runtime_hint.h. Where the options come from: `node --v8-options`, Node's
 * list of what NODE_OPTIONS may have; HotSpot's globals.hpp; .NET's "Runtime configuration options
 * for debugging and profiling".
 */
#include "symbol/runtime_hint.h"

#include <errno.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/file.h"
#include "symbol/elf.h"
#include "symbol/jvm.h"
#include "symbol/language.h"
#include "symbol/maps.h"
#include "symbol/proc_status.h"

/* Arguments and environment: more is not looked at. */
#define TEXT_MAX (256 << 10)
/* Code in which function prologues are counted. */
#define CODE_MAX (1 << 20)
/* Compilers that keep frame pointers begin a function in some hundred bytes of code. */
#define BYTES_PER_PROLOGUE 4096
/* Unwind tables have some 15 % of the size of the code; what the C library's start-up files bring
 * along is far less. */
#define CODE_PER_TABLE 100
#define FILES_MAX      16384

/* What a file says, however many processes map it. */
struct file {
	uint64_t device, inode;
	bool is_python, python_is_known; /* language_probe() */
	bool unwinds;			 /* has tables, or frame pointers; or it cannot be told */
};

struct runtime_files {
	struct file *all;
	size_t n, capacity;
};

struct runtime_facts {
	struct runtime_files *files;
	const char *proc;
	pid_t pid;
	char program[PATH_MAX]; /* as /proc/PID/exe says */
	bool has_jvm, has_coreclr, has_v8;
	bool has_python, python_is_known;
	bool cannot_be_walked;
	bool has_perf_map;
	char *arguments, *environment; /* strings, one after the other */
	size_t arguments_size, environment_size;
};

/* --- files --- */

static const char *base_of(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

static bool begins(const char *text, const char *beginning)
{
	return strncmp(text, beginning, strlen(beginning)) == 0;
}

/*
 * Do functions begin by setting up a frame pointer? x86-64: push %rbp; mov %rsp,%rbp, or as Go up
 * to 1.20 does, mov %rbp,N(%rsp). AArch64: stp x29, x30, [sp, #-N]!
 */
static bool keeps_frame_pointers(const struct elf *elf, const struct elf_load *load)
{
	static const uint8_t push[] = { 0x55, 0x48, 0x89, 0xe5 },
			     store[] = { 0x48, 0x89, 0x6c, 0x24 };
	size_t size = MIN(load->file_size, (uint64_t)CODE_MAX), found = 0;
	_cleanup_free_ uint8_t *code = xmalloc(size + sizeof(push));

	if (image_read(&elf->image, load->offset, code, size))
		return true;
	if (elf->machine == EM_AARCH64) {
		for (size_t i = 0; i + 4 <= size; i += 4)
			found += code[i] == 0xfd && code[i + 1] == 0x7b && code[i + 3] == 0xa9 &&
				 code[i + 2] >= 0x80;
	} else if (elf->machine == EM_X86_64) {
		for (size_t i = 0; i + sizeof(push) <= size; i++)
			found += memcmp(code + i, push, sizeof(push)) == 0 ||
				 memcmp(code + i, store, sizeof(store)) == 0;
	} else {
		return true;
	}
	return found >= size / BYTES_PER_PROLOGUE;
}

static bool can_be_unwound(const struct elf *elf)
{
	static const enum elf_role roles[] = { ELF_EH_FRAME, ELF_DEBUG_FRAME };
	const struct elf_load *largest = NULL;
	uint64_t tables = 0;

	/* Without section headers nothing is certain. */
	if (!elf->nsections || !elf->nloads)
		return true;
	for (size_t i = 0; i < elf->nloads; i++)
		if (!largest || elf->loads[i].file_size > largest->file_size)
			largest = &elf->loads[i];
	for (size_t i = 0; i < ARRAY_SIZE(roles); i++) {
		const struct elf_section *s = elf_section(elf, roles[i]);

		tables += s && s->type != SHT_NOBITS ? s->size : 0;
	}
	return tables >= largest->file_size / CODE_PER_TABLE || keeps_frame_pointers(elf, largest);
}

static void look_into(struct file *file, const char *path, bool is_python)
{
	_cleanup_close_ int fd = open_regular(path, NULL);
	struct interpreter interpreter;
	struct image image;
	struct elf elf;

	file->unwinds = true;
	file->is_python = is_python;
	if (fd < 0 || image_of_file(fd, &image) || elf_open(&image, &elf))
		return;
	file->unwinds = can_be_unwound(&elf);
	file->python_is_known = is_python && language_probe(&elf, &interpreter);
	elf_close(&elf);
}

static const struct file *file_of(struct runtime_files *files, const struct maps_line *line,
				  const char *proc, pid_t pid, bool is_python)
{
	struct file *file;
	char path[PATH_MAX];

	for (size_t i = 0; i < files->n; i++)
		if (files->all[i].device == line->device && files->all[i].inode == line->inode)
			return &files->all[i];
	if (files->n >= FILES_MAX)
		return NULL;
	GROW(files->all, files->n, files->capacity);
	file = &files->all[files->n++];
	*file = (struct file){ .device = line->device, .inode = line->inode };
	snprintf(path, sizeof(path), "%s/%d/map_files/%llx-%llx", proc, pid,
		 (unsigned long long)line->start, (unsigned long long)line->end);
	look_into(file, path, is_python);
	return file;
}

/* --- facts --- */

static void learn_map(const struct maps_line *line, void *context)
{
	struct runtime_facts *f = context;
	const char *name = base_of(line->path);
	bool is_python = begins(name, "python") || begins(name, "libpython");
	bool is_program = strcmp(line->path, f->program) == 0;
	const struct file *file;

	if (!line->inode)
		return;
	f->has_jvm |= jvm_is_library(line->path);
	f->has_coreclr |= strcmp(name, "libcoreclr.so") == 0;
	f->has_v8 |= begins(name, "libnode.so");
	if (!is_python && !is_program)
		return;
	file = file_of(f->files, line, f->proc, f->pid, is_python);
	if (!file)
		return;
	f->has_python |= file->is_python;
	f->python_is_known |= file->python_is_known;
	f->cannot_be_walked |= is_program && !file->unwinds;
}

static void read_texts(struct runtime_facts *f)
{
	struct {
		const char *file;
		char **text;
		size_t *size;
	} texts[] = {
		{ "cmdline", &f->arguments, &f->arguments_size },
		{ "environ", &f->environment, &f->environment_size },
	};

	for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/%d/%s", f->proc, f->pid, texts[i].file);
		if (read_file(path, TEXT_MAX, texts[i].text, texts[i].size))
			*texts[i].size = 0;
	}
}

static bool has_perf_map(const char *proc, pid_t pid)
{
	_cleanup_close_ int root = -1, fd = -1;
	struct proc_status status;
	char path[PATH_MAX];

	if (proc_status_read(proc, pid, &status))
		return false;
	snprintf(path, sizeof(path), "%s/%d/root", proc, pid);
	root = open_root(path);
	if (root < 0)
		return false;
	snprintf(path, sizeof(path), "/tmp/perf-%d.map", status.own_pid);
	fd = open_in_root(root, path, NULL);
	return fd >= 0;
}

static int learn(struct runtime_facts *f)
{
	char path[PATH_MAX];
	ssize_t n;
	int err;

	snprintf(path, sizeof(path), "%s/%d/exe", f->proc, f->pid);
	n = readlink(path, f->program, sizeof(f->program) - 1);
	if (n < 0)
		return -errno;
	f->program[n] = '\0';
	err = maps_read(f->proc, f->pid, learn_map, f);
	if (err)
		return err;
	read_texts(f);
	f->has_perf_map = has_perf_map(f->proc, f->pid);
	return 0;
}

/* --- questions --- */

static bool has_argument(const struct runtime_facts *f, const char *beginning)
{
	for (size_t at = 0; at < f->arguments_size; at += strlen(f->arguments + at) + 1)
		if (begins(f->arguments + at, beginning))
			return true;
	return false;
}

/* The value of a variable of the environment, NULL: not set. */
static const char *variable(const struct runtime_facts *f, const char *name)
{
	size_t size = strlen(name);

	for (size_t at = 0; at < f->environment_size; at += strlen(f->environment + at) + 1)
		if (begins(f->environment + at, name) && f->environment[at + size] == '=')
			return f->environment + at + size + 1;
	return NULL;
}

/* As an argument, or in one of the variables that have arguments. */
static bool has_option(const struct runtime_facts *f, const char *option,
		       const char *const *variables)
{
	if (has_argument(f, option))
		return true;
	for (; *variables; variables++) {
		const char *value = variable(f, *variables);

		if (value && strstr(value, option))
			return true;
	}
	return false;
}

static bool is_node(const struct runtime_facts *f)
{
	const char *name = base_of(f->program);

	return f->has_v8 || strcmp(name, "node") == 0 || strcmp(name, "nodejs") == 0;
}

static bool node_has_no_names(const struct runtime_facts *f)
{
	static const char *const variables[] = { "NODE_OPTIONS", NULL };

	return is_node(f) && !f->has_perf_map && !has_option(f, "--perf-basic-prof", variables);
}

static bool node_hides_what_it_interprets(const struct runtime_facts *f)
{
	static const char *const variables[] = { "NODE_OPTIONS", NULL };

	return is_node(f) && !node_has_no_names(f) &&
	       !has_option(f, "--interpreted-frames-native-stack", variables);
}

/* Java's own list: the launcher reads the second, the machine the others. */
static const char *const java_variables[] = { "JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS",
					      "_JAVA_OPTIONS", NULL };

static bool java_has_no_frame_pointers(const struct runtime_facts *f)
{
	return f->has_jvm && !has_option(f, "-XX:+PreserveFramePointer", java_variables);
}

static bool java_cannot_be_asked(const struct runtime_facts *f)
{
	return f->has_jvm && !f->has_perf_map &&
	       has_option(f, "-XX:+DisableAttachMechanism", java_variables);
}

static bool java_has_no_names(const struct runtime_facts *f)
{
	return f->has_jvm && !f->has_perf_map && !java_cannot_be_asked(f);
}

/* 0: nothing, 1: perf map and more, 2: only what we do not read, 3: perf map. */
static bool dotnet_has_no_names(const struct runtime_facts *f)
{
	const char *value = variable(f, "DOTNET_PerfMapEnabled");

	value = value ? value : variable(f, "COMPlus_PerfMapEnabled");
	return f->has_coreclr && !f->has_perf_map &&
	       !(value && (strcmp(value, "1") == 0 || strcmp(value, "3") == 0));
}

static bool python_is_unknown(const struct runtime_facts *f)
{
	return f->has_python && !f->python_is_known;
}

static bool cannot_be_walked(const struct runtime_facts *f)
{
	return f->cannot_be_walked;
}

const struct runtime_hint runtime_hints[RUNTIME_HINTS] = {
	{ "node_names", "Node.js functions", "names of JavaScript functions",
	  "start it with --perf-basic-prof --interpreted-frames-native-stack, or "
	  "NODE_OPTIONS with these",
	  node_has_no_names },
	{ "node_interpreted", "Node.js functions",
	  "names of functions that are interpreted; compiled ones are seen",
	  "start it with --interpreted-frames-native-stack, too", node_hides_what_it_interprets },
	{ "java_names", "Java functions", "names of Java functions",
	  "'plimsoll record --jvm-maps' asks for them (Java 17 or newer)", java_has_no_names },
	{ "java_attach", "Java functions",
	  "names of Java functions; it runs with DisableAttachMechanism",
	  "start it without, or with -XX:+DumpPerfMapAtExit", java_cannot_be_asked },
	{ "java_frames", "Java stacks", "callers of Java functions",
	  "start it with -XX:+PreserveFramePointer, or JAVA_TOOL_OPTIONS with this",
	  java_has_no_frame_pointers },
	{ "dotnet_names", ".NET functions", "names of managed functions",
	  "start it with DOTNET_PerfMapEnabled=3 in its environment", dotnet_has_no_names },
	{ "python_unknown", "Python functions",
	  "names of Python functions: this version is not known",
	  "run a Python from 3.8 to 3.13, or a newer one with -X perf", python_is_unknown },
	{ "no_tables", "stacks",
	  "callers: the program has neither unwind tables nor frame pointers",
	  "build it with -fasynchronous-unwind-tables or -fno-omit-frame-pointer",
	  cannot_be_walked },
};

int runtime_hints_of(struct runtime_files *files, const char *proc, pid_t pid, uint32_t *hints)
{
	struct runtime_facts *f = xcalloc(1, sizeof(*f));
	int err;

	f->files = files;
	f->proc = proc;
	f->pid = pid;
	*hints = 0;
	err = learn(f);
	for (unsigned i = 0; !err && i < RUNTIME_HINTS; i++)
		*hints |= (uint32_t)(runtime_hints[i].applies(f) ? 1 : 0) << i;
	free(f->arguments);
	free(f->environment);
	free(f);
	return err;
}

struct runtime_files *runtime_files_new(void)
{
	return xcalloc(1, sizeof(struct runtime_files));
}

void runtime_files_free(struct runtime_files *files)
{
	if (!files)
		return;
	free(files->all);
	free(files);
}
