/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Asking one Java virtual machine for a perf map, through the door that jcmd(1) uses.
 *
 *     us, as its user                          HotSpot, Java 17 or newer
 *     /tmp/.attach_pidN, SIGQUIT ------------> makes the socket /tmp/.java_pidN
 *     connect, "jcmd Compiler.perfmap" ------> writes /tmp/perf-N.map
 *     <----------------------------- "0\n..."
 *     open the map, remove it
 *
 * Everything happens inside the root of its container, no link is followed out of it, and with no
 * more rights than the machine itself has: it accepts only its own user, and whatever a process
 * that plays JVM may lead us to, that user may do anyway. Therefore to be called in a child process
 * of its own, which changes its user for good.
 */
#ifndef PLIMSOLL_SYMBOL_JVM_ATTACH_H
#define PLIMSOLL_SYMBOL_JVM_ATTACH_H

#include <stdint.h>
#include <sys/types.h>

enum jvm_state {
	JVM_ANSWERED,	  /* there is a map */
	JVM_GONE,	  /* the process ended */
	JVM_FORBIDDEN,	  /* we may not become its user, or not see its root */
	JVM_SWITCHED_OFF, /* -XX:+DisableAttachMechanism */
	JVM_STOPPED,	  /* by SIGSTOP or a debugger: could not answer */
	JVM_DEAF,	  /* does not catch SIGQUIT, which would end it: it is just starting */
	JVM_SILENT,	  /* no socket, or no answer on it, in time */
	JVM_TOO_OLD,	  /* knows no Compiler.perfmap */
	JVM_REFUSED,	  /* anything else; see `text` */
	JVM_STATES
};

struct jvm_answer {
	uint32_t state; /* enum jvm_state */
	int32_t own_pid;
	char text[200]; /* what it said; may be anything, NUL-terminated */
};

/*
 * Asks and waits for the answer, `timeout_ms` at most. Returns the map, open for reading, when the
 * state is JVM_ANSWERED, else -1. A map that was not there before is removed: only our descriptor
 * keeps it.
 */
int jvm_attach(const char *proc, pid_t pid, int timeout_ms, struct jvm_answer *out);

#endif
