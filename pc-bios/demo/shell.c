/* The shell: a kernel task that reads a line and either calls a command or starts a program and waits for it. */
#include "kernel.h"

void reap(void);

static void command_help(const char *arguments);

static const struct { const char *name; void (*call)(const char *); const char *help; } commands[] = {
    {"help", command_help, "this list"},
    {"mem", command_mem, "the memory map, and how many pages are in use"},
    {"cpuid", 0, "what the processor says of itself"},
    {"ps", command_ps, "the tasks and the time that each has had"},
    {"kill", command_kill, "kill ID: end a program"},
    {"bench", 0, "how fast a few loops are"},
    {"mandel", 0, "draw the Mandelbrot set in 256 colours; any key comes back"},
    {"smc", 0, "code that changes itself, with a check of the result"},
    {"life", 0, "life [N]: N generations of Conway's game; any key ends it"},
    {"spin", 0, "use all time there is: try spin &, then ps, then kill"},
    {"fault", 0, "a program that touches what is not its own"},
    {"pci", command_pci, "the devices on the PCI buses"},
    {"reboot", command_reboot, "start again"},
    {"poweroff", command_poweroff, "turn the machine off"},
    {"exit", command_exit, "exit N: end the emulator with the status 2 N + 1"},
};

static void command_help(const char *arguments)
{
    (void)arguments;
    for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++)
        printf("%-9s %s\n", commands[i].name, commands[i].help);
    printf("A program followed by & runs in the background. Ctrl-C ends one that does not.\n");
}

/* A decimal number, alone. */
int number(const char *text, int *value)
{
    int n = 0;
    if (!*text)
        return 0;
    for (; *text; text++) {
        if (*text < '0' || *text > '9' || n > 99999999)
            return 0;
        n = n * 10 + *text - '0';
    }
    *value = n;
    return 1;
}

/* Cut spaces at both ends. */
static char *trim(char *text)
{
    char *end = text + strlen(text);
    while (*text == ' ')
        text++;
    while (end > text && end[-1] == ' ')
        *--end = 0;
    return text;
}

static void execute(char *line)
{
    int background = 0;
    line = trim(line);
    char *end = line + strlen(line);
    if (end > line && end[-1] == '&') {
        background = 1;
        end[-1] = 0;
        line = trim(line);
    }
    char *arguments = line;
    while (*arguments && *arguments != ' ')
        arguments++;
    if (*arguments)
        *arguments++ = 0;
    arguments = trim(arguments);
    if (!*line)
        return;
    for (unsigned i = 0; i < sizeof commands / sizeof *commands; i++)
        if (commands[i].call && !strcmp(line, commands[i].name)) {
            commands[i].call(arguments);
            return;
        }
    struct task *task = program_start(line, arguments, background);
    if (!task) {
        printf("%s: no such command; type help\n", line);
        return;
    }
    if (background) {
        printf("[%d] %s\n", task->id, task->name);
        return;
    }
    int status = task_wait(task);
    text_mode();                        /* in case it ended in graphics mode */
    if (status)
        printf("%s: status %d\n", line, status);
}

void shell(void)
{
    static char line[80];
    for (;;) {
        reap();
        read_line("demo> ", line, sizeof line);
        execute(line);
    }
}
