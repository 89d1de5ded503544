/* Conway's game of life on 78 x 21 cells: Gosper's gun, which sends a glider every 30 generations. */
#include "user.h"

#define WIDTH 78
#define HEIGHT 21
#define FRAME 4                         /* ticks from one generation to the next */

static uint8_t cells[HEIGHT + 2][WIDTH + 2], next[HEIGHT + 2][WIDTH + 2];   /* with a border that stays dead */
static const char *const gun[] = {
    "........................#...........",
    "......................#.#...........",
    "............##......##............##",
    "...........#...#....##............##",
    "##........#.....#...##..............",
    "##........#...#.##....#.#...........",
    "..........#.....#.......#...........",
    "...........#...#....................",
    "............##......................"};

static int step(void)
{
    int alive = 0;
    for (int y = 1; y <= HEIGHT; y++)
        for (int x = 1; x <= WIDTH; x++) {
            int n = cells[y - 1][x - 1] + cells[y - 1][x] + cells[y - 1][x + 1] + cells[y][x - 1] + cells[y][x + 1]
                    + cells[y + 1][x - 1] + cells[y + 1][x] + cells[y + 1][x + 1];
            next[y][x] = n == 3 || (n == 2 && cells[y][x]);
            alive += next[y][x];
        }
    memcpy(cells, next, sizeof cells);
    return alive;
}

static void show(void)
{
    static char frame[HEIGHT * (WIDTH + 1)];
    char *at = frame;
    for (int y = 1; y <= HEIGHT; y++) {
        for (int x = 1; x <= WIDTH; x++)
            *at++ = cells[y][x] ? '#' : ' ';
        *at++ = '\n';
    }
    printf("\033[H");
    write(frame, at - frame);
}

int main(const char *arguments)
{
    int generations = number(arguments, 120), n = 0, alive = 0;
    for (unsigned y = 0; y < sizeof gun / sizeof *gun; y++)
        for (int x = 0; gun[y][x]; x++)
            cells[y + 2][x + 2] = gun[y][x] == '#';
    printf("\033[H\033[J");
    while (n < generations && poll_key() < 0) {
        alive = step();
        n++;
        show();
        sleep(FRAME);
    }
    printf("life: %d cells after %d generations\n", alive, n);
    return 0;
}
