/* SPDX-License-Identifier: Apache-2.0 */
/*
 * When Java virtual machines are asked for perf maps, where that is wanted (jvm_maps of struct
 * symbols_options): soon after one is sampled, since it may be gone at the end; again after twice
 * the time, and so on, since nobody knows when it ends; and at the end, for what it compiled since.
 */

#include "base/cleanup.h"
#include "base/clock.h"
#include "base/log.h"
#include "symbol/proc_status.h"
#include "symbol/state.h"

#define ASK_AGAIN_MS 2000
/* So many are told of one by one. */
#define WARNINGS_MAX 5

void symbols_meet_jvm(struct symbols *s, struct process *process)
{
	struct proc_status status;

	if (!s->jvms || process->dead)
		return;
	if (!process->jit)
		process->jit = jits_new(&s->jits, process->pid);
	if (!process->jit || process->jit->is_jvm ||
	    proc_status_read(s->proc, process->pid, &status))
		return;
	process->jit->is_jvm = true;
	jit_expect(process->jit, status.own_pid);
}

static bool can_be_asked(const struct process *process)
{
	const struct jit *jit = process->jit;

	return jit && jit->is_jvm && !jit->refused && !process->dead;
}

/* What will not change in the course of a recording. */
static bool is_final(const struct jvm_answer *answer)
{
	return answer->state == JVM_FORBIDDEN || answer->state == JVM_TOO_OLD ||
	       answer->state == JVM_SWITCHED_OFF;
}

static void explain(struct symbols *s, const struct process *process,
		    const struct jvm_answer *answer)
{
	const char *lost = process->jit->fd < 0 ? "Java functions stay unnamed"
						: "Java functions compiled of late stay unnamed";
	char why[256];

	jvm_explain(answer, why, sizeof(why));
	if (s->jvm_warnings++ < WARNINGS_MAX)
		log_warn("process %d: %s: %s", process->pid, lost, why);
	else
		log_debug("process %d: %s: %s", process->pid, lost, why);
}

static void take_answers(struct symbols *s, bool at_end)
{
	struct jvm_answer answer;
	pid_t pid;
	int map;

	while (jvms_next(s->jvms, at_end, &pid, &answer, &map) > 0) {
		struct process *process = processes_find(&s->processes, pid);
		struct jit *jit = process ? process->jit : NULL;

		if (map >= 0 && jit)
			jit_take_map(&s->jits, jit, map);
		else if (map >= 0)
			close(map);
		if (map >= 0 || !jit)
			continue;
		jit->refused = is_final(&answer);
		/* Others may answer when they are asked again. */
		if (jit->refused || (at_end && answer.state != JVM_GONE))
			explain(s, process, &answer);
		/* Before it has begun, it has not compiled either. */
		if (answer.state == JVM_DEAF)
			jit->ask_interval = 0;
	}
}

void symbols_tick_jvms(struct symbols *s)
{
	int64_t now = clock_ms(CLOCK_MONOTONIC_COARSE);

	if (!s->jvms)
		return;
	take_answers(s, false);
	for (size_t i = 0; i < s->processes.n; i++) {
		struct process *process = &s->processes.all[i];
		struct jit *jit = process->jit;

		if (!can_be_asked(process) || now < jit->next_ask)
			continue;
		jit->ask_interval = MAX(2 * jit->ask_interval, ASK_AGAIN_MS);
		jit->next_ask = now + jit->ask_interval;
		jvms_ask(s->jvms, process->pid);
	}
}

void symbols_ask_jvms(struct symbols *s)
{
	if (!s->jvms)
		return;
	take_answers(s, true);
	for (size_t i = 0; i < s->processes.n; i++) {
		const struct process *process = &s->processes.all[i];

		/* Only whose code is in this profile. */
		if (can_be_asked(process) && process->jit->epoch == s->epoch)
			jvms_ask(s->jvms, process->pid);
	}
	take_answers(s, true);
}
