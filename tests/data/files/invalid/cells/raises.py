def f():
    raise KeyError('\x1b[31m')
f()
