"""Keys of a PC keyboard by the names that the monitor's sendkey has, with their scan codes.

A row is: name; codes of scan code sets 1, 2 and 3 (IBM Personal System/2 Hardware Interface Technical
Reference, keyboards; e0 and e1 are prefix bytes; - is a key that the set lacks); what the key
does in set 3 after reset (T typematic, M make only, B make and break); and the characters that it
gives in the US layout, without and with shift.
"""
from qemu_py.util.dataclass import dataclass


@dataclass(frozen=True)
class Key:
    name: str
    set1: bytes                         # make codes; empty: the set has none
    set2: bytes
    set3: bytes
    kind: str                           # in set 3: T, M or B
    plain: str = ""
    shifted: str = ""


TABLE = """
esc             01      76      08  M
1               02      16      16  T  1 !
2               03      1e      1e  T  2 @
3               04      26      26  T  3 #
4               05      25      25  T  4 $
5               06      2e      2e  T  5 %
6               07      36      36  T  6 ^
7               08      3d      3d  T  7 &
8               09      3e      3e  T  8 *
9               0a      46      46  T  9 (
0               0b      45      45  T  0 )
minus           0c      4e      4e  T  - _
equal           0d      55      55  T  = +
backspace       0e      66      66  T
tab             0f      0d      0d  T
q               10      15      15  T  q Q
w               11      1d      1d  T  w W
e               12      24      24  T  e E
r               13      2d      2d  T  r R
t               14      2c      2c  T  t T
y               15      35      35  T  y Y
u               16      3c      3c  T  u U
i               17      43      43  T  i I
o               18      44      44  T  o O
p               19      4d      4d  T  p P
bracket_left    1a      54      54  T  [ {
bracket_right   1b      5b      5b  T  ] }
ret             1c      5a      5a  T
ctrl            1d      14      11  B
a               1e      1c      1c  T  a A
s               1f      1b      1b  T  s S
d               20      23      23  T  d D
f               21      2b      2b  T  f F
g               22      34      34  T  g G
h               23      33      33  T  h H
j               24      3b      3b  T  j J
k               25      42      42  T  k K
l               26      4b      4b  T  l L
semicolon       27      4c      4c  T  ; :
apostrophe      28      52      52  T  ' "
grave_accent    29      0e      0e  T  ` ~
shift           2a      12      12  B
backslash       2b      5d      5c  T  \\ |
z               2c      1a      1a  T  z Z
x               2d      22      22  T  x X
c               2e      21      21  T  c C
v               2f      2a      2a  T  v V
b               30      32      32  T  b B
n               31      31      31  T  n N
m               32      3a      3a  T  m M
comma           33      41      41  T  , <
dot             34      49      49  T  . >
slash           35      4a      4a  T  / ?
shift_r         36      59      59  B
kp_multiply     37      7c      7e  M
alt             38      11      19  B
spc             39      29      29  T
caps_lock       3a      58      14  B
f1              3b      05      07  M
f2              3c      06      0f  M
f3              3d      04      17  M
f4              3e      0c      1f  M
f5              3f      03      27  M
f6              40      0b      2f  M
f7              41      83      37  M
f8              42      0a      3f  M
f9              43      01      47  M
f10             44      09      4f  M
num_lock        45      77      76  M
scroll_lock     46      7e      5f  M
kp_7            47      6c      6c  M
kp_8            48      75      75  M
kp_9            49      7d      7d  M
kp_subtract     4a      7b      84  M
kp_4            4b      6b      6b  M
kp_5            4c      73      73  M
kp_6            4d      74      74  M
kp_add          4e      79      7c  T
kp_1            4f      69      69  M
kp_2            50      72      72  M
kp_3            51      7a      7a  M
kp_0            52      70      70  M
kp_decimal      53      71      71  M
sysrq           54      84      57  M
less            56      61      13  T
f11             57      78      56  M
f12             58      07      5e  M
kp_equals       59      0f      -   M
hiragana        70      13      87  M
ro              73      51      -   T
henkan          79      64      86  M
muhenkan        7b      67      85  M
yen             7d      6a      -   T
kp_comma        7e      6d      -   M
kp_enter        e01c    e05a    79  M
ctrl_r          e01d    e014    58  M
kp_divide       e035    e04a    77  M
print           e037    e07c    57  M
alt_r           e038    e011    39  M
home            e047    e06c    6e  M
up              e048    e075    63  T
pgup            e049    e07d    6f  M
left            e04b    e06b    61  T
right           e04d    e074    6a  T
end             e04f    e069    65  M
down            e050    e072    60  T
pgdn            e051    e07a    6d  M
insert          e052    e070    67  M
delete          e053    e071    64  T
meta_l          e05b    e01f    8b  M
meta_r          e05c    e027    8c  M
menu            e05d    e02f    8d  M
power           e05e    e037    -   M
sleep           e05f    e03f    -   M
wake            e063    e05e    -   M
pause           e11d45  e11477  62  M
audioprev       e010    e015    -   M
audionext       e019    e04d    -   M
audiomute       e020    e023    -   M
calculator      e021    e02b    -   M
audioplay       e022    e034    -   M
audiostop       e024    e03b    -   M
volumedown      e02e    e021    -   M
volumeup        e030    e032    -   M
ac_home         e032    e03a    -   M
ac_bookmarks    e066    e018    -   M
ac_refresh      e067    e020    -   M
ac_forward      e069    e030    -   M
ac_back         e06a    e038    -   M
computer        e06b    e040    -   M
mail            e06c    e048    -   M
"""
ALIASES = {"asterisk": "kp_multiply", "compose": "menu", "enter": "ret", "space": "spc", "meta": "meta_l"}


def read_table(text):
    keys = {}
    for line in text.strip().splitlines():
        name, *codes = line.split()[:4]
        kind, *characters = line.split()[4:]
        keys[name] = Key(name, *(b"" if code == "-" else bytes.fromhex(code) for code in codes), kind, *characters)
    return keys


KEYS = read_table(TABLE)
CHARACTERS = {" ": ("spc",), "\n": ("ret",), "\r": ("ret",), "\t": ("tab",), "\b": ("backspace",), "\x7f": ("backspace",),
              "\x1b": ("esc",)}
for _key in KEYS.values():
    if _key.plain:
        CHARACTERS[_key.plain] = (_key.name,)
        CHARACTERS[_key.shifted] = ("shift", _key.name)


def find_key(name):
    """The Key of a name, an alias of it, or a number: a code of set 1 such as 0x1c. KeyError if there is none."""
    key = KEYS.get(ALIASES.get(name, name))
    if key is None and name.lower().startswith("0x"):
        try:
            code = int(name, 16)
        except ValueError:
            raise KeyError(name) from None
        # As the monitor takes them: bit 7 stands for the prefix e0.
        wanted = bytes([0xE0, code & 0x7F]) if code & 0x80 else bytes([code & 0x7F])
        key = next((key for key in KEYS.values() if key.set1 == wanted), None)
    if key is None:
        raise KeyError(name)
    return key


def keys_of_character(character):
    """Names of the keys that type a character in the US layout, first the one to hold; () if there are none."""
    return CHARACTERS.get(character, ())
