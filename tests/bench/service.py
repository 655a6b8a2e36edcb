"""Times the service from outside: adding, asking, many asking at once, and asking while somebody adds.

    tests/bench/service.py --bin build/bin --load build/release/bench/daemon/bench_load \\
        --model all-MiniLM-L6-v2 --lines FILE [--count 20000] [--precision auto]

Starts a daemon of its own, in a folder of its own, with the programs in --bin, and prints what it
measured and on what. Nothing beside it, so only the ratios between its own figures carry over.
"""

import argparse
import json
import os
import pathlib
import platform
import random
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))


def milliseconds(values):
    values = sorted(values)
    pick = lambda share: values[min(len(values) - 1, int(share * len(values)))]
    return f"median {pick(.5):7.2f} ms   p99 {pick(.99):7.2f} ms   of {len(values)}"


def timed(action):
    start = time.perf_counter()
    result = action()
    return result, (time.perf_counter() - start) * 1000


def ask(client, query):
    answer, took = timed(lambda: client.post("/v1/collections/default/search", {"query": query}))
    assert answer.status == 200, answer
    return took, answer.json["took_ms"]


def run_program(daemon, query, bin_folder):
    """The milliseconds a whole sbert-query takes, and how many of them are not the daemon's."""
    command = [bin_folder / "sbert-query", f"--socket={daemon.socket}", "--json", query]
    done, took = timed(lambda: subprocess.run(command, stdout=subprocess.PIPE, check=True))
    return took, took - json.loads(done.stdout)["took_ms"]


def load(arguments, daemon, *options):
    """What bench_load says; it asks from one thread in C, so that asking costs little."""
    command = [arguments.load, daemon.socket, arguments.lines, "--count=5000", *options]
    return subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout.strip()


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bin", type=pathlib.Path, required=True)
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--lines", type=pathlib.Path, required=True)
    parser.add_argument("--count", type=int, default=20000)
    parser.add_argument("--load", type=pathlib.Path, required=True)
    parser.add_argument("--precision", default="auto")
    arguments = parser.parse_args()
    os.environ["SBERTD_BIN"] = str(arguments.bin.resolve())
    from conftest import Daemon

    lines = [line for line in arguments.lines.read_text().splitlines() if line.strip()]
    random.seed(7)
    sample = random.sample(lines, min(len(lines), arguments.count + 1000))
    queries, corpus = sample[:500], sample[1000:]
    cpu = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line), "?")
    print(f"{cpu}, {len(os.sched_getaffinity(0))} CPUs, {platform.platform()}, load {os.getloadavg()[0]:.1f}")

    folder = pathlib.Path(tempfile.mkdtemp(prefix="sbertd-bench-"))
    start = time.perf_counter()
    daemon = Daemon(folder, f"--precision={arguments.precision}", model=arguments.model)
    print(f"start to ready          {(time.perf_counter() - start) * 1000:7.0f} ms")
    try:
        half = len(corpus) // 2
        files = [folder / "first.txt", folder / "second.txt"]
        files[0].write_text("\n".join(corpus[:half]) + "\n")
        files[1].write_text("\n".join(corpus[half:]) + "\n")
        add = [arguments.bin / "sbert-index", f"--socket={daemon.socket}", "--quiet", "add"]

        _, took = timed(lambda: subprocess.run([*add, files[0]], check=True))
        print(f"adding                  {half / took * 1000:7.0f} lines/s ({half} lines)")
        _, took = timed(lambda: subprocess.run([*add, files[0]], check=True))
        print(f"adding them again       {half / took * 1000:7.0f} lines/s")

        client = daemon.client()
        for query in queries[:20]:
            ask(client, query)
        idle = [ask(client, query) for query in queries]
        print(f"query, socket to socket {milliseconds([took for took, _ in idle])}")
        print(f"  of it in the daemon   {milliseconds([inside for _, inside in idle])}")
        whole = [run_program(daemon, query, arguments.bin) for query in queries[:200]]
        print(f"sbert-query, process    {milliseconds([took for took, _ in whole])}")
        print(f"  of it its own         {milliseconds([own for _, own in whole])}")
        bare = [timed(lambda: subprocess.run(["/bin/true"], check=True))[1] for _ in range(200)]
        print(f"  /bin/true beside it   {milliseconds(bare)}")

        print("many at once, beside the encoder alone:")
        precision = f"--precision={client.get('/v1/status').json['precision']}"
        print(load(arguments, daemon, "--clients=64", f"--bulk={arguments.model}", precision))
        print(load(arguments, daemon, "--clients=64", "--route=search"))

        print("one every 20 ms, idle, then during an add:")
        one = ["--clients=1", "--route=search", "--pause=20"]
        print(load(arguments, daemon, *one, "--seconds=4"))
        adding = subprocess.Popen([*add, files[1]])
        print(load(arguments, daemon, *one, "--seconds=4"))
        if adding.poll() is not None:
            print("(the add ended before the questions did: give more lines by --count)")
        assert adding.wait() == 0
    finally:
        daemon.stop()
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
