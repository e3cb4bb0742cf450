"""What scripts/bench measures: fio on files that different servers present, beside a native file.

All servers stand at once, each on a file of its own, of one size, on one filesystem, written in full. A round
takes each cell (pattern, depth, buffered or direct) on every server, one behind the other, so that whatever
else the machine does falls on all of them alike; a ratio is that of one round to the native file's of the same
round, and what is printed is the median over the rounds. The page cache stays warm in buffered cells. In direct
cells fio opens with O_DIRECT, and servers that have to be told pass the page cache below, too.
"""
import argparse
import fnmatch
import itertools
import json
import os
import platform
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

MIB = 1 << 20
CELLS = [
    f"{pattern}-{size}-qd{depth}-{mode}"
    for size, depth, mode, pattern in itertools.chain(
        itertools.product(["1m"], [1, 32], ["buffered", "direct"], ["write", "read"]),
        itertools.product(["4k"], [1, 32], ["buffered", "direct"], ["randwrite", "randread"]),
    )
]


class Unavailable(Exception):
    """A server that this machine cannot run; the text says why."""


class Failed(Exception):
    """fio did not end well."""


def tool(name):
    path = shutil.which(name)
    if path is None:
        raise Unavailable(f"{name} is not installed")
    return path


def write_file(path, size):
    block = os.urandom(MIB)
    with open(path, "wb") as file:
        for _ in range(size // MIB):
            file.write(block)
        file.flush()
        os.fsync(file.fileno())


class Server:
    """Presents `self.target`, a file of `size` bytes. `direct`: past the page cache below."""

    def __init__(self, options, folder, direct):
        self.options, self.folder, self.direct = options, folder, direct
        self.size = options.size
        self.data = os.path.join(folder, "data")
        self.mountpoint = os.path.join(folder, "mnt")
        self.process, self.log = None, None
        os.makedirs(self.mountpoint)

    def start(self, command, target):
        self.log = open(os.path.join(self.folder, "log"), "w+b")
        # A session of its own: Ctrl-C is for us, who end it in order.
        self.process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log, start_new_session=True)
        self.target = target
        deadline = time.monotonic() + 20
        while not (os.path.isfile(target) and os.path.getsize(target) == self.size):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.log.seek(0)
                raise Unavailable(self.log.read().decode(errors="replace").strip()[-300:] or "it does not serve")
            time.sleep(0.01)

    def unmount(self):
        # Tried, not looked at: os.path.ismount says no of the mountpoint that a dead server leaves (ENOTCONN).
        for flags in ([], ["-l"]):
            done = subprocess.run(["umount", *flags, self.mountpoint], check=False, capture_output=True, text=True,
                                  env={**os.environ, "LC_ALL": "C"})
            if done.returncode == 0 or "not mounted" in done.stderr:
                return
        print(done.stderr.strip(), file=sys.stderr)

    def stop(self):
        if self.process is not None:
            self.unmount()
            if self.process.poll() is None:
                self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
            self.unmount()  # what it mounted since, or left when it was killed
        if self.log is not None:
            self.log.close()


class Native(Server):
    def up(self):
        write_file(self.data, self.size)
        self.target = self.data


class Reflux(Server):
    def up(self):
        run = subprocess.run(
            [self.options.refluxd, "format", self.data, "--size", str(self.size), "--zone-size", "64MiB",
             "--conventional", str(self.size // (64 * MIB))],
            check=False, capture_output=True, text=True)
        if run.returncode != 0:
            raise Unavailable(run.stderr.strip())
        # Written through the disk, so that every place of it may be written again.
        self.start([self.options.refluxd, "serve", self.data, self.mountpoint, "--engine", self.engine]
                   + (["--threads", str(self.threads)] if self.threads else [])
                   + (["--direct"] if self.direct else []), os.path.join(self.mountpoint, "disk"))
        with open(self.target, "r+b", buffering=0) as disk:
            block = os.urandom(MIB)
            for _ in range(self.size // MIB):
                disk.write(block)
            os.fsync(disk.fileno())


def reflux(engine, threads=None):
    return type(f"Reflux_{engine}", (Reflux,), {"engine": engine, "threads": threads})


class Passthrough(Server):
    """libfuse's example passthrough_ll, as the package libfuse3-dev has it."""

    source = "/usr/share/doc/libfuse3-dev/examples/passthrough_ll.c"

    def program(self):
        if not os.path.exists(self.source):
            raise Unavailable(f"{self.source} is not there (package libfuse3-dev)")
        program = os.path.join(self.folder, "passthrough")
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "fuse3"], check=True, capture_output=True,
                               text=True).stdout.split()
        built = subprocess.run([tool("cc"), "-O2", "-DHAVE_COPY_FILE_RANGE", "-o", program, self.source, *flags],
                               check=False, capture_output=True, text=True)
        if built.returncode != 0:
            raise Unavailable(f"it does not compile: {built.stderr[-200:]}")
        return [program, "-o", f"source={self.lower}", "-f", self.mountpoint]

    def up(self):
        self.lower = os.path.join(self.folder, "lower")
        os.makedirs(self.lower)
        command = self.program()
        write_file(os.path.join(self.lower, "file"), self.size)
        self.start(command, os.path.join(self.mountpoint, "file"))


class PassthroughHp(Passthrough):
    def program(self):
        if not self.options.passthrough_hp:
            raise Unavailable("no program given: --passthrough-hp")
        # --direct-io: each request reaches the server, as refluxd's do.
        return [self.options.passthrough_hp, "--nopassthrough", "--nocache", "--direct-io", "--foreground",
                self.lower, self.mountpoint]


class Nbd(Server):
    def up(self):
        nbdkit, nbdfuse = tool("nbdkit"), tool("nbdfuse")
        write_file(self.data, self.size)
        target = os.path.join(self.mountpoint, "disk")
        # It has no O_DIRECT; cache=none drops the page cache behind each request.
        self.start([nbdfuse, target, "--command", nbdkit, "-s", "file", self.data]
                   + (["cache=none"] if self.direct else []), target)


class Qemu(Server):
    def up(self):
        program = tool("qemu-storage-daemon")
        write_file(self.data, self.size)
        target = os.path.join(self.folder, "export")
        open(target, "w").close()
        self.mountpoint = target
        direct = "on" if self.direct else "off"
        self.start([program, "--blockdev", f"driver=file,node-name=disk,filename={self.data},cache.direct={direct}",
                    "--export", f"type=fuse,id=export,node-name=disk,mountpoint={target},writable=on"], target)


SERVERS = {
    "native": Native,
    "sync": reflux("sync"),
    "sync4": reflux("sync", 4),
    "threads": reflux("threads"),
    "uring": reflux("uring"),
    "passthrough_ll": Passthrough,
    "passthrough_hp": PassthroughHp,
    "nbdfuse": Nbd,
    "qemu": Qemu,
}


def run_fio(server, cell, seconds):
    pattern, size, depth, mode = cell.split("-")
    depth = int(depth[2:])
    command = [
        "fio", "--name=bench", f"--filename={server.target}", f"--rw={pattern}", f"--bs={size}",
        f"--iodepth={depth}", f"--ioengine={'psync' if depth == 1 else 'libaio'}",
        f"--direct={int(mode == 'direct')}", f"--size={server.size}", f"--runtime={seconds}", "--time_based",
        "--invalidate=0", "--output-format=json", "--allow_file_create=0", "--norandommap", "--randrepeat=1",
        "--thread"]
    try:
        done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=seconds * 5 + 30,
                              start_new_session=True)
        job = json.loads(done.stdout[done.stdout.index("{"):])["jobs"][0]
    except (subprocess.TimeoutExpired, ValueError, KeyError, IndexError) as error:
        raise Failed(str(error)[:100]) from error
    if done.returncode != 0 or job["error"] != 0:
        raise Failed(f"error {job['error']}")
    if "write" in pattern:
        with open(server.target, "r+b") as file:
            os.fsync(file.fileno())  # what it left dirty is not written on the next one's time
    return (job["read"]["bw"] + job["write"]["bw"]) / 1024  # MiB/s


def machine():
    with open("/proc/cpuinfo") as file:
        models = [line.split(":", 1)[1].strip() for line in file if line.startswith("model name")]
    with open("/proc/meminfo") as file:
        memory = int(file.readline().split()[1]) // 1024
    return {"kernel": platform.release(), "cpus": os.cpu_count(), "cpu": models[0] if models else "unknown",
            "memory_mib": memory}


def set_up(options, folder, stand):
    """Brings servers up into stand[(name, mode)]; returns why some are not there."""
    missing = {}
    modes = sorted({cell.rsplit("-", 1)[1] for cell in options.cells})
    for name, mode in itertools.product(options.only, modes):
        place = os.path.join(folder, f"{name}-{mode}")
        os.makedirs(place)
        server = SERVERS[name](options, place, mode == "direct")
        stand[name, mode] = server  # before it is up: it is taken down in any case
        try:
            server.up()
        except Unavailable as error:
            missing[f"{name} ({mode})"] = str(error)
            server.stop()
            del stand[name, mode]
    return missing


def measure(options, stand, results):
    for round_number in range(options.runs):
        for cell in options.cells:
            mode = cell.rsplit("-", 1)[1]
            for name in options.only:
                if (name, mode) not in stand:
                    continue
                values = results.setdefault(cell, {}).setdefault(name, [])
                try:
                    values.append(run_fio(stand[name, mode], cell, options.seconds))
                except Failed as error:
                    values.append(None)
                    print(f"{cell} on {name}: {error}", file=sys.stderr)
        print(f"round {round_number + 1} of {options.runs} done", file=sys.stderr, flush=True)


def median_ratio(values, native):
    ratios = [value / base for value, base in zip(values, native) if value is not None and base]
    return statistics.median(ratios) if ratios else None


def table(options, results):
    names = [name for name in options.only if name != "native"]
    lines = [f"{'cell':28} {'native MiB/s':>12}" + "".join(f" {name:>14}" for name in names)]
    for cell, values in results.items():
        native = [value for value in values.get("native", []) if value is not None]
        line = f"{cell:28} {statistics.median(native) if native else float('nan'):12.0f}"
        for name in names:
            ratio = median_ratio(values.get(name, []), values.get("native", []))
            line += f" {'-' if ratio is None else format(ratio, '.2f'):>14}"
        lines.append(line)
    return "\n".join(lines)


def parse_arguments():
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--refluxd", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--runs", type=int, default=5, help="rounds; the medians are of so many (%(default)s)")
    parser.add_argument("--seconds", type=float, default=2, help="of each fio run (%(default)s)")
    parser.add_argument("--size", type=int, default=512, help="of each file, MiB (%(default)s)")
    parser.add_argument("--cells", default="*", help="of: " + " ".join(CELLS) + " (shell pattern, %(default)s)")
    parser.add_argument("--only", default=",".join(SERVERS), help="servers, of %(default)s")
    parser.add_argument("--passthrough-hp", help="libfuse's example of that name, built by you")
    parser.add_argument("--folder", default="/var/tmp", help="where the files are made (%(default)s)")
    parser.add_argument("--json", help="write all figures there")
    options = parser.parse_args()
    options.size *= MIB
    options.cells = [cell for cell in CELLS if fnmatch.fnmatch(cell, options.cells)]
    options.only = options.only.split(",")
    for name in options.only:
        if name not in SERVERS:
            parser.error(f"no server '{name}'; there are: {', '.join(SERVERS)}")
    if not options.cells:
        parser.error("no such cell")
    return options


def main():
    options = parse_arguments()
    if os.geteuid() != 0:
        sys.exit("bench: run it as root: it mounts")
    if shutil.which("fio") is None:
        sys.exit("bench: fio is missing: apt-get install fio")
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    folder = tempfile.mkdtemp(prefix="reflux-bench-", dir=options.folder)
    stand, results, missing, interrupted = {}, {}, {}, False
    try:
        missing = set_up(options, folder, stand)
        for name, why in missing.items():
            print(f"left out: {name}: {why}", file=sys.stderr)
        measure(options, stand, results)
    except KeyboardInterrupt:
        interrupted = True
    finally:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        for server in reversed(stand.values()):
            server.stop()
        try:
            shutil.rmtree(folder)
        except OSError as error:
            print(f"{folder} is left: {error}", file=sys.stderr)
    print(table(options, results))
    if options.json:
        with open(options.json, "w") as file:
            json.dump({"command": " ".join(sys.argv[1:]), "machine": machine(), "missing": missing,
                       "interrupted": interrupted, "mib_per_s": results}, file, indent=1)
    return 130 if interrupted else 0


if __name__ == "__main__":
    sys.exit(main())
