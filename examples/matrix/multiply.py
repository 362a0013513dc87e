"""Multiplies the matrices of integers in a.txt and b.txt, a row a line, into c.txt."""


def read(path):
    with open(path) as file:
        return [[int(word) for word in line.split()] for line in file]


if __name__ == "__main__":
    a, b = read("a.txt"), read("b.txt")
    columns = list(zip(*b))
    with open("c.txt", "w") as file:
        for row in a:
            print(*(sum(x * y for x, y in zip(row, column)) for column in columns), file=file)
