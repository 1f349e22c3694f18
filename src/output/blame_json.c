/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blame for programs; docs/formats.md is the contract. A victim a line, with all its culprits; the
 * times are exact, so that a reader can sum them up in another way.
 */
#include <inttypes.h>

#include "output/blame.h"

#define VERSION 1

static const char *const kinds[] = {
	[PARTY_CONTAINER] = "container",   [PARTY_KERNEL] = "kernel",
	[PARTY_INTERRUPTS] = "interrupts", [PARTY_IDLE] = "wake-up",
	[PARTY_UNKNOWN] = "unknown",
};

/* Of a container also what sort it is: the host and systemd's units are containers to the ledger.
 */
static const char *kind_of(const struct party *party)
{
	static const char *const owners[] = {
		[OWNER_HOST] = "host",
		[OWNER_UNIT] = "unit",
		[OWNER_CONTAINER] = "container",
	};

	if (party->kind == PARTY_CONTAINER && party->container)
		return owners[party->container->kind];
	return kinds[party->kind];
}

static void add_party(struct buffer *out, const struct party *party)
{
	buffer_puts(out, "\"name\":");
	escape_json(out, party_name(party));
	buffer_printf(out, ",\"kind\":\"%s\"", kind_of(party));
	if (party->container && *party->container->id) {
		buffer_puts(out, ",\"id\":");
		escape_json(out, party->container->id);
	}
}

static void add_victim(struct buffer *out, const struct blame_victim *victim, bool by_cpu)
{
	buffer_puts(out, "{");
	add_party(out, &victim->party);
	if (by_cpu)
		buffer_printf(out, ",\"cpu\":%u", victim->cpu);
	else
		buffer_printf(out, ",\"ran_ns\":%" PRIu64, victim->ran);
	buffer_printf(out, ",\"waited_ns\":%" PRIu64 ",\"culprits\":[", victim->waited);
	for (size_t i = 0; i < victim->n; i++) {
		const struct blame_culprit *c = &victim->culprits[i];

		buffer_puts(out, i ? ",{" : "{");
		add_party(out, &c->party);
		buffer_printf(out, ",\"self\":%s,\"ns\":%" PRIu64 "}",
			      c->is_self ? "true" : "false", c->ns);
	}
	buffer_puts(out, "]}");
}

void blame_write_json(const struct ledger_window *w, const struct blame_options *o,
		      struct buffer *out)
{
	struct blame_view v;

	blame_view_init(&v, w, o);
	buffer_printf(out, "{\"version\":%d,\"duration_ns\":%" PRIu64 ",\"cpus\":%u", VERSION,
		      w->wall, o->cpus);
	buffer_printf(out,
		      ",\"waited_ns\":%" PRIu64 ",\"attributed_ns\":%" PRIu64
		      ",\"forgotten_ns\":%" PRIu64 ",\"no_room_ns\":%" PRIu64,
		      w->waited, w->attributed, w->forgotten, w->no_room);
	buffer_puts(out, ",\n\"victims\":[");
	for (size_t i = 0; i < v.n; i++) {
		buffer_puts(out, i ? ",\n" : "\n");
		add_victim(out, &v.victims[i], o->by_cpu);
	}
	buffer_puts(out, "\n]}\n");
	blame_view_free(&v);
}
