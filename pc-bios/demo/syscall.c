/* Step 7. System calls: int 80h with the number in EAX, arguments in EBX and ECX; the answer comes in EAX.
 *
 * A pointer from a program is checked before it is used: it must not reach into the kernel's part of the memory. */
#include "syscalls.h"
#include "io.h"
#include "kernel.h"

static int is_user(uint32_t start, uint32_t length)
{
    return start >= USER_START && start <= USER_END && length <= USER_END - start;
}

static uint32_t set_graphics(int on)
{
    if (on && current->background)
        return -1;                      /* the screen is the foreground's */
    if (on)
        graphics_mode();
    else
        text_mode();
    map_screen(on);
    return 0;
}

void system_call(struct frame *frame)
{
    uint32_t ebx = frame->ebx, ecx = frame->ecx, result = 0;
    switch (frame->eax) {
    case SYS_EXIT:
        task_exit(ebx);
    case SYS_WRITE:
        if (!is_user(ebx, ecx)) {
            result = -1;
            break;
        }
        for (uint32_t i = 0; i < ecx && !current->killed; i++)
            put_char(((const char *)ebx)[i]);
        break;
    case SYS_GET_KEY:
        result = current->background ? -1 : input_get();
        break;
    case SYS_POLL_KEY:
        result = current->background ? -1 : input_poll();
        break;
    case SYS_SLEEP:
        sleep_ticks(ebx);
        break;
    case SYS_TICKS:
        result = ticks;
        break;
    case SYS_GRAPHICS:
        result = set_graphics(ebx);
        break;
    case SYS_PALETTE:
        if (is_user(ebx, 768))
            set_palette((const uint8_t *)ebx);
        else
            result = -1;
        break;
    default:
        result = -1;
    }
    frame->eax = result;
}
