"""Loops of a profile's blocks: natural loops over the direct jumps, a call going on behind itself.

A loop's cost is that of its own blocks, those of inner loops included, without the functions that it calls.
"""
from collections import defaultdict

from qemu_py.util.dataclass import dataclass

MAX_EDGES = 1000                        # backward jumps looked at, the hottest first


@dataclass
class Loop:
    head: int                           # linear address of its first block
    end: int                            # behind its last byte
    flags: int
    blocks: list
    cost: int
    turns: int                          # how often the head was executed, also within longer blocks; 0: not counted


def find_loops(profile):
    """Loops by falling cost."""
    nodes = defaultdict(list)           # place -> blocks
    for block in profile.blocks:
        nodes[block.place].append(block)
    after, before = {}, defaultdict(set)
    for place, blocks in nodes.items():
        after[place] = found = set()
        for block in blocks:
            ends = (block.pc + block.size & 0xFFFFFFFF,) if block.calls else block.successors
            found.update((pc, *place[1:]) for pc in ends if (pc, *place[1:]) in nodes)
        for successor in found:
            before[successor].add(place)

    def cost(place):
        return sum(profile.cost(block) for block in nodes[place])
    back = [(place, head) for place, found in after.items() for head in found if head[0] <= place[0]]
    back.sort(key=lambda edge: -cost(edge[0]))
    bodies = defaultdict(set)           # head -> places
    for tail, head in back[:MAX_EDGES]:
        if tail in bodies[head]:
            continue
        reached = reach(head, after)
        if tail in reached:
            bodies[head] |= {head} | (reach(tail, before, stop=head) & reached)
    loops = []
    for head, body in bodies.items():
        if not body:
            continue
        blocks = [block for place in body for block in nodes[place]]
        loops.append(Loop(head[0], max(b.pc + b.size for b in blocks), head[2], blocks, sum(map(profile.cost, blocks)),
                          executions(profile, head)))
    return sorted((loop for loop in loops if loop.cost), key=lambda loop: (-loop.cost, loop.end - loop.head, loop.head))


def reach(start, edges, stop=None):
    """Everything that can be reached from `start`, itself included, not going on at `stop`."""
    seen, todo = {start}, [start]
    while todo:
        place = todo.pop()
        if place == stop:
            continue
        for other in edges.get(place, ()):
            if other not in seen:
                seen.add(other)
                todo.append(other)
    return seen


def executions(profile, place):
    """How often the instruction there was begun, in whatever block it is part of."""
    pc, cs_base, flags = place
    return sum(block.runs for block in profile.blocks
               if block.cs_base == cs_base and block.flags == flags and pc - block.pc in block.starts)
