# How often each word stands in the files of a directory.
import collections
import os
import sys

counts = collections.Counter()
for name in sorted(os.listdir(sys.argv[1])):
    with open(os.path.join(sys.argv[1], name)) as text:
        counts.update(text.read().split())
for word, count in sorted(counts.items()):
    print(f"{word},{count}")
