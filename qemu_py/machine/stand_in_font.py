"""The font of text mode 3 on a machine that starts without a BIOS: 256 characters of 8 x 16 dots.

Our own drawing: ASCII on a grid of 5 x 8 (each row is shown on two scan lines), and of code page 437
the lines and blocks that text screens are framed with. Other characters are blank.
"""
# A character, then its eight rows of five bits, left to right from bit 4, the last below the base line
GRID = """
! 04 04 04 04 04 00 04 00
" 0a 0a 0a 00 00 00 00 00
# 0a 0a 1f 0a 1f 0a 0a 00
$ 04 0f 14 0e 05 1e 04 00
% 18 19 02 04 08 13 03 00
& 0c 12 14 08 15 12 0d 00
' 04 04 08 00 00 00 00 00
( 02 04 08 08 08 04 02 00
) 08 04 02 02 02 04 08 00
* 00 04 15 0e 15 04 00 00
+ 00 04 04 1f 04 04 00 00
, 00 00 00 00 00 0c 04 08
- 00 00 00 1f 00 00 00 00
. 00 00 00 00 00 0c 0c 00
/ 00 01 02 04 08 10 00 00
0 0e 11 13 15 19 11 0e 00
1 04 0c 04 04 04 04 0e 00
2 0e 11 01 06 08 10 1f 00
3 0e 11 01 06 01 11 0e 00
4 02 06 0a 12 1f 02 02 00
5 1f 10 1e 01 01 11 0e 00
6 06 08 10 1e 11 11 0e 00
7 1f 01 02 04 08 08 08 00
8 0e 11 11 0e 11 11 0e 00
9 0e 11 11 0f 01 02 0c 00
: 00 0c 0c 00 0c 0c 00 00
; 00 0c 0c 00 00 0c 04 08
< 02 04 08 10 08 04 02 00
= 00 00 1f 00 1f 00 00 00
> 08 04 02 01 02 04 08 00
? 0e 11 01 02 04 00 04 00
@ 0e 11 17 15 17 10 0e 00
A 0e 11 11 1f 11 11 11 00
B 1e 11 11 1e 11 11 1e 00
C 0e 11 10 10 10 11 0e 00
D 1c 12 11 11 11 12 1c 00
E 1f 10 10 1e 10 10 1f 00
F 1f 10 10 1e 10 10 10 00
G 0e 11 10 17 11 11 0f 00
H 11 11 11 1f 11 11 11 00
I 0e 04 04 04 04 04 0e 00
J 07 02 02 02 02 12 0c 00
K 11 12 14 18 14 12 11 00
L 10 10 10 10 10 10 1f 00
M 11 1b 15 15 11 11 11 00
N 11 19 15 13 11 11 11 00
O 0e 11 11 11 11 11 0e 00
P 1e 11 11 1e 10 10 10 00
Q 0e 11 11 11 15 12 0d 00
R 1e 11 11 1e 14 12 11 00
S 0f 10 10 0e 01 01 1e 00
T 1f 04 04 04 04 04 04 00
U 11 11 11 11 11 11 0e 00
V 11 11 11 11 11 0a 04 00
W 11 11 11 15 15 1b 11 00
X 11 11 0a 04 0a 11 11 00
Y 11 11 0a 04 04 04 04 00
Z 1f 01 02 04 08 10 1f 00
[ 0e 08 08 08 08 08 0e 00
\\ 00 10 08 04 02 01 00 00
] 0e 02 02 02 02 02 0e 00
^ 04 0a 11 00 00 00 00 00
_ 00 00 00 00 00 00 00 1f
` 08 04 02 00 00 00 00 00
a 00 00 0e 01 0f 11 0f 00
b 10 10 1e 11 11 11 1e 00
c 00 00 0e 11 10 11 0e 00
d 01 01 0f 11 11 11 0f 00
e 00 00 0e 11 1f 10 0e 00
f 06 09 08 1c 08 08 08 00
g 00 00 0f 11 11 0f 01 0e
h 10 10 16 19 11 11 11 00
i 04 00 0c 04 04 04 0e 00
j 02 00 06 02 02 02 12 0c
k 10 10 12 14 18 14 12 00
l 0c 04 04 04 04 04 0e 00
m 00 00 1a 15 15 15 15 00
n 00 00 16 19 11 11 11 00
o 00 00 0e 11 11 11 0e 00
p 00 00 1e 11 11 1e 10 10
q 00 00 0f 11 11 0f 01 01
r 00 00 16 19 10 10 10 00
s 00 00 0f 10 0e 01 1e 00
t 08 08 1c 08 08 09 06 00
u 00 00 11 11 11 13 0d 00
v 00 00 11 11 11 0a 04 00
w 00 00 11 11 15 15 0a 00
x 00 00 11 0a 04 0a 11 00
y 00 00 11 11 11 0f 01 0e
z 00 00 1f 02 04 08 1f 00
{ 02 04 04 08 04 04 02 00
| 04 04 04 04 04 04 04 04
} 08 04 04 02 04 04 08 00
~ 00 00 08 15 02 00 00 00
"""
HEIGHT = 16
UP, RIGHT, DOWN, LEFT = 8, 4, 2, 1
# Single lines by where they lead, and the double ones that are drawn alike
LINES = {"│║": UP | DOWN, "─═": LEFT | RIGHT, "┌╔": DOWN | RIGHT, "┐╗": DOWN | LEFT, "└╚": UP | RIGHT, "┘╝": UP | LEFT,
         "├╠": UP | DOWN | RIGHT, "┤╣": UP | DOWN | LEFT, "┬╦": DOWN | LEFT | RIGHT, "┴╩": UP | LEFT | RIGHT,
         "┼╬": UP | DOWN | LEFT | RIGHT}
# Pairs of rows that alternate, for the upper and the lower half
BLOCKS = {"░": ((0x22, 0x88), (0x22, 0x88)), "▒": ((0x55, 0xAA), (0x55, 0xAA)), "▓": ((0xDD, 0x77), (0xDD, 0x77)),
          "█": ((0xFF, 0xFF), (0xFF, 0xFF)), "▀": ((0xFF, 0xFF), (0, 0)), "▄": ((0, 0), (0xFF, 0xFF)),
          "▌": ((0xF0, 0xF0), (0xF0, 0xF0)), "▐": ((0x0F, 0x0F), (0x0F, 0x0F)), "■": ((0, 0x7E), (0x7E, 0))}


def line_glyph(ways):
    """Lines two dots wide from the middle."""
    rows = bytearray(HEIGHT)
    for y in range(HEIGHT):
        if ways & UP and y < 9 or ways & DOWN and y >= 7:
            rows[y] |= 0x18
        if y in (7, 8):
            rows[y] |= (0x1F if ways & RIGHT else 0) | (0xF8 if ways & LEFT else 0)
    return bytes(rows)


def stand_in_font():
    """{code: 16 rows of 8 dots}."""
    glyphs = {}
    for row in GRID.split("\n")[1:-1]:
        character, bits = row[0], bytes.fromhex(row[1:])
        glyphs[ord(character)] = bytes(line << 2 for line in bits for _ in (0, 1))
    for characters, ways in LINES.items():
        for code in characters.encode("cp437"):
            glyphs[code] = line_glyph(ways)
    for character, (upper, lower) in BLOCKS.items():
        glyphs[character.encode("cp437")[0]] = bytes(upper * (HEIGHT // 4) + lower * (HEIGHT // 4))
    return glyphs
