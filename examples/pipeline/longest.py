# The longest word of the files of a directory.
import os
import sys

words = {word for name in os.listdir(sys.argv[1]) for word in open(os.path.join(sys.argv[1], name)).read().split()}
print(max(sorted(words), key=len))
