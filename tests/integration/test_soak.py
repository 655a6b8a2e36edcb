"""Mixed load of 64 clients for a long time: no growth of memory, descriptors or threads, no error that
was not asked for, no wrong answer.

make test-soak: an hour; SOAK_SECONDS says how long. The first quarter warms up: caches fill, the graph
is built, the store gets its size. Then the clients go away, and what the daemon has open is counted;
they come back for the other three quarters, during which it is measured. It fails when
  - the median of the resident memory in the last quarter is more than 5% and 4 MiB (16 MiB in a run of
    less than ten minutes) above that in the second; the number of documents stays meanwhile;
  - the store in the last quarter is more than twice as large as in the second (its log comes and goes);
  - there are more descriptors of a kind, or threads of a name, when all clients have gone than there were
    after the warm-up, and more than what is opened as it is needed (the store's connections; the threads
    that answer) may become;
  - any answer is not what its client expects (soak.py), or the daemon counts other refusals than they.
"""

import collections
import contextlib
import os
import pathlib
import statistics
import threading
import time

from conftest import Daemon, wait_until
from soak import Common, Soaker

SECONDS = float(os.environ.get("SOAK_SECONDS", 20))
CLIENTS = 64
MIB = 1 << 20
MAY_BECOME = {"store.sqlite3": 9, "store.sqlite3-wal": 9, "interactive": 65}


def measure(daemon, client):
    process = pathlib.Path(f"/proc/{daemon.process.pid}")
    with open(process / "status") as status:
        fields = dict(line.split(":", 1) for line in status)
    status = client.get("/v1/status").json
    return {"time": time.monotonic(), "memory": int(fields["VmRSS"].split()[0]) * 1024,
            "descriptors": len(os.listdir(process / "fd")), "threads": int(fields["Threads"]),
            "documents": status["documents"], "store": status["engine"]["store_bytes"],
            "failed": status["requests"]["failed"]}


def kept(daemon):
    """What the daemon has open and running: {kind of descriptor or name of thread: count}."""
    process, counts = pathlib.Path(f"/proc/{daemon.process.pid}"), collections.Counter()
    for descriptor in (process / "fd").iterdir():
        with contextlib.suppress(OSError):  # it has been closed
            counts[pathlib.Path(os.readlink(descriptor)).name.split(":")[0]] += 1
    for task in (process / "task").iterdir():
        with contextlib.suppress(OSError):  # it has ended
            counts[(task / "comm").read_text().strip()] += 1
    return counts


def load(daemon, soakers, seconds, samples):
    until = time.monotonic() + seconds
    threads = [threading.Thread(target=soaker.run, args=(until,)) for soaker in soakers]
    watcher = daemon.client()
    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        samples.append(measure(daemon, watcher))
        threads[0].join(min(5, SECONDS / 60))
        threads = [thread for thread in threads if thread.is_alive()]
    watcher.close()


def at_rest(daemon):
    """What is kept without clients, as soon as that is the same for a second."""
    last, since = kept(daemon), time.monotonic()

    def settled():
        nonlocal last, since
        now = kept(daemon)
        if now != last:
            last, since = now, time.monotonic()
        return time.monotonic() - since >= 1
    wait_until(settled)
    return last


def median(samples, what):
    return statistics.median(sample[what] for sample in samples)


def report(daemon, common, samples):
    start = samples[0]["time"]
    for sample in samples[::max(1, len(samples) // 20)]:
        print(f"{sample['time'] - start:7.0f} s  {sample['memory'] / MIB:7.1f} MiB  {sample['descriptors']:4} descriptors  "
              f"{sample['threads']:3} threads  {sample['documents']} documents  store {sample['store'] / MIB:.1f} MiB")
    print(f"{sum(common.done.values())} steps: " + ", ".join(f"{count} {kind}" for kind, count in sorted(common.done.items())))
    print(f"{common.refused} answers refused, as asked for; {common.cut} requests cut off")


def test_nothing_grows_and_nothing_fails_under_mixed_load(folder):
    daemon = Daemon(folder)
    try:
        common = Common(daemon)
        soakers = [Soaker(number, common) for number in range(CLIENTS)]
        with contextlib.closing(daemon.client()) as client:
            for soaker in soakers:
                soaker.fill(client)
        warm, samples = [], []
        load(daemon, soakers, SECONDS / 4, warm)
        after_warmth = at_rest(daemon)
        load(daemon, soakers, SECONDS * 3 / 4, samples)
        assert common.problem is None, f"{common.problem!r}\n{daemon.tail()}"
        at_end = at_rest(daemon)
        with contextlib.closing(daemon.client()) as client:
            last = measure(daemon, client)
        report(daemon, common, warm + samples)

        second, fourth = samples[:len(samples) // 3], samples[-len(samples) // 3:]
        slack = (4 if SECONDS >= 600 else 16) * MIB
        assert median(fourth, "memory") <= 1.05 * median(second, "memory") + slack
        assert median(fourth, "store") <= 2 * median(second, "store")
        grown = {kind: count for kind, count in at_end.items()
                 if count > max(after_warmth[kind], MAY_BECOME.get(kind, 0))}
        assert not grown, (after_warmth, at_end)
        assert common.refused <= last["failed"] <= common.refused + common.cut, (common.refused, last, common.cut)
        assert sum(len(soaker.vectors) + len(soaker.texts) for soaker in soakers) + 3300 == last["documents"]
        assert daemon.stop() == 0, daemon.tail()
    finally:
        daemon.kill()
