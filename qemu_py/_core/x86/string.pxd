"""String instructions: element functions and host block operations (string.pyx).

Nothing here is called from elsewhere: the ops of ir/ops/string.tbl are reached through the op table.
"""
