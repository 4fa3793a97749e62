"""What each framework means by its weights: stated once, and read by whoever converts, exports, runs or compares.

One file a framework: `torch`, `keras`, `cudnn`, `tf1`, `flax`, `onnx`, and for the operations of saved graphs
`tensorflow`. Each begins with a table of the order in which it keeps the gates, the axes, the biases and what is added
at run time; and has for every kind of cell a class with

    gates      their order of gates, by their letters                 keras.GRU.gates: z, r, h
    to_ours    their arrays, and options → our cell, its weights      keras.GRU.to_ours(kernel, recurrent_kernel, bias)
    to_theirs  our weights → their arrays, by the names in `to_ours`  keras.GRU.to_theirs(weights)

and the framework's activations with their parameters and defaults. NumPy alone is needed, and none of the frameworks.
"""
