/* The Mandelbrot set, in 8.24 fixed point, so that every processor draws the same picture.
 *
 * Afterwards a coarse picture of characters is printed, for those who sit at the serial line. */
#include "user.h"

#define WIDTH 320
#define HEIGHT 200
#define DEPTH 96                        /* iterations after which a point counts as inside */
#define ONE (1 << 24)
#define LEFT (-9 * ONE / 4)
#define TOP (-5 * ONE / 4)
#define STEP (ONE / 80)                 /* of one dot: 4 / 320 and 2.5 / 200 */
#define CELL_X 5                        /* dots of a character */
#define CELL_Y 10

static inline int multiply(int a, int b)
{
    return (int64_t)a * b >> 24;
}

static int iterations(int cx, int cy)
{
    int x = 0, y = 0;
    for (int n = 0; n < DEPTH; n++) {
        int xx = multiply(x, x), yy = multiply(y, y);
        if (xx + yy > 4 * ONE)
            return n;
        y = 2 * multiply(x, y) + cy;
        x = xx - yy + cx;
    }
    return DEPTH;
}

/* From blue through white to orange and black; the colour's number is the number of iterations. */
static void make_palette(uint8_t *rgb)
{
    memset(rgb, 0, 768);
    for (int i = 0; i < DEPTH; i++) {
        int up = i < 16 ? i : 16, down = i < 16 ? 0 : i - 16 < 20 ? i - 16 : 20, out = i < 36 ? 0 : i - 36;
        rgb[3 * i] = up * 63 / 16 - out;
        rgb[3 * i + 1] = up * 63 / 16 - down * 2 - out / 3;
        rgb[3 * i + 2] = 20 + up * 43 / 16 - down * 3 - (out < 3 ? out : 3);
    }
}

int main(const char *arguments)
{
    static uint8_t rgb[768];
    static char text[HEIGHT / CELL_Y][WIDTH / CELL_X + 1];
    static const char shades[] = " .:-=+*%#";
    (void)arguments;
    if (graphics(1)) {
        printf("mandel: only in the foreground\n");
        return 1;
    }
    make_palette(rgb);
    palette(rgb);
    uint32_t sum = 0;
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++) {
            int n = iterations(LEFT + x * STEP, TOP + y * STEP);
            SCREEN[y * WIDTH + x] = n;
            sum = sum * 31 + n;
            if (x % CELL_X == CELL_X / 2 && y % CELL_Y == CELL_Y / 2)
                text[y / CELL_Y][x / CELL_X] = n == DEPTH ? '@' : shades[n > 8 ? 8 : n];
        }
    get_key();
    graphics(0);
    for (int y = 0; y < HEIGHT / CELL_Y; y++) {
        text[y][WIDTH / CELL_X] = '\n';
        write(text[y], WIDTH / CELL_X + 1);
    }
    printf("mandel: %d x %d, checksum %08x\n", WIDTH, HEIGHT, sum);
    return 0;
}
