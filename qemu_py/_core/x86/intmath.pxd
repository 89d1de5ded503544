"""Shifts, multiplication, division, bits, decimal adjust, frames: flags and helpers (intmath.pyx).

Nothing here is called from elsewhere: the ops of ir/ops/math.tbl are reached through the op table.
"""
