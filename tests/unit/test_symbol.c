/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The contract of symbol.h, with real processes: each one prints the address of one of its
 * functions, and that address has to get the function's name, whatever became of the process and
 * its file meanwhile. Needs root, a C, a C++ and a Rust compiler.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "base/log.h"
#include "symbol/elf.h"
#include "symbol/symbol.h"

static char folder[] = "/tmp/plimsoll-symbol-XXXXXX";

static void run(const char *command)
{
	_cleanup_free_ char *line = xasprintf("cd %s && { %s; }", folder, command);

	assert_int_equal(system(line), 0);
}

static const char *in_folder(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(in_folder(name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* Each prints the address of a function of its own and waits for the end of its input. */
static const char target_c[] =
	"#include <stdio.h>\n"
	"static __attribute__((noinline)) int hidden(int n) { return printf(\"%d\", n) * n; }\n"
	"int main(int argc, char **argv) {\n"
	"	(void)argv; printf(\"%p\\n\", (void *)hidden); fflush(stdout);\n"
	"	return getchar() == EOF ? 0 : hidden(argc);\n"
	"}\n";
static const char target_cc[] =
	"#include <cstdio>\n"
	"namespace ship { template <class T> struct hull {\n"
	"	static __attribute__((noinline)) int draw(T n) { return std::printf(\"%d\", n); }\n"
	"}; }\n"
	"int main(int argc, char **) {\n"
	"	std::printf(\"%p\\n\", (void *)&ship::hull<int>::draw); std::fflush(stdout);\n"
	"	return std::getchar() == EOF ? 0 : ship::hull<int>::draw(argc);\n"
	"}\n";
static const char target_rs[] =
	"mod ship { #[inline(never)] pub fn draw(n: usize) -> usize { println!(\"{}\", n); n } }\n"
	"fn main() {\n"
	"	println!(\"{:p}\", ship::draw as fn(usize) -> usize as *const ());\n"
	"	let mut line = String::new();\n"
	"	std::io::stdin().read_line(&mut line).unwrap();\n"
	"	if !line.is_empty() { ship::draw(line.len()); }\n"
	"}\n";
/* A "compiler": code in anonymous memory, and a perf map under its own idea of its PID. */
static const char target_jit[] =
	"#include <stdio.h>\n"
	"#include <sys/mman.h>\n"
	"#include <unistd.h>\n"
	"int main(void) {\n"
	"	char path[64];\n"
	"	char *code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC,\n"
	"			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);\n"
	"	snprintf(path, sizeof(path), \"/tmp/perf-%d.map\", (int)getpid());\n"
	"	FILE *f = fopen(path, \"w\");\n"
	"	fprintf(f, \"%lx 40 LazyCompile:*draw ship.js:7\\n\", (unsigned long)code);\n"
	"	fclose(f);\n"
	"	printf(\"%p\\n\", (void *)code); fflush(stdout);\n"
	"	getchar();\n"
	"	return unlink(path);\n"
	"}\n";

static int make_files(void **state)
{
	(void)state;
	log_set_level(LOG_QUIET);
	assert_non_null(mkdtemp(folder));
	write_file("target.c", target_c);
	write_file("target.cc", target_cc);
	write_file("target.rs", target_rs);
	write_file("jit.c", target_jit);
	run("cc -O1 -Wl,--build-id=sha1 -o target target.c && cc -O1 -o jit jit.c");
	return 0;
}

static int remove_files(void **state)
{
	(void)state;
	run("rm -rf \"$PWD\"");
	return 0;
}

/* --- processes --- */

struct child {
	pid_t pid;
	uint64_t address;
	int input;
	FILE *output;
};

/* In new PID and mount namespaces with a /tmp of its own, as a container has, if `contained`. */
static struct child start_child(const char *name, bool contained)
{
	struct child child;
	int in[2], out[2], file;

	assert_int_equal(pipe2(in, O_CLOEXEC), 0);
	assert_int_equal(pipe2(out, O_CLOEXEC), 0);
	file = open(in_folder(name), O_PATH);
	assert_true(file >= 0);
	child.pid = (pid_t)syscall(
		SYS_clone, SIGCHLD | (contained ? CLONE_NEWPID | CLONE_NEWNS : 0), 0, 0, 0, 0);
	assert_true(child.pid >= 0);
	if (child.pid == 0) {
		char *arguments[] = { (char *)"target", NULL }, *nothing[] = { NULL };

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(in[0], STDIN_FILENO);
		dup2(out[1], STDOUT_FILENO);
		if (contained && (mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
				  mount("none", "/tmp", "tmpfs", 0, NULL)))
			_exit(1);
		fexecve(file, arguments, nothing);
		_exit(1);
	}
	close(file);
	close(in[0]);
	close(out[1]);
	child.input = in[1];
	child.output = fdopen(out[0], "r");
	assert_int_equal(fscanf(child.output, "%" SCNx64, &child.address), 1);
	return child;
}

static struct child start(const char *name)
{
	return start_child(name, false);
}

static void stop(struct child *child)
{
	int status;

	if (!child->pid)
		return;
	close(child->input);
	assert_int_equal(waitpid(child->pid, &status, 0), child->pid);
	assert_int_equal(status, 0);
	fclose(child->output);
	child->pid = 0;
}

/* --- what is tested --- */

struct fixture {
	struct symbols *symbols;
	struct profile *profile;
	struct symbols_stats stats;
};

static struct fixture begin(const struct symbols_options *options)
{
	return (struct fixture){ .symbols = symbols_new(options), .profile = profile_new() };
}

static void end(struct fixture *f)
{
	symbols_free(f->symbols);
	profile_free(f->profile);
}

static uint32_t locate(struct fixture *f, pid_t pid, uint64_t address)
{
	return symbols_user_location(f->symbols, f->profile, pid, address, true);
}

static const struct function *function_of(struct fixture *f, uint32_t location)
{
	const struct location *l = profile_get_location(f->profile, location);

	assert_int_equal(l->nlines, 1);
	return profile_get_function(f->profile, l->lines[0].function);
}

static const char *name_of(struct fixture *f, uint32_t location)
{
	return profile_str(f->profile, function_of(f, location)->name);
}

static const char *file_of(struct fixture *f, uint32_t location)
{
	const struct location *l = profile_get_location(f->profile, location);

	return profile_str(f->profile, profile_get_mapping(f->profile, l->mapping)->file);
}

static void name(struct fixture *f)
{
	symbols_name(f->symbols, f->profile, &f->stats);
}

/* Runs it, looks at it while it lives, names its function after it is gone. */
static void assert_names(const char *program, const char *expected)
{
	struct fixture f = begin(NULL);
	struct child child = start(program);

	symbols_on_process(f.symbols, child.pid);
	uint32_t location = locate(&f, child.pid, child.address + 1);

	stop(&child);
	name(&f);
	assert_string_equal(name_of(&f, location), expected);
	end(&f);
}

static void static_functions_are_named_however_they_are_linked(void **state)
{
	static const char *const flags[] = { "-pie -fpie", "-no-pie", "-static",
					     "-static-pie -fpie" };

	(void)state;
	for (size_t i = 0; i < ARRAY_SIZE(flags); i++) {
		_cleanup_free_ char *command = xasprintf("cc -O1 %s -o linked target.c", flags[i]);

		run(command);
		assert_names("linked", "hidden");
	}
}

static void a_static_musl_program_is_named(void **state)
{
	(void)state;
	run("musl-gcc -O1 -static -o musl target.c");
	assert_names("musl", "hidden");
}

static void cplusplus_names_are_readable(void **state)
{
	struct fixture f = begin(NULL);
	struct child child;

	(void)state;
	run("c++ -O1 -o cplusplus target.cc");
	child = start("cplusplus");
	uint32_t location = locate(&f, child.pid, child.address);

	stop(&child);
	name(&f);
	assert_string_equal(name_of(&f, location), "ship::hull<int>::draw");
	assert_string_equal(profile_str(f.profile, function_of(&f, location)->system_name),
			    "_ZN4ship4hullIiE4drawEi");
	end(&f);
}

static void rust_names_are_readable(void **state)
{
	(void)state;
	run("rustc -O -C symbol-mangling-version=legacy -o rust target.rs 2>rustc.log || "
	    "rustc -O -o rust target.rs");
	assert_names("rust", "target::ship::draw");
	run("rustc -O -C symbol-mangling-version=v0 -o rust target.rs");
	assert_names("rust", "target::ship::draw");
}

static void a_stripped_program_is_named_by_the_debug_file_in_its_root(void **state)
{
	(void)state;
	run("cc -g -O1 -Wl,--build-id=none -o stripped target.c && "
	    "objcopy --only-keep-debug stripped stripped.debug && strip stripped && "
	    "objcopy --add-gnu-debuglink=stripped.debug stripped");
	assert_names("stripped", "hidden");
	/* Another file of that name has another checksum. */
	run("cc -g -O2 -DX=1 -Wl,--build-id=none -o x target.c && "
	    "objcopy --only-keep-debug x stripped.debug");

	struct fixture f = begin(NULL);
	struct child child = start("stripped");
	uint32_t location = locate(&f, child.pid, child.address);

	stop(&child);
	name(&f);
	assert_non_null(strstr(name_of(&f, location), "[stripped+0x"));
	assert_int_equal(f.stats.unnamed, 1);
	end(&f);
}

static void a_stripped_program_is_named_by_the_hosts_debug_file(void **state)
{
	char debug_root[256];
	struct fixture f;
	struct child child;

	(void)state;
	run("cc -g -O1 -Wl,--build-id=0x0123456789abcdef -o idful target.c && "
	    "mkdir -p debug/.build-id/01 && "
	    "objcopy --only-keep-debug idful debug/.build-id/01/23456789abcdef.debug && "
	    "strip idful");
	snprintf(debug_root, sizeof(debug_root), "%s", in_folder("debug"));
	f = begin(&(struct symbols_options){ .debug_root = debug_root });
	child = start("idful");
	uint32_t location = locate(&f, child.pid, child.address);

	stop(&child);
	run("rm -r debug"); /* it is held open */
	name(&f);
	assert_string_equal(name_of(&f, location), "hidden");
	end(&f);
}

static void a_deleted_program_is_named(void **state)
{
	struct fixture f = begin(NULL);
	struct child child;

	(void)state;
	run("cp target deleted");
	child = start("deleted");
	run("rm deleted");
	uint32_t location = locate(&f, child.pid, child.address);

	stop(&child);
	name(&f);
	assert_string_equal(name_of(&f, location), "hidden");
	assert_string_equal(file_of(&f, location), in_folder("deleted"));
	end(&f);
}

static void a_replaced_program_has_the_names_of_the_one_that_runs(void **state)
{
	struct fixture f = begin(NULL);
	struct child old, new;

	(void)state;
	run("cp target replaced && sed s/hidden/renamed/ target.c > new.c && "
	    "cc -O1 -Wl,--build-id=sha1 -o new new.c");
	old = start("replaced");
	run("mv new replaced");
	new = start("replaced");
	uint32_t a = locate(&f, old.pid, old.address), b = locate(&f, new.pid, new.address);

	stop(&old);
	stop(&new);
	name(&f);
	assert_string_equal(name_of(&f, a), "hidden");
	assert_string_equal(name_of(&f, b), "renamed");
	end(&f);
}

static void a_file_written_over_while_we_watch_gives_no_wrong_names(void **state)
{
	struct fixture f = begin(NULL);
	struct child child;

	(void)state;
	run("cp target rewritten");
	child = start("rewritten");
	uint32_t location = locate(&f, child.pid, child.address);

	stop(&child);
	run("cat jit > rewritten");
	name(&f);
	assert_non_null(strstr(name_of(&f, location), "[rewritten+0x"));
	end(&f);
}

static void two_processes_of_one_program_share_locations(void **state)
{
	struct fixture f = begin(NULL);
	struct child a = start("target"), b;

	(void)state;
	run("cp target copy");
	b = start("copy"); /* another file, the same build ID, other addresses */
	assert_int_equal(locate(&f, a.pid, a.address), locate(&f, b.pid, b.address));
	assert_int_equal(profile_count_mappings(f.profile), 1);
	stop(&a);
	stop(&b);
	end(&f);
}

static void a_return_address_counts_for_the_call_before_it(void **state)
{
	struct fixture f = begin(NULL);
	struct child child = start("target");

	(void)state;
	/* The first byte of `hidden` as return address is the last of what stands before it. */
	uint32_t leaf = locate(&f, child.pid, child.address);
	uint32_t caller = symbols_user_location(f.symbols, f.profile, child.pid, child.address,
						false);

	assert_int_equal(profile_get_location(f.profile, caller)->address + 1,
			 profile_get_location(f.profile, leaf)->address);
	stop(&child);
	name(&f);
	assert_string_equal(name_of(&f, leaf), "hidden");
	assert_string_not_equal(name_of(&f, caller), "hidden");
	end(&f);
}

static void addresses_are_those_of_the_symbol_table(void **state)
{
	struct fixture f = begin(NULL);
	struct child child = start("target");
	uint32_t location = locate(&f, child.pid, child.address);
	_cleanup_free_ char *command = xasprintf("nm %s | awk '$NF == \"hidden\" { print $1 }'",
						 in_folder("target"));
	FILE *nm = popen(command, "r");
	uint64_t address;

	(void)state;
	assert_int_equal(fscanf(nm, "%" SCNx64, &address), 1);
	pclose(nm);
	assert_int_equal(profile_get_location(f.profile, location)->address, address);
	stop(&child);
	end(&f);
}

/* --- what the side band tells --- */

struct own_map {
	uint64_t start, end, offset;
};

/* The executable mapping of a program that runs. */
static struct own_map map_of(pid_t pid, const char *program)
{
	char path[64], line[512], permissions[8], file[256];
	struct own_map map = { 0 }, m;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "r");
	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps))
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %*s %*s %255s", &m.start,
			   &m.end, permissions, &m.offset, file) == 5 &&
		    permissions[2] == 'x' && strcmp(file, in_folder(program)) == 0)
			map = m;
	fclose(maps);
	assert_true(map.start != 0);
	return map;
}

/* The record that perf writes of it, with build ID. */
static struct map_event event_of(pid_t pid, const char *program, struct elf *elf)
{
	struct own_map map = map_of(pid, program);
	struct image image;
	int fd = open(in_folder(program), O_RDONLY | O_CLOEXEC);

	assert_int_equal(image_of_file(fd, &image), 0);
	assert_int_equal(elf_open(&image, elf), 0);
	elf_close(elf);
	close(fd);
	return (struct map_event){ .pid = pid,
				   .start = map.start,
				   .length = map.end - map.start,
				   .offset = map.offset,
				   .path = xstrdup(in_folder(program)),
				   .build_id = elf->id,
				   .build_id_size = (uint32_t)elf->id_size };
}

static void a_build_id_that_is_known_needs_no_process(void **state)
{
	struct fixture f = begin(NULL);
	struct child child = start("target");
	struct elf elf;
	struct map_event event = event_of(child.pid, "target", &elf);

	(void)state;
	symbols_on_process(f.symbols, child.pid);
	/* A process that nobody can ask any more: it is only told about. */
	event.pid = 0x7ffffff0;
	event.start = 0x10000000;
	symbols_on_map(f.symbols, &event);
	uint32_t location = locate(&f, event.pid,
				   event.start + child.address - map_of(child.pid, "target").start);

	assert_int_equal(location, locate(&f, child.pid, child.address));
	stop(&child);
	name(&f);
	assert_string_equal(name_of(&f, location), "hidden");
	free((char *)event.path);
	end(&f);
}

static void a_file_missed_in_one_process_is_opened_in_the_next(void **state)
{
	struct fixture f = begin(NULL);
	struct child child = start("target");
	struct elf elf;
	struct map_event event = event_of(child.pid, "target", &elf);
	uint64_t offset = child.address - event.start;

	(void)state;
	event.pid = 0x7ffffff0;
	symbols_on_map(f.symbols, &event);
	uint32_t early = locate(&f, event.pid, event.start + offset); /* cannot be opened */
	uint32_t late = locate(&f, child.pid, child.address);

	stop(&child);
	name(&f);
	assert_string_equal(name_of(&f, early), "hidden");
	assert_string_equal(name_of(&f, late), "hidden");
	free((char *)event.path);
	end(&f);
}

static void a_fork_inherits_and_exec_forgets(void **state)
{
	struct fixture f = begin(NULL);
	struct child child = start("target");
	const pid_t forked = 0x7ffffff0, again = 0x7ffffff1;

	(void)state;
	symbols_on_process(f.symbols, child.pid);
	symbols_on_fork(f.symbols, child.pid, forked);
	symbols_on_fork(f.symbols, forked, again);
	symbols_on_exec(f.symbols, again);
	symbols_on_exit(f.symbols, child.pid);
	symbols_on_exit(f.symbols, forked);
	uint32_t inherited = locate(&f, forked, child.address);
	uint32_t forgotten = locate(&f, again, child.address);
	uint32_t late = locate(&f, child.pid, child.address);

	stop(&child);
	name(&f);
	assert_string_equal(name_of(&f, inherited), "hidden");
	assert_string_equal(name_of(&f, forgotten), SYMBOL_UNKNOWN);
	assert_string_equal(name_of(&f, late), "hidden");
	end(&f);
}

static void a_pid_that_is_used_again_is_another_process(void **state)
{
	struct fixture f = begin(NULL);
	struct child child = start("target");

	(void)state;
	symbols_on_process(f.symbols, child.pid);
	symbols_on_exit(f.symbols, child.pid);
	symbols_on_fork(f.symbols, 1, child.pid); /* of a parent that we never saw */
	symbols_on_exit(f.symbols, child.pid);
	uint32_t location = locate(&f, child.pid, child.address);

	stop(&child);
	name(&f);
	assert_string_equal(name_of(&f, location), SYMBOL_UNKNOWN);
	end(&f);
}

static void code_mapped_after_the_first_look_is_found(void **state)
{
	struct fixture f = begin(NULL);
	void *library;

	(void)state;
	write_file("library.c", "int in_library(int n) { return n + 1; }\n");
	run("cc -O1 -shared -fpic -o library.so library.c");
	symbols_on_process(f.symbols, getpid());
	library = dlopen(in_folder("library.so"), RTLD_NOW);
	assert_non_null(library);
	uint32_t location = locate(&f, getpid(), (uintptr_t)dlsym(library, "in_library"));

	dlclose(library);
	name(&f);
	assert_string_equal(name_of(&f, location), "in_library");
	end(&f);
}

static void processes_that_are_gone_are_counted(void **state)
{
	struct fixture f = begin(NULL);

	(void)state;
	symbols_on_process(f.symbols, 0x7ffffff0);
	uint32_t location = locate(&f, 0x7ffffff0, 0x1234);

	assert_int_equal(location, locate(&f, 0x7ffffff0, 0x5678));
	name(&f);
	assert_int_equal(f.stats.processes_missed, 1);
	assert_string_equal(name_of(&f, location), SYMBOL_UNKNOWN);
	assert_int_equal(profile_get_location(f.profile, location)->mapping, 0);
	end(&f);
}

/* --- code that is in no file --- */

static void the_vdso_is_named(void **state)
{
	struct fixture f = begin(NULL);
	void *vdso = dlopen("linux-vdso.so.1", RTLD_LAZY | RTLD_NOLOAD);

	(void)state;
	assert_non_null(vdso);
#ifdef __x86_64__
	const char *symbol = "__vdso_clock_gettime";
#else
	const char *symbol = "__kernel_clock_gettime";
#endif
	uint64_t address = (uintptr_t)dlsym(vdso, symbol);

	assert_true(address != 0);
	uint32_t location = locate(&f, getpid(), address + 1);

	name(&f);
	assert_string_equal(file_of(&f, location), "[vdso]");
	assert_non_null(strstr(name_of(&f, location), "clock_gettime"));
	end(&f);
}

static void a_perf_map_is_found_by_the_pid_inside_its_container(void **state)
{
	struct fixture f = begin(NULL);
	struct child a = start_child("jit", true), b = start_child("jit", true);

	(void)state;
	symbols_on_process(f.symbols, a.pid);
	uint32_t one = locate(&f, a.pid, a.address + 0x3f);
	uint32_t past = locate(&f, a.pid, a.address + 0x40);
	uint32_t other = locate(&f, b.pid, b.address);

	stop(&a);
	stop(&b);
	name(&f);
	assert_string_equal(name_of(&f, one), "draw");
	assert_string_equal(name_of(&f, other), "draw");
	assert_non_null(strstr(name_of(&f, past), "[perf-1.map+0x"));
	assert_string_equal(file_of(&f, one), "/tmp/perf-1.map");
	/* Both are /tmp/perf-1.map, and are not the same. */
	assert_int_not_equal(profile_get_location(f.profile, one)->mapping,
			     profile_get_location(f.profile, other)->mapping);
	assert_int_equal(profile_frame_kind(f.profile, one), FRAME_JIT);
	end(&f);
}

static void anonymous_code_without_perf_map_is_marked(void **state)
{
	struct fixture f = begin(NULL);
	void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	(void)state;
	assert_ptr_not_equal(code, MAP_FAILED);
	uint32_t location = locate(&f, getpid(), (uintptr_t)code);

	name(&f);
	assert_string_equal(file_of(&f, location), "[anon]");
	assert_non_null(strstr(name_of(&f, location), "[anon+0x"));
	assert_int_equal(profile_frame_kind(f.profile, location), FRAME_JIT);
	munmap(code, 4096);
	end(&f);
}

/* --- what is put in our way --- */

static void devices_and_fifos_are_not_opened(void **state)
{
	struct fixture f = begin(NULL);
	int zero = open("/dev/zero", O_RDWR | O_CLOEXEC);
	void *code = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_PRIVATE, zero, 0);

	(void)state;
	close(zero);
	assert_ptr_not_equal(code, MAP_FAILED);
	run("mkfifo fifo");
	alarm(20); /* opening the FIFO would wait for a writer until then */
	uint32_t device = locate(&f, getpid(), (uintptr_t)code);
	struct map_event event = { .pid = getpid(),
				   .start = 0x10000,
				   .length = 4096,
				   .path = in_folder("fifo"),
				   .device = 1,
				   .inode = 1 };

	symbols_on_map(f.symbols, &event);
	uint32_t fifo = locate(&f, getpid(), 0x10010);

	name(&f);
	alarm(0);
	assert_non_null(strstr(name_of(&f, device), "+0x"));
	assert_non_null(strstr(name_of(&f, fifo), "+0x"));
	munmap(code, 4096);
	end(&f);
}

static void paths_do_not_lead_out_of_the_containers_root(void **state)
{
	struct fixture f = begin(NULL);
	struct child child = start_child("target", true);
	char link[64];

	(void)state;
	/* Inside, /tmp is another one: the path of the test's folder leads nowhere there. */
	snprintf(link, sizeof(link), "/proc/%d/root/tmp/escape", (int)child.pid);
	assert_int_equal(symlink("../../../../../proc/self/exe", link), 0);
	struct map_event event = { .pid = child.pid,
				   .start = 0x10000,
				   .length = 4096,
				   .path = "/tmp/escape",
				   .device = 1,
				   .inode = 1 };

	symbols_on_process(f.symbols, child.pid);
	symbols_on_map(f.symbols, &event);
	uint32_t escaped = locate(&f, child.pid, 0x10010);
	uint32_t honest = locate(&f, child.pid, child.address);

	stop(&child);
	name(&f);
	assert_string_equal(name_of(&f, escaped), "[escape+0x10]");
	assert_string_equal(name_of(&f, honest), "hidden"); /* by map_files, no path needed */
	end(&f);
}

static void hostile_paths_and_ids_are_bounded_and_clean(void **state)
{
	struct fixture f = begin(NULL);
	static char path[100000];
	uint8_t id[200] = { 1 };
	struct map_event event = { .pid = 0x7ffffff0,
				   .start = 0x10000,
				   .length = 4096,
				   .path = path,
				   .build_id = id,
				   .build_id_size = sizeof(id) };

	(void)state;
	memset(path, '\xff', sizeof(path) - 1);
	path[0] = '/';
	symbols_on_map(f.symbols, &event);
	event.start = UINT64_MAX - 10; /* wraps */
	symbols_on_map(f.symbols, &event);
	uint32_t location = locate(&f, event.pid, 0x10010);

	name(&f);
	assert_true(strlen(file_of(&f, location)) <= 1024);
	assert_null(strchr(file_of(&f, location), '\xff'));
	end(&f);
}

static void the_number_of_files_kept_is_bounded(void **state)
{
	struct fixture f = begin(NULL);
	struct map_event event = { .pid = 0x7ffffff0,
				   .start = 0x10000,
				   .length = 4096,
				   .path = "/some/file",
				   .device = 1 };
	uint32_t location = 0;

	(void)state;
	/* Each replaces the one before it at its address: all but the last few may be forgotten. */
	for (uint64_t i = 1; i < 100000; i++) {
		event.inode = i;
		symbols_on_map(f.symbols, &event);
		if (i == 5)
			location = locate(&f, event.pid, 0x10010);
	}
	name(&f);
	assert_string_equal(name_of(&f, location), "[file+0x10]");
	end(&f);
}

/* --- the kernel --- */

static void kernel_frames_belong_to_the_kernel_or_their_module(void **state)
{
	char kallsyms[256], proc[256];
	struct fixture f;

	(void)state;
	run("mkdir -p proc");
	write_file("proc/modules", "ext4 1048576 1 - Live 0xffffffffc0a00000\n"
				   "nfs 4096 0 - Live 0xffffffffc0900000 (OE)\n"
				   "hidden 4096 0 - Live 0x0000000000000000\n");
	write_file("kallsyms", "ffffffff81000000 T _text\n"
			       "ffffffff81000100 T __x64_sys_read\n"
			       "ffffffff81000200 T _etext\n"
			       "ffffffffc0a00000 t ext4_read\t[ext4]\n"
			       "ffffffffc0900000 t nfs_read\t[nfs]\n"
			       "ffffffffc0f00000 t bpf_prog_1234_on_sample\t[bpf]\n");
	snprintf(kallsyms, sizeof(kallsyms), "%s", in_folder("kallsyms"));
	snprintf(proc, sizeof(proc), "%s", in_folder("proc"));
	f = begin(&(struct symbols_options){ .kallsyms = kallsyms, .proc = proc });

	static const struct {
		uint64_t address;
		const char *name, *file;
	} expected[] = {
		{ 0xffffffff81000123, "__x64_sys_read", MAPPING_KERNEL },
		{ 0xffffffffc0a00123, "ext4_read", "[ext4]" },
		{ 0xffffffffc0900fff, "nfs_read", "[nfs]" },
#ifdef __x86_64__
		{ 0xffffffffc0f00010, "bpf_prog_1234_on_sample", "[bpf]" },
		/* Behind nfs, in no module; the nearest symbol is not its name. */
		{ 0xffffffffc0901000, "[bpf+0xffffffffc0901000]", "[bpf]" },
#else
		{ 0xffffffffc0f00010, "bpf_prog_1234_on_sample", MAPPING_KERNEL },
#endif
	};
	uint32_t locations[ARRAY_SIZE(expected)];

	for (size_t i = 0; i < ARRAY_SIZE(expected); i++)
		locations[i] = symbols_kernel_location(f.symbols, f.profile, expected[i].address,
						       true);
	name(&f);
	for (size_t i = 0; i < ARRAY_SIZE(expected); i++) {
		assert_string_equal(name_of(&f, locations[i]), expected[i].name);
		assert_string_equal(file_of(&f, locations[i]), expected[i].file);
		assert_int_equal(profile_frame_kind(f.profile, locations[i]), FRAME_KERNEL);
	}
	end(&f);
}

static void this_kernels_functions_are_named(void **state)
{
	struct fixture f = begin(NULL);
	uint64_t address = 0;
	char line[512], type, symbol[256];
	FILE *kallsyms = fopen("/proc/kallsyms", "r");

	(void)state;
	assert_non_null(kallsyms);
	while (fgets(line, sizeof(line), kallsyms))
		if (sscanf(line, "%" SCNx64 " %c %255s", &address, &type, symbol) == 3 &&
		    strcmp(symbol, "schedule") == 0)
			break;
	fclose(kallsyms);
	assert_true(address != 0);
	uint32_t leaf = symbols_kernel_location(f.symbols, f.profile, address, true);
	uint32_t caller = symbols_kernel_location(f.symbols, f.profile, address + 5, false);

	name(&f);
	assert_string_equal(name_of(&f, leaf), "schedule");
	assert_string_equal(name_of(&f, caller), "schedule");
	assert_string_equal(file_of(&f, leaf), MAPPING_KERNEL);
	end(&f);
}

static int count_fds(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void files_stay_open_for_one_more_profile_and_no_longer(void **state)
{
	struct fixture f = begin(NULL);
	struct child child = start("target");
	uint64_t address = child.address;
	pid_t pid = child.pid;

	(void)state;
	symbols_on_process(f.symbols, pid);
	locate(&f, pid, address);
	stop(&child);
	symbols_on_exit(f.symbols, pid);

	int before = count_fds();

	for (int i = 0; i < 2; i++) {
		assert_int_equal(count_fds(), before);
		name(&f);
		assert_int_equal(f.stats.named, 1);
		profile_free(f.profile);
		f.profile = profile_new();
		locate(&f, pid, address);
	}
	uint32_t location = locate(&f, pid, address);

	assert_true(count_fds() < before);
	name(&f);
	assert_string_equal(name_of(&f, location), SYMBOL_UNKNOWN);
	end(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(static_functions_are_named_however_they_are_linked),
		cmocka_unit_test(a_static_musl_program_is_named),
		cmocka_unit_test(cplusplus_names_are_readable),
		cmocka_unit_test(rust_names_are_readable),
		cmocka_unit_test(a_stripped_program_is_named_by_the_debug_file_in_its_root),
		cmocka_unit_test(a_stripped_program_is_named_by_the_hosts_debug_file),
		cmocka_unit_test(a_deleted_program_is_named),
		cmocka_unit_test(a_replaced_program_has_the_names_of_the_one_that_runs),
		cmocka_unit_test(a_file_written_over_while_we_watch_gives_no_wrong_names),
		cmocka_unit_test(two_processes_of_one_program_share_locations),
		cmocka_unit_test(a_return_address_counts_for_the_call_before_it),
		cmocka_unit_test(addresses_are_those_of_the_symbol_table),
		cmocka_unit_test(a_build_id_that_is_known_needs_no_process),
		cmocka_unit_test(a_file_missed_in_one_process_is_opened_in_the_next),
		cmocka_unit_test(a_fork_inherits_and_exec_forgets),
		cmocka_unit_test(a_pid_that_is_used_again_is_another_process),
		cmocka_unit_test(code_mapped_after_the_first_look_is_found),
		cmocka_unit_test(processes_that_are_gone_are_counted),
		cmocka_unit_test(the_vdso_is_named),
		cmocka_unit_test(a_perf_map_is_found_by_the_pid_inside_its_container),
		cmocka_unit_test(anonymous_code_without_perf_map_is_marked),
		cmocka_unit_test(devices_and_fifos_are_not_opened),
		cmocka_unit_test(paths_do_not_lead_out_of_the_containers_root),
		cmocka_unit_test(hostile_paths_and_ids_are_bounded_and_clean),
		cmocka_unit_test(the_number_of_files_kept_is_bounded),
		cmocka_unit_test(kernel_frames_belong_to_the_kernel_or_their_module),
		cmocka_unit_test(this_kernels_functions_are_named),
		cmocka_unit_test(files_stay_open_for_one_more_profile_and_no_longer),
	};

	return cmocka_run_group_tests(tests, make_files, remove_files);
}
