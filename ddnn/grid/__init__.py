"""Where the VNFs lie on the grid."""
from ddnn.grid.grid import Grid, grid_shape
