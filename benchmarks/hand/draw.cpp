// The noise of hpcsim's program, with the flags of that program: glibc's vector functions.
#include "noise.h"

void draw(int first, int rows, const int32_t *low, const int32_t *high, const double *sd)
{
    generate_noise(first, rows, low, high, sd);
}
