"""Everyday Python: JSON both ways, dictionaries, objects, text, sorting.

Prints a checksum. Argument: how many rounds.
"""

import json
import re
import sys


class Record:
    def __init__(self, number, name):
        self.number = number
        self.name = name
        self.tags = ["tag%d" % (number % k) for k in (3, 5, 7)]


def one_round(seed):
    records = []
    for _ in range(3000):
        seed = (seed * 1103515245 + 12345) % 2147483648
        records.append(Record(seed % 977, "name%d" % (seed % 1231)))
    records.sort(key=lambda record: (record.number, record.name))
    text = json.dumps([vars(record) for record in records])
    by_name = {}
    for item in json.loads(text):
        by_name.setdefault(item["name"], []).append(item["number"])
    replaced = re.sub(r"name(\d)", r"<\1>", text)
    return len(replaced) + sum(map(sum, by_name.values()))


def main():
    rounds = int(sys.argv[1])
    print(sum(one_round(seed) for seed in range(rounds)) % 1000000007)


main()
