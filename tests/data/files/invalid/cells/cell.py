from rnnspec import Cell
class Mine(Cell, tag='mine', frozen=True):
    size: 'Nowhere'
Mine(size=1)
