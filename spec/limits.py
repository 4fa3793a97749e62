"""How far a file from a stranger may go. SECURITY.md shows this table; nothing else holds such a number.

Each limit lies far beyond what a model needs, and well below what harms the reader: a small file can never ask for much
memory or time, a large one for not much more than its own size.
"""

# What is said
MESSAGE = 2000  # characters of an error; the middle of a longer one is left out
SHOWN = 120  # characters of a name or value from a file, inside a message

# Text
JSON_BYTES = 100_000_000  # of one JSON text: as much as safetensors allows its header
JSON_DEPTH = 200  # lists and objects inside each other, in JSON
CONFIG_DEPTH = 100  # configurations inside each other: each takes several of Python's thousand frames when it runs

# Arrays
AXES = 32  # of a tensor: what every supported version of NumPy can hold
ELEMENTS = 2**48  # of a tensor, before its file has shown that it holds them
NPY_HEADER = 10_000  # bytes: as much as NumPy reads

# Files of other frameworks
PATH = 1000  # characters of the path of a variable, in groups inside each other
TABLE_KEY = 4000  # bytes of a key in a TensorFlow checkpoint: a name, and the place of a slice
TREE_DEPTH = 100  # maps inside each other in msgpack
NESTED_STATES = 3  # dicts inside each other, in which a state dict is looked for
KEY_PARTS = 16  # scalars in a tuple that is the key of a pickled dict
CALLS = 10_000  # of functions in a SavedModel, of layers in a model of Keras, that are followed
TRACED = 2_500_000  # elements that an ONNX graph may give layers, and as many that it may compute, when it is followed
TRACED_RATIO = 128  # beyond that, for each number in the file

# Architectures
SIZE = 2**31 - 1  # units, features, ids, steps: what every runtime can index
WINDOWS = 2**11  # of a cell over frequency: each has states with names of their own
STATES = 2**17  # numbers of state a row that a model without weights may have
STATES_RATIO = 100  # and with weights, for each of them

# Sources that hold weights and no architecture
ORDER_STEPS = 200_000  # of the search for the order of the layers; it takes one a layer, where nothing is tried in vain
SCOPES = 100  # inside each other in a name, that are looked through
CLASS_NAME = 100  # characters of one scope, for it to be named after a class
CHAIN = 100  # layers that a note names one by one, and parts of a graph that are listed
PART_STEPS = 30  # nodes behind the last recurrent one at which a part of an ONNX graph may end

# Archives, and compressed data in general
UNPACKED = 2**24  # bytes that may always be unpacked: what is made of them takes several times as much
UNPACKED_ZIP = 2**26  # of a zip archive, which cannot make more than 10 MB of 10 kB
UNPACKED_JSON = 2**20  # of JSON: an empty list is two bytes in it, and some seventy in memory
UNPACKED_RATIO = 200  # beyond that, how much larger than the file: weights hardly compress
