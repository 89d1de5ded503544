/* Uses all the time that it gets, and never asks the kernel for anything: only the timer can take the CPU from it. */
#include "user.h"

int main(const char *arguments)
{
    (void)arguments;
    for (volatile unsigned n = 0;; n++)
        ;
}
