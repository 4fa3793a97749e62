"""A cell's time loop and its gradient, derived once from `Cell.step`, for whoever executes it. No framework is needed.

    program = trace(cell, inputs, mask=True)         # `step` run once on symbols: a graph of nodes
    forward = stages(program)                        # what is computed once, before, in and after the loop
    backward = gradient(program, forward)            # the same of its gradient, which is a program too

Of `LSTM(units=4)` on 3 features, `forward` is

    once    R = rows(parameter [recurrent_kernel])   W = rows(parameter [kernel])   b = flat(parameter [bias])
    before  z = linear(x, W, b)                      a leaf of the loop: (time, batch, 16)
    loop    a = linear(h, R, z)                      z + R h; R is a constant of the loop
            i_f, g, o = σ(part 0:8 of a), tanh(part 8:12 of a), σ(part 12:16 of a)
            c' = fma(mul(part 4:8 of i_f, c), part 0:4 of i_f, g)
            h' = mul(o, tanh(c'))                    an export of the loop, being the output
    after   nothing

and `backward.kept` are i_f, g, o, tanh c', and the old h and c. An executor

1. gives each of `sources` its value, parameters and start states as they are and everything else time-major (time,
   batch, size), and runs `once` and `before` with the framework's ordinary operations, which differentiates them;
2. runs `loop` over the steps, as one function with a gradient of its own: from constants, leaves and initial states to
   `exports` (time, batch, size) and last states, and for the gradient the values of `kept`;
3. runs `after` with ordinary operations again; `program.results` are the outputs, 0 at invalid steps.

The gradient of that function is executed in the same way, in the opposite order of steps. The sources of
`backward.program` are `seed` k, the cotangent of export k at all steps, and the states, which begin as the cotangents
of the last ones and end as those of the initial ones; `kept`, constants and leaves are given. Its results are the
cotangents of `backward.of`. Masks and resets are operations of the program, with `keep` and `begins` as sources.
`tests/fused/executor.py` is the smallest executor, and has the meaning of every operation in a line of NumPy.
"""
