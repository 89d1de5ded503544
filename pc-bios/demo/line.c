/* Reading a line: what is typed is shown and can be edited; the lines before come back with arrow up. */
#include "kernel.h"

#define LINE 76                         /* characters: with the prompt, one line of the screen */
#define HISTORY 8

static char history[HISTORY][LINE];
static int remembered;                  /* how many lines there have been */
static const char *prompt_text;
static char buffer[LINE];
static int length, cursor;

/* Write the line anew and put the cursor at its place. */
static void redraw(void)
{
    printf("\r%s%s\033[K", prompt_text, buffer);
    for (int i = length; i > cursor; i--)
        put_char('\b');
}

static void insert(char c, int size)
{
    if (length >= size - 1)
        return;
    memmove(buffer + cursor + 1, buffer + cursor, length - cursor + 1);
    buffer[cursor++] = c;
    length++;
    if (cursor == length)
        put_char(c);                    /* at the end, which is the usual case */
    else
        redraw();
}

static void delete(int at)
{
    if (at < 0 || at >= length)
        return;
    memmove(buffer + at, buffer + at + 1, length - at);
    length--;
    cursor = at;
    redraw();
}

static void set_line(const char *text)
{
    length = cursor = strlen(text);
    memcpy(buffer, text, length + 1);
    redraw();
}

/* The rest of ESC [ x, or ESC [ n ~. */
static char escape_sequence(void)
{
    if (input_get() != '[')
        return 0;
    int c = input_get();
    if (c >= '0' && c <= '9') {
        char key = c;
        while ((c = input_get()) >= '0' && c <= '9')
            ;
        return key == '1' ? 'H' : key == '4' ? 'F' : key;
    }
    return c;
}

/* The line's length, without the end of line. */
int read_line(const char *prompt, char *line, int size)
{
    int shown = remembered, oldest;
    prompt_text = prompt;
    if (size > LINE - (int)strlen(prompt))
        size = LINE - strlen(prompt);
    length = cursor = 0;
    buffer[0] = 0;
    printf("%s", prompt);
    for (;;) {
        int c = input_get();
        if (c == '\r' || c == '\n')
            break;
        if (c == 27) {
            c = escape_sequence();
            c = c == 'A' ? 16 : c == 'B' ? 14 : c == 'C' ? 6 : c == 'D' ? 2 : c == 'H' ? 1 : c == 'F' ? 5 : c == '3' ? 4 : 0;
        }
        switch (c) {                    /* the control characters have Emacs' meanings */
        case 1: cursor = 0; redraw(); break;
        case 2: if (cursor) put_char('\b'), cursor--; break;
        case 3: printf("^C\n"); length = 0; buffer[0] = 0; cursor = 0; redraw(); break;
        case 4: delete(cursor); break;
        case 5: cursor = length; redraw(); break;
        case 6: if (cursor < length) put_char(buffer[cursor++]); break;
        case 8: case 127: delete(cursor - 1); break;
        case 11: buffer[length = cursor] = 0; redraw(); break;
        case 12: printf("\033[H\033[J"); redraw(); break;
        case 14:
            if (shown < remembered)
                set_line(++shown < remembered ? history[shown % HISTORY] : "");
            break;
        case 16:
            oldest = remembered > HISTORY ? remembered - HISTORY : 0;
            if (shown > oldest)
                set_line(history[--shown % HISTORY]);
            break;
        case 21: set_line(""); break;
        default:
            if (c >= ' ' && c < 127)
                insert(c, size);
        }
    }
    put_char('\n');
    if (length && (!remembered || strcmp(history[(remembered - 1) % HISTORY], buffer)))
        memcpy(history[remembered++ % HISTORY], buffer, length + 1);
    memcpy(line, buffer, length + 1);
    return length;
}
