"""Is result/c.txt the product of input/a.txt and input/b.txt? Ends with 0 for yes and 3 for no.

Freivalds: for a vector r of zeros and ones, drawn anew for each round, A(Br) and Cr are the same if C = AB, and differ at least every second time if
not. A round takes three products of a matrix with a vector, n^2 steps instead of the n^3 of the product; after 20 rounds one wrong result in a million
passes. The draw is made here, after the result was committed, so nobody can make a result that passes it.
"""
import random
import sys

ROUNDS = 20
YES, NO = 0, 3


def read(path):
    with open(path) as file:
        return [[int(word) for word in line.split()] for line in file]


def times(matrix, vector):
    return [sum(x * y for x, y in zip(row, vector)) for row in matrix]


def is_product(a, b, c, rounds=ROUNDS, draw=random.SystemRandom()):
    if len(c) != len(a) or any(len(row) != len(b[0]) for row in c):
        return False
    for _ in range(rounds):
        r = [draw.getrandbits(1) for _ in range(len(b[0]))]
        if times(a, times(b, r)) != times(c, r):
            return False
    return True


if __name__ == "__main__":
    # What was given must be readable: if it is not, this breaks, and says nothing about the result.
    a, b = read("input/a.txt"), read("input/b.txt")
    # What was delivered need not be: then it is wrong.
    try:
        c = read("result/c.txt")
    except (OSError, ValueError):
        sys.exit(NO)
    sys.exit(YES if is_product(a, b, c) else NO)
