# The first step: leaves two texts for those that come after it.
import random

words = "the quick brown fox jumps over the lazy dog while a lorry waits".split()
for name, seed in (("a.txt", 1), ("b.txt", 2)):
    chance = random.Random(seed)
    with open(name, "w") as out:
        out.write(" ".join(chance.choice(words) for _ in range(5000)) + "\n")
