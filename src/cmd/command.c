/* SPDX-License-Identifier: Apache-2.0 */
/* A command that is profiled; see command.h. */
#include "cmd/command.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/log.h"

static void child(char *const *argv, int go, int refused)
{
	sigset_t none;
	char byte;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	/* The end of file is the sign to go; a profiler that died gives it too, so look for a byte.
	 */
	if (read(go, &byte, 1) != 1)
		_exit(127);
	execvp(argv[0], argv);
	int err = errno;
	if (write(refused, &err, sizeof(err)) < 0)
		_exit(126);
	_exit(127);
}

int command_start(char *const *argv, struct command *command)
{
	int go[2], refused[2], err;

	if (pipe2(go, O_CLOEXEC) < 0)
		return -errno;
	if (pipe2(refused, O_CLOEXEC) < 0) {
		err = -errno;
		close(go[0]);
		close(go[1]);
		return err;
	}
	*command = (struct command){ .go = go[1], .refused = refused[0], .name = argv[0] };
	command->pid = fork();
	if (command->pid == 0) {
		close(go[1]);
		child(argv, go[0], refused[1]);
	}
	err = command->pid < 0 ? -errno : 0;
	close(go[0]);
	close(refused[1]);
	command->pidfd = err ? -1 : (int)syscall(SYS_pidfd_open, command->pid, 0);
	if (!err && command->pidfd < 0)
		err = -errno;
	if (err)
		log_error("cannot start '%s': %s", command->name, strerror(-err));
	return err;
}

int command_release(struct command *command)
{
	int err = 0;
	ssize_t n;

	if (write(command->go, "", 1) < 0)
		err = errno;
	close(command->go);
	command->go = -1;
	/* Ends without data when exec succeeds, for the child's end closes on exec. */
	do
		n = read(command->refused, &err, sizeof(err));
	while (n < 0 && errno == EINTR);
	if (err)
		log_error("cannot run '%s': %s", command->name, strerror(err));
	return -err;
}

void command_wait(struct command *command, int terminate)
{
	int status;

	if (terminate)
		kill(command->pid, SIGTERM);
	while (waitpid(command->pid, &status, 0) < 0)
		if (errno != EINTR)
			return;
	command->pid = 0;
	if (WIFEXITED(status) && WEXITSTATUS(status))
		log_info("'%s' ended with status %d", command->name, WEXITSTATUS(status));
	else if (WIFSIGNALED(status) && !terminate)
		log_info("'%s' was ended by signal %s", command->name,
			 sigabbrev_np(WTERMSIG(status)));
}

void command_close(struct command *command)
{
	if (!command->name)
		return;
	if (command->go >= 0)
		close(command->go);
	if (command->pid > 0) {
		kill(command->pid, SIGKILL);
		waitpid(command->pid, NULL, 0);
	}
	close(command->refused);
	if (command->pidfd >= 0)
		close(command->pidfd);
	*command = (struct command){ 0 };
}
