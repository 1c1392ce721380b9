"""The program that python_test.py runs on libc and on memalloc.so.

Role: json, threads that pass objects on, multiprocessing by fork and by
spawn, and the C extensions that allocate by themselves (zlib, re, decimal,
big integers, sorting).

Invariants: each line printed is a function of this file alone. The spawned
workers import this file again, so all work is behind the main guard. The
forked ones start after the threads have ended but with their memory in use.
Locking: queues only.
"""

import decimal
import hashlib
import json
import multiprocessing
import queue
import random
import re
import threading
import zlib


def digest(text):
    if isinstance(text, str):
        text = text.encode()
    return hashlib.sha256(text).hexdigest()[:24]


def document(seed, size):
    rng = random.Random(seed)
    return [
        {
            "id": i,
            "name": "n" * rng.randrange(1, 80),
            "values": [rng.random() for _ in range(rng.randrange(12))],
            "nested": {str(k): [k, None, True] for k in range(i % 7)},
        }
        for i in range(size)
    ]


def work_json():
    text = json.dumps(document(1, 12000), indent=1)
    again = json.dumps(json.loads(text), indent=1)
    assert again == text
    return digest(text)


def transform(seed):
    items = document(seed, 400)
    items.sort(key=lambda item: item["name"])
    text = json.dumps(items, sort_keys=True)
    packed = zlib.compress(text.encode(), 6)
    assert zlib.decompress(packed).decode() == text
    return digest(packed)


def work_threads():
    todo, done = queue.Queue(), queue.Queue(maxsize=8)

    def worker():
        while True:
            seed = todo.get()
            if seed is None:
                return
            # The consumer frees what this thread allocated.
            done.put((seed, transform(seed), [bytes(100)] * 100))

    for seed in range(32):
        todo.put(seed)
    threads = [threading.Thread(target=worker) for _ in range(6)]
    for thread in threads:
        todo.put(None)
        thread.start()
    results = {}
    for _ in range(32):
        seed, value, _ = done.get()
        results[seed] = value
    for thread in threads:
        thread.join()
    return digest(json.dumps(results, sort_keys=True))


def work_processes(method):
    context = multiprocessing.get_context(method)
    with context.Pool(2) as pool:
        results = pool.map(transform, range(16), chunksize=2)
        # close, not terminate: the workers shall end normally.
        pool.close()
        pool.join()
    return digest("".join(results))


def work_extensions():
    rng = random.Random(3)
    text = " ".join(str(rng.randrange(10**6)) for _ in range(60000))
    found = re.findall(r"\b(\d)(\d*)(\1)\b", text)
    text = re.sub(r"(\d+)7 ", lambda m: f"<{m[1]}>", text)
    power = 3**20000
    decimal.getcontext().prec = 2000
    root = decimal.Decimal(2).sqrt()
    grown = bytearray()
    for i in range(200000):
        grown += b"%d," % i
    return digest(f"{len(found)} {text} {power:x} {root}".encode() + grown)


def main():
    print("json", work_json())
    print("threads", work_threads())
    print("fork", work_processes("fork"))
    print("spawn", work_processes("spawn"))
    print("extensions", work_extensions())
    print("done")


if __name__ == "__main__":
    main()
