# SPDX-License-Identifier: Apache-2.0
"""
Debian's own programs at work, as a distribution built them: most without frame pointers.

    with at_work("postgres", folder) as pids:
        ...     # they are busy until the end of the block

Each is a row of PROGRAMS: a context manager that starts the program in a folder of its own and
yields the processes that do the work. What they are given to do is in tests/workloads/busy.
"""

import contextlib
import glob
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import time

BUSY = pathlib.Path(__file__).resolve().parent.parent / "workloads" / "busy"
PATIENCE = 60


def _search(program):
    """Debian's own; a machine may have others in front of it."""
    return shutil.which(program, path="/usr/bin:/usr/sbin:/bin:/sbin")


def prepare(*command, **how):
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True, **how)
    assert done.returncode == 0, "%s: %s" % (command[0], done.stdout + done.stderr)
    return done.stdout


def wait_for(what, seconds=PATIENCE):
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, "did not come about in %d s" % seconds
        time.sleep(0.05)


@contextlib.contextmanager
def running(*command, **how):
    """The command in a session of its own, which ends with all that is in it."""
    command = [_search(command[0]) or command[0], *map(str, command[1:])]
    process = subprocess.Popen(command, start_new_session=True, stdin=how.pop("stdin", subprocess.DEVNULL),
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **how)
    try:
        yield process
        assert process.poll() is None, "%s ended early: %s" % (command, process.returncode)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def family(pid):
    """A process and its descendants."""
    pids = [pid]
    for parent in pids:
        for path in glob.glob("/proc/%d/task/*/children" % parent):
            with contextlib.suppress(OSError), open(path) as f:
                pids += map(int, f.read().split())
    return pids


def _a_program(*command):
    """The row of a program that needs nothing but its arguments; {folder}, {busy} are filled in."""
    @contextlib.contextmanager
    def start(folder):
        words = [str(word).format(folder=folder, busy=BUSY) for word in command]
        with running(*words, cwd=folder) as process:
            yield [process.pid]
    return start


def again_and_again(*command):
    """Short lives, one after the other."""
    return _a_program("sh", "-c", 'while "$@" >/dev/null; do :; done', "-", *command)


@contextlib.contextmanager
def squeezer(folder, *command):
    """A compressor with something to read: this host's programs."""
    data = folder / "data"
    with open(data, "wb") as out:
        for path in sorted(glob.glob("/usr/bin/*")):
            if os.path.isfile(path) and os.path.getsize(path) < 1 << 20:
                out.write(pathlib.Path(path).read_bytes())
            if out.tell() > 48 << 20:
                break
    with again_and_again(*command, data)(folder) as pids:
        yield pids


def xz(folder):
    return squeezer(folder, "xz", "-T1", "-6", "-c")


def gzip(folder):
    return squeezer(folder, "gzip", "-9", "-c")


@contextlib.contextmanager
def sqlite3(folder):
    with open(BUSY / "busy.sql") as f:
        (folder / "forever.sql").write_text(100 * f.read())
    with open(folder / "forever.sql") as commands, \
            running("sqlite3", folder / "database", stdin=commands) as process:
        yield [process.pid]


def _listens(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def _free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@contextlib.contextmanager
def redis(folder):
    path = folder / "redis.sock"
    with running("redis-server", "--port", "0", "--unixsocket", path, "--save", "", "--dir", folder) as server:
        wait_for(path.exists)
        with running("redis-benchmark", "-s", path, "-n", "1000000000", "-r", "100000", "-P", "8", "-c", "10",
                     "eval", "redis.call('lpush', KEYS[1], ARGV[1]); redis.call('ltrim', KEYS[1], 0, 99); "
                     "return redis.call('sort', KEYS[1], 'alpha')", "1", "list", "__rand_int__"), \
                running("redis-benchmark", "-s", path, "-n", "1000000000", "-r", "100000", "-P", "8", "-c", "10",
                        "set", "__rand_int__", "__rand_int__"):
            yield [server.pid]


@contextlib.contextmanager
def postgres(folder):
    binaries = pathlib.Path(sorted(glob.glob("/usr/lib/postgresql/*/bin"))[-1])
    as_postgres = {"user": "postgres", "group": "postgres", "extra_groups": [], "cwd": "/"}
    data = folder / "data"
    data.mkdir()
    shutil.chown(data, "postgres", "postgres")
    options = ["-h", data, "-U", "postgres"]
    prepare(binaries / "initdb", "-D", data, "-A", "trust", "-U", "postgres", **as_postgres)
    with running(binaries / "postgres", "-D", data, "-k", data, "-c", "listen_addresses=",
                 "-c", "fsync=off", **as_postgres) as server:
        wait_for(lambda: subprocess.run([binaries / "pg_isready", "-q", *options]).returncode == 0)
        prepare(binaries / "pgbench", *options, "-q", "-i", "-s", "2", "postgres", **as_postgres)
        with running(binaries / "pgbench", *options, "-c", "4", "-T", "3600", "postgres", **as_postgres):
            # Each client has a process of its own, a child of the server.
            wait_for(lambda: len(family(server.pid)) > 4)
            yield [server.pid]


NGINX = """
daemon off;
user root;
worker_processes 1;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 256; }}
http {{
	access_log {folder}/access.log;
	client_body_temp_path {folder}/body;
	proxy_temp_path {folder}/proxy;
	fastcgi_temp_path {folder}/fastcgi;
	uwsgi_temp_path {folder}/uwsgi;
	scgi_temp_path {folder}/scgi;
	server {{
		listen 127.0.0.1:{port};
		root {folder};
		gzip on;
		gzip_types text/plain;
		location ~ ^/(?<name>[a-z]+)\\.txt$ {{ try_files /$name.txt =404; }}
	}}
}}
"""


@contextlib.contextmanager
def nginx(folder):
    port = _free_port()
    (folder / "nginx.conf").write_text(NGINX.format(folder=folder, port=port))
    (folder / "page.txt").write_text("".join("%d squared is %d\n" % (i, i * i) for i in range(300)))
    with running("nginx", "-p", folder, "-e", folder / "error.log", "-c", folder / "nginx.conf") as server:
        wait_for(lambda: _listens(port))
        with running("wrk", "-t", "1", "-c", "8", "-d", "3600", "-H", "Accept-Encoding: gzip",
                     "http://127.0.0.1:%d/page.txt" % port):
            yield [server.pid]


@contextlib.contextmanager
def java(folder):
    prepare(_search("javac"), "-d", folder, BUSY / "Busy.java")
    with running("java", "-XX:+PreserveFramePointer", "-cp", folder, "Busy") as process:
        time.sleep(3)  # the compilers have done the most of their work
        yield [process.pid]


def go(folder):
    return _built_as(folder, "busygo", "go", "build", "busy.go")


def rust(folder):
    return _built_as(folder, "busyrust", "rustc", "-O", "busy.rs")


@contextlib.contextmanager
def _built_as(folder, program, compiler, *arguments):
    *options, source = arguments
    environment = {**os.environ, "GOCACHE": str(folder / "cache"), "GO111MODULE": "off", "HOME": str(folder)}
    prepare(_search(compiler), *options, "-o", folder / program, BUSY / source, env=environment)
    with running(folder / program) as process:
        yield [process.pid]


PROGRAMS = {
    "xz": xz,
    "gzip": gzip,
    "openssl": again_and_again("openssl", "speed", "-seconds", "1", "rsa2048", "sha256", "ecdsap256"),
    "sqlite3": sqlite3,
    "redis": redis,
    "postgres": postgres,
    "nginx": nginx,
    "python3": _a_program("python3", "{busy}/busy.py"),
    "perl": _a_program("perl", "{busy}/busy.pl"),
    "node": _a_program("node", "{busy}/busy.js"),
    "java": java,
    "go": go,
    "rust": rust,
    "g++": again_and_again("g++", "-O2", "-c", "-o", "{folder}/busy.o", "{busy}/busy.cpp"),
}


@contextlib.contextmanager
def at_work(name, folder):
    folder = pathlib.Path(folder) / name.replace("+", "x")
    folder.mkdir(parents=True)
    os.chmod(folder, 0o755)
    with PROGRAMS[name](folder) as pids:
        time.sleep(0.5)
        yield sorted({member for pid in pids for member in family(pid)})
    shutil.rmtree(folder)
