/* SPDX-License-Identifier: Apache-2.0 */
/* The stacks of an open container; see top_sampler.h. */
#include "cmd/top_sampler.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/cleanup.h"
#include "container/watch.h"
#include "profile/profile.h"
#include "signal/sideband.h"
#include "signal/signal.h"
#include "signal/unwinder.h"
#include "symbol/symbol.h"

/* As record does: 200 samples in two seconds of one busy CPU are enough to see what is hot. */
#define FREQUENCY 99

struct top_sampler {
	struct containers *containers;
	char *pattern; /* of the watch, that means this container and no other */
	int epoll;     /* of all below, so that whoever waits needs to know but one */
	struct watch *watch;
	struct symbols *symbols;
	struct sideband *sideband;
	struct unwinder *unwinder;
	struct profile *profile; /* of this round */
	struct signal *signal;
};

/* By its id, or where that is only a name, by the name with nothing in it that a glob understands.
 */
static char *pattern_of(const struct container *c)
{
	bool has_long_id = strlen(c->id) == 64 && strspn(c->id, "0123456789abcdef") == 64;
	const char *text = has_long_id ? c->id : c->name;
	char *pattern = xmalloc(2 * strlen(text) + 1), *to = pattern;

	for (; *text; text++) {
		if (strchr("*?[\\", *text) && strpbrk(c->name, "*?["))
			*to++ = '\\';
		*to++ = *text;
	}
	*to = '\0';
	return pattern;
}

static int add_fd(const struct top_sampler *s, int fd)
{
	struct epoll_event event = { .events = EPOLLIN };

	if (fd < 0)
		return -EBADF;
	return epoll_ctl(s->epoll, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static int begin_round(struct top_sampler *s)
{
	struct profile *before = s->profile;
	const struct signal_options options = {
		.frequency = FREQUENCY,
		.watch = s->watch,
		.containers = s->containers,
		.symbols = s->symbols,
		.sideband = s->sideband,
		.unwinder = s->unwinder,
		.profile = profile_new(),
	};
	int err;

	/* The old one goes last: symbols tell profiles apart by where they are. */
	s->profile = options.profile;
	profile_free(before);
	err = cpu_signal.open(&options, &s->signal);
	return err ? err : add_fd(s, cpu_signal.fd(s->signal));
}

static int open_all(struct top_sampler *s)
{
	const char *patterns[] = { s->pattern };
	const struct watch_options watch = {
		.containers = s->containers,
		.patterns = patterns,
		.npatterns = 1,
	};
	int err = watch_open(&watch, &s->watch);

	if (!err)
		err = add_fd(s, watch_fd(s->watch));
	if (err)
		return err;
	s->symbols = symbols_new(&(struct symbols_options){ 0 });
	err = sideband_open(s->symbols, &s->sideband);
	if (!err)
		err = add_fd(s, sideband_fd(s->sideband));
	if (!err)
		err = unwinder_open(s->symbols, &s->unwinder);
	if (!err)
		err = add_fd(s, unwinder_fd(s->unwinder));
	return err ? err : begin_round(s);
}

int top_sampler_open(struct containers *containers, const struct container *container,
		     struct top_sampler **out)
{
	struct top_sampler *s = xcalloc(1, sizeof(*s));
	int err;

	s->containers = containers;
	s->pattern = pattern_of(container);
	s->epoll = epoll_create1(EPOLL_CLOEXEC);
	err = s->epoll < 0 ? -errno : open_all(s);
	if (err) {
		top_sampler_close(s);
		return err;
	}
	*out = s;
	return 0;
}

void top_sampler_close(struct top_sampler *s)
{
	if (!s)
		return;
	cpu_signal.close(s->signal);
	unwinder_close(s->unwinder);
	sideband_close(s->sideband);
	watch_close(s->watch);
	profile_free(s->profile);
	symbols_free(s->symbols);
	if (s->epoll >= 0)
		close(s->epoll);
	free(s->pattern);
	free(s);
}

int top_sampler_fd(const struct top_sampler *s)
{
	return s->epoll;
}

void top_sampler_drain(struct top_sampler *s)
{
	watch_drain(s->watch);
	if (s->signal)
		cpu_signal.drain(s->signal, false);
}

void top_sampler_tick(struct top_sampler *s)
{
	sideband_tick(s->sideband);
	symbols_tick(s->symbols);
	unwinder_tick(s->unwinder);
	if (s->signal)
		cpu_signal.tick(s->signal);
}

int top_sampler_round(struct top_sampler *s, struct top_open *open)
{
	int err;

	cpu_signal.stop(s->signal);
	watch_drain(s->watch);
	err = cpu_signal.drain(s->signal, true);
	if (!err) {
		symbols_name(s->symbols, s->profile, NULL);
		top_open_profile(open, s->profile);
	}
	cpu_signal.close(s->signal);
	s->signal = NULL;
	return err ? err : begin_round(s);
}
