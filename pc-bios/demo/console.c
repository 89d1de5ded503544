/* The console: the VGA's text screen and the serial line, as one terminal. What is printed goes to both.
 *
 * The terminal understands what the line editor and `life` need, in the words of a VT100 (ECMA-48), so that the very
 * same bytes work on the serial side: CR, LF, BS, BEL, ESC [ H (home), ESC [ J (erase below), ESC [ K (erase the line's rest).
 *
 * Line 0 is the status line; lines 1 to 24 scroll. `cells` is what the screen shows, so that it can be
 * put back when a program has drawn in graphics mode. */
#include "io.h"
#include "kernel.h"

#define COLUMNS 80
#define LINES 25
#define FIRST 1
#define ORDINARY 0x0700                 /* light grey on black */
#define STATUS 0x1F00                   /* white on blue */
#define CURSOR_HIGH 0x0E

static volatile uint16_t *const screen = (volatile uint16_t *)0xB8000;
static uint16_t cells[LINES][COLUMNS];
static int line = FIRST, column;
static int graphics;
static enum { PLAIN, ESCAPE, BRACKET } state;

static void set_cell(int y, int x, uint16_t cell)
{
    cells[y][x] = cell;
    if (!graphics)
        screen[y * COLUMNS + x] = cell;
}

static void erase(int y, int x, int end)
{
    while (x < end)
        set_cell(y, x++, ORDINARY | ' ');
}

static void show_cursor(void)
{
    uint16_t at = line * COLUMNS + column;
    if (graphics)
        return;
    outb(CRTC, CURSOR_HIGH);
    outb(CRTC + 1, at >> 8);
    outb(CRTC, CURSOR_HIGH + 1);
    outb(CRTC + 1, at);
}

static void redraw(void)
{
    for (int y = 0; y < LINES; y++)
        for (int x = 0; x < COLUMNS; x++)
            screen[y * COLUMNS + x] = cells[y][x];
}

static void new_line(void)
{
    if (++line < LINES)
        return;
    line = LINES - 1;
    memmove(cells[FIRST], cells[FIRST + 1], sizeof cells[0] * (LINES - 1 - FIRST));
    for (int x = 0; x < COLUMNS; x++)
        cells[line][x] = ORDINARY | ' ';
    if (!graphics)
        redraw();
}

static void control_sequence(char c)
{
    if (c == 'H') {
        line = FIRST;
        column = 0;
    } else if (c == 'K') {
        erase(line, column, COLUMNS);
    } else if (c == 'J') {
        erase(line, column, COLUMNS);
        for (int y = line + 1; y < LINES; y++)
            erase(y, 0, COLUMNS);
    }
}

static void screen_put(char c)
{
    if (state == ESCAPE) {
        state = c == '[' ? BRACKET : PLAIN;
    } else if (state == BRACKET) {
        state = PLAIN;
        control_sequence(c);
    } else if (c == 27) {
        state = ESCAPE;
    } else if (c == '\n') {
        column = 0;
        new_line();
    } else if (c == '\r') {
        column = 0;
    } else if (c == '\b') {
        if (column)
            column--;
    } else if (c >= ' ') {
        if (column == COLUMNS) {
            column = 0;
            new_line();
        }
        set_cell(line, column++, ORDINARY | c);
    }
    show_cursor();
}

void put_char(char c)
{
    screen_put(c);
    if (c == '\n')
        serial_put('\r');
    serial_put(c);
}

void printf(const char *text, ...)
{
    va_list arguments;
    va_start(arguments, text);
    format(put_char, text, arguments);
    va_end(arguments);
}

/* The kernel found that it cannot go on. */
void panic(const char *text, ...)
{
    va_list arguments;
    cli();
    if (graphics)
        text_mode();
    va_start(arguments, text);
    printf("\nkernel panic: ");
    format(put_char, text, arguments);
    put_char('\n');
    for (;;)
        __asm__ volatile("hlt");
}

void status_line(const char *left, const char *right)
{
    int n = strlen(left), m = strlen(right);
    for (int x = 0; x < COLUMNS; x++)
        set_cell(0, x, STATUS | (x < n ? left[x] : x >= COLUMNS - m ? right[x - COLUMNS + m] : ' '));
}

/* The screen's memory is not ours for a while; or it is again. */
void console_graphics(int on)
{
    graphics = on;
    if (!on) {
        redraw();
        show_cursor();
    }
}

void console_init(void)
{
    for (int y = 0; y < LINES; y++)
        erase(y, 0, COLUMNS);
    status_line(" demo: a small operating system", "");
    show_cursor();
}
