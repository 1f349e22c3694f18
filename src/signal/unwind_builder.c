/* SPDX-License-Identifier: Apache-2.0 */
/* Tables are built in a confined child; see unwind_builder.h. */
#include "signal/unwind_builder.h"
#include "base/clock.h"
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

/* Of the child: eight million rows and what they are made from. */
#define CHILD_MEMORY ((uint64_t)768 << 20)
/* Rows, and an index entry and a carried row for every page of code. */
#define WORDS_MAX (UNWIND_ROWS_MAX + 2 * UNWIND_PAGES_MAX + 1)

struct request {
	uint32_t number;
};

struct reply {
	uint32_t number;
	int32_t error;
	uint64_t nanoseconds;
};

/* The memfd begins with this; then the rules, then the words. */
struct file_head {
	uint64_t base;
	uint32_t pages, nwords, nrules;
	uint32_t rows, functions, functions_refused, rows_unsupported;
	uint32_t reserved;
};
_Static_assert(sizeof(struct file_head) == 40, "no padding");

#define FILE_SIZE_MAX                                                                    \
	(sizeof(struct file_head) + UNWIND_FILE_RULES_MAX * sizeof(struct unwind_rule) + \
	 WORDS_MAX * sizeof(uint32_t))

/* --- the file that carries a table --- */

/* Of fixed size, so that it cannot be cut short under our eyes. */
int build_file_new(void)
{
	_cleanup_close_ int fd = memfd_create("plimsoll-table", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0 || ftruncate(fd, FILE_SIZE_MAX) < 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW) < 0)
		return -errno;
	return TAKE_FD(fd);
}

int build_file_write(int fd, const struct unwind_built *built)
{
	const struct file_head head = {
		.base = built->base,
		.pages = built->pages,
		.nwords = built->nwords,
		.nrules = built->nrules,
		.rows = built->rows,
		.functions = built->functions,
		.functions_refused = built->functions_refused,
		.rows_unsupported = built->rows_unsupported,
	};
	off_t at = 0;
	int err;

	if (built->nrules > UNWIND_FILE_RULES_MAX || built->nwords > WORDS_MAX)
		return -E2BIG;
	err = write_at(fd, &head, sizeof(head), &at);
	if (!err)
		err = write_at(fd, built->rules, built->nrules * sizeof(*built->rules), &at);
	if (!err)
		err = write_at(fd, built->words, built->nwords * sizeof(*built->words), &at);
	return err;
}

int build_file_read(int fd, struct build_answer *answer)
{
	struct file_head head;

	/* From here on nobody changes it; fails if the child still maps it for writing. */
	if (fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE) < 0)
		return -EBADMSG;
	if (pread(fd, &head, sizeof(head), 0) != sizeof(head))
		return -EBADMSG;
	if (head.nrules > UNWIND_FILE_RULES_MAX || head.nwords > WORDS_MAX)
		return -EBADMSG;
	answer->size = sizeof(head) + head.nrules * sizeof(struct unwind_rule) +
		       head.nwords * sizeof(uint32_t);
	/* Private, since before Linux 6.7 a file sealed against writing cannot be shared at all. */
	answer->memory = mmap(NULL, answer->size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (answer->memory == MAP_FAILED) {
		answer->memory = NULL;
		return -errno;
	}

	struct unwind_rule *rules = (void *)((char *)answer->memory + sizeof(head));

	answer->built = (struct unwind_built){
		.base = head.base,
		.pages = head.pages,
		.nwords = head.nwords,
		.words = (uint32_t *)(rules + head.nrules),
		.rules = rules,
		.nrules = head.nrules,
		.rows = head.rows,
		.functions = head.functions,
		.functions_refused = head.functions_refused,
		.rows_unsupported = head.rows_unsupported,
	};
	return unwind_built_check(&answer->built) ? -EBADMSG : 0;
}

void build_answer_release(struct build_answer *answer)
{
	if (answer->memory)
		munmap(answer->memory, answer->size);
	*answer = (struct build_answer){ 0 };
}

/* --- the child --- */

static int build_from(const struct elf *elf, int debug_fd, int out)
{
	struct elf debug = { 0 };
	struct unwind_built built;
	struct image image;
	bool has_debug = debug_fd >= 0 && image_of_file(debug_fd, &image) == 0 &&
			 elf_open(&image, &debug) == 0;
	int err = unwind_build(elf, has_debug ? &debug : NULL, &built);

	elf_close(&debug);
	if (err)
		return err;
	err = build_file_write(out, &built);
	unwind_built_free(&built);
	return err;
}

static int build(int fd, int debug_fd, int out)
{
	struct image image;
	struct elf elf;
	int err = image_of_file(fd, &image);

	err = err ? err : elf_open(&image, &elf);
	if (err)
		return err;
	err = build_from(&elf, debug_fd, out);
	elf_close(&elf);
	return err;
}

/* Descriptors of a request: the memfd, the file, its debug file. */
enum { FD_OUT, FD_FILE, FD_DEBUG, FDS };

void builder_child(int socket, void *context)
{
	struct request request;
	int fds[FDS];
	size_t nfds = FDS;

	(void)context;
	while (confined_receive(socket, &request, sizeof(request), fds, &nfds) == sizeof(request) &&
	       nfds > FD_FILE) {
		uint64_t began = clock_ns(CLOCK_MONOTONIC);
		struct reply reply = {
			.number = request.number,
			.error = build(fds[FD_FILE], nfds > FD_DEBUG ? fds[FD_DEBUG] : -1,
				       fds[FD_OUT]),
		};

		reply.nanoseconds = clock_ns(CLOCK_MONOTONIC) - began;
		for (size_t i = 0; i < nfds; i++)
			close(fds[i]);
		if (confined_send(socket, &reply, sizeof(reply), NULL, 0) < 0)
			return;
		nfds = FDS;
	}
}

/* --- our side --- */

static int start_child(struct unwind_builder *builder)
{
	const struct confined_options options = { .name = "plimsoll-tables",
						  .memory = CHILD_MEMORY };
	int err;

	if (builder->child.pid > 0)
		return 0;
	err = confined_start(&options, builder->run, NULL, &builder->child);
	builder->children += !err;
	return err;
}

int builder_open(struct unwind_builder *builder, confined_fn run)
{
	*builder = (struct unwind_builder){
		.run = run ? run : builder_child,
		.child.socket = -1,
	};
	return start_child(builder);
}

void builder_close(struct unwind_builder *builder)
{
	confined_stop(&builder->child);
	if (builder->number)
		close(builder->memfd);
}

int builder_fd(const struct unwind_builder *builder)
{
	return builder->child.pid > 0 ? builder->child.socket : -1;
}

bool builder_is_busy(const struct unwind_builder *builder)
{
	return builder->number != 0;
}

static int ask(struct unwind_builder *builder, uint32_t number, int fd, int debug_fd)
{
	const struct request request = { .number = number };
	const int fds[FDS] = { builder->memfd, fd, debug_fd };
	int err = start_child(builder);

	return err ? err
		   : confined_send(builder->child.socket, &request, sizeof(request), fds,
				   debug_fd >= 0 ? FDS : FDS - 1);
}

int builder_start(struct unwind_builder *builder, uint32_t number, int fd, int debug_fd,
		  int64_t now)
{
	int err;

	builder->memfd = build_file_new();
	if (builder->memfd < 0)
		return builder->memfd;
	err = ask(builder, number, fd, debug_fd);
	if (err == -EPIPE || err == -ECONNRESET) {
		/* It died of the one before, after it had answered. */
		confined_stop(&builder->child);
		err = ask(builder, number, fd, debug_fd);
	}
	if (err) {
		close(builder->memfd);
		return err;
	}
	builder->number = number;
	builder->began = now;
	return 0;
}

static bool is_readable(int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* 0 when the child answered as it should, be it with an error; else it is not to be trusted. */
static int receive(struct unwind_builder *builder, struct build_answer *answer)
{
	struct reply reply;
	size_t nfds = 0;
	ssize_t size = confined_receive(builder->child.socket, &reply, sizeof(reply), NULL, &nfds);

	if (size <= 0)
		return size < 0 ? (int)size : -ECONNRESET;
	if (size != sizeof(reply) || reply.number != builder->number || reply.error > 0)
		return -EPROTO;
	answer->nanoseconds = reply.nanoseconds;
	answer->error = reply.error;
	return reply.error ? 0 : build_file_read(builder->memfd, answer);
}

bool builder_take(struct unwind_builder *builder, int64_t now, struct build_answer *answer)
{
	int err;

	if (!builder->number)
		return false;
	*answer = (struct build_answer){ .number = builder->number };
	if (is_readable(builder->child.socket))
		err = receive(builder, answer);
	else if (now - builder->began >= BUILD_MS_MAX)
		err = -ETIME;
	else
		return false;
	if (err) {
		build_answer_release(answer);
		answer->number = builder->number;
		answer->error = err;
		confined_stop(&builder->child);
	}
	builder->number = 0;
	close(builder->memfd);
	return true;
}
