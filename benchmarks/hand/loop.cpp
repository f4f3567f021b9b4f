// The cortical cell without Brian2: the limit that its generated loop is compared with. WIDTH doubles are a vector.
//
// loop CELLS.bin STEPS TRACES.bin: for every group of 64 cells their variables and seeds; the traces of the first group are
// written, those of the others are only kept in memory. Noise is drawn by the function of hpcsim's program.
#include "noise.h"
#include <cstdlib>
#include <vector>

void draw(int first, int rows, const int32_t *low, const int32_t *high, const double *sd);

typedef double vec __attribute__((vector_size(8 * WIDTH)));
typedef long long bits __attribute__((vector_size(8 * WIDTH)));

static inline vec exponential(vec x)
{
    const double large = 6755399441055744.0;
    vec y = x * 1.4426950408889634;
    y = y < -1021.0 ? vec{} - 1021.0 : y;
    const vec shifted = y + large, f = y - (shifted - large);
    vec p = f * 7.03429685228686413e-9 + 1.02067732775125723e-7;
    for (double c : {1.32156703125861909e-6, 1.52526687656038522e-5, 1.54035299800818265e-4, 1.33335582064873086e-3,
                     9.61812910796775697e-3, 5.55041086646380488e-2, 0.240226506959092662, 0.693147180559945309, 1.0})
        p = p * f + c;
    return (vec)((bits)p + ((bits)shifted << 52));
}

// at least 1e-7 in size
static inline vec size(vec x)
{
    const vec y = (vec)((bits)x & 0x7fffffffffffffffLL);
    return y > 1e-7 ? y : vec{} + 1e-7;
}

struct Cells
{
    double k_Nat[CELLS], k_Na[CELLS], k_Kd[CELLS], k_M[CELLS], k_Kv31[CELLS], k_L[CELLS], k_leak[CELLS], elastance[CELLS], E_Na[CELLS],
        E_K[CELLS], E_Ca[CELLS], E_leak[CELLS], V_T[CELLS], rate_M[CELLS], q10_H[CELLS], q10_P[CELLS], I[CELLS], step_on[CELLS],
        step_off[CELLS], sd[CELLS];
    int32_t low[CELLS], high[CELLS];
};

// voltage in mV, and gates: m_t, h_t, m, h, n, q, r, p, v31
struct State
{
    alignas(64) double V[CELLS], gate[9][CELLS], steady[9][CELLS], rate[9][CELLS];
};

static inline vec at(const double *x) { vec v; __builtin_memcpy(&v, x, sizeof v); return v; }
static inline void put(double *x, vec v) { __builtin_memcpy(x, &v, sizeof v); }

// steady states and rates in 1/ms of WIDTH cells from i on; the integrator has a loop of its own, as fewer instructions
// that wait for each other are then between independent ones
static inline void rates(const Cells &c, State &s, int i)
{
    const vec V = at(s.V + i), u = V - at(c.V_T + i) * 1e3, H = at(c.q10_H + i), P = at(c.q10_P + i);
    const vec u360 = exponential(u * (-1 / 360.0)), u180 = u360 * u360, u90 = u180 * u180, u40 = u90 * u90 * u360,
              u20 = u40 * u40, u18 = u20 * u180, u10 = u20 * u20, u5 = u10 * u10, u4 = u5 * u20;
    const vec v2100 = exponential(V * (-1 / 2100.0)), v1050 = v2100 * v2100, v420 = v1050 * v1050 * v2100, v300 = v420 * v1050,
              v150 = v300 * v300, v75 = v150 * v150, v60 = v75 * v300, v50 = v60 * v300, v30 = v60 * v60, v28 = v30 * v420,
              v20 = v30 * v60, v12 = v20 * v30, v6 = v12 * v12;
    const vec v323 = exponential(V * (-1 / 323.0)), w2 = v323 * v323, w4 = w2 * w2, w8 = w4 * w4, v19 = w8 * w8 * v323, v17 = v19 * w2,
              y2 = v19 * v19, v38 = y2 * y2 * v19;
    const vec e38 = __builtin_exp(-38 / 6.0) * v6, e66 = __builtin_exp(-66 / 6.0) * v6, e27 = __builtin_exp(-27 / 3.8) * v38;
    const vec e13 = __builtin_exp(13 / 4.0) * u4, e15 = __builtin_exp(3.0) * u5, e40 = __builtin_exp(8.0) * u5;
    const vec e35 = __builtin_exp(-35 / 20.0) * v20, b38 = size(1 - e38), b66 = size(1 - e66), b27 = size(1 - e27),
              b13 = size(1 - e13), b15 = size(1 - e15), b40 = size(1 - e40);
    const vec mt = 1.092 + 0.744 * e38, ht = 1 + e66, at_once = 1 / (mt * b38 * ht * b66);
    const vec dm = 1.28 * size((u - 13) * 0.25) * b40, m = dm + 1.4 * size((u - 40) * 0.2) * e40 * b13, wm = 1 / (m * b13 * b40);
    const vec fh = 1 + e40, dh = 0.128 * __builtin_exp(17 / 18.0) * u18 * fh, h = dh + 4;
    const vec dn = 0.16 * size((u - 15) * 0.2), n = dn + 0.5 * __builtin_exp(0.25) * u40 * b15, hn = 1 / (h * fh * n * b15);
    const vec dq = 0.209 * size((V + 27) * (1 / 3.8)), q = dq + 0.94 * __builtin_exp(-75 / 17.0) * v17 * b27, wq = 1 / (q * b27);
    const vec fr = 1 + __builtin_exp(-15 / 28.0) * v28, dr = 0.000457 * __builtin_exp(-0.26) * v50 * fr, r = dr + 0.0065;
    const vec p = 1 + e35 * e35, v31 = 1 + exponential((18.7 - V) * (1 / 9.7)), rest = 1 / (r * fr * p * e35 * v31);
    const vec wmt = at_once * ht * b66, wht = at_once * mt * b38, wh = hn * n * b15, wn = hn * h * fh, pe = p * e35, rf = r * fr;
    const vec found[9] = {1.092 * b38 * wmt, e66 * b66 * wht, dm * b13 * b40 * wm, dh * fh * wh, dn * b15 * wn, dq * b27 * wq,
                           dr * fr * rest * pe * v31, e35 * rest * rf * v31, rest * rf * pe};
    const vec rate[9] = {H * size((V + 38) * (1 / 6.0)) * mt * mt * wmt, H * 0.09 * size((V + 66) * (1 / 6.0)) * ht * ht * wht, P * m * m * wm,
                         P * h * h * wh, P * n * n * wn, q * q * wq, r * r * rest * pe * v31,
                         1e-3 * at(c.rate_M + i) * (3.3 + e35 * e35) * p * rest * rf * v31,
                         0.25 * H * (1 + exponential((-56.56 - V) * (1 / 44.14)))};
    for (int g = 0; g < 9; g++)
    {
        put(s.steady[g] + i, found[g]);
        put(s.rate[g] + i, rate[g]);
    }
}

static inline void integrate(const Cells &c, State &s, int i, double number, const double *noise, double dt)
{
    const vec V = at(s.V + i);
    vec x[9];
    for (int g = 0; g < 9; g++)
        x[g] = at(s.gate[g] + i);
    const vec na = 1e-3 * (at(c.k_Nat + i) * x[0] * x[0] * x[0] * x[1] + at(c.k_Na + i) * x[2] * x[2] * x[2] * x[3]);
    const vec k = 1e-3 * (at(c.k_Kd + i) * x[4] * x[4] * x[4] * x[4] + at(c.k_M + i) * x[7] + at(c.k_Kv31 + i) * x[8]);
    const vec ca = 1e-3 * at(c.k_L + i) * x[5] * x[5] * x[6], leak = 1e-3 * at(c.k_leak + i), all = na + k + ca + leak;
    const vec on = number >= at(c.step_on + i) && number < at(c.step_off + i) ? at(c.I + i) : vec{};
    const vec drive = na * at(c.E_Na + i) + k * at(c.E_K + i) + ca * at(c.E_Ca + i) + leak * at(c.E_leak + i);
    const vec target = (1e3 * drive + at(c.elastance + i) * (on + at(noise + i))) / all;
    put(s.V + i, target + (V - target) * exponential(-dt * all));
    for (int g = 0; g < 9; g++)
        put(s.gate[g] + i, at(s.steady[g] + i) + (x[g] - at(s.steady[g] + i)) * exponential(-dt * at(s.rate[g] + i)));
}

int main(int, char **words)
{
    const int steps = atoi(words[2]);
    const double dt = 0.04;
    FILE *file = fopen(words[1], "rb"), *out = fopen(words[3], "wb");
    static Cells cells;
    static State state;
    static double rows[ROWS * CELLS];
    std::vector<double> traces((size_t)CELLS * steps);
    for (bool first = true; fread(&cells, sizeof cells, 1, file) == 1; first = false)
    {
        for (int i = 0; i < CELLS; i++)
            state.V[i] = 1e3 * cells.E_leak[i];
        for (int i = 0; i < CELLS; i += WIDTH)
            rates(cells, state, i);
        __builtin_memcpy(state.gate, state.steady, sizeof state.gate);
        for (int begun = 0; begun < steps; begun += ROWS)
        {
            const int n = steps - begun < ROWS ? steps - begun : ROWS;
            draw(begun, n, cells.low, cells.high, cells.sd);
            for (int row = 0; row < n; row++)
            {
                __builtin_memcpy(rows + row * CELLS, state.V, sizeof state.V);
                for (int i = 0; i < CELLS; i += WIDTH)
                    rates(cells, state, i);
                for (int i = 0; i < CELLS; i += WIDTH)
                    integrate(cells, state, i, begun + row, noise_block() + row * CELLS, dt);
            }
            for (int i = 0; i < CELLS; i++)
                for (int row = 0; row < n; row++)
                    traces[(size_t)i * steps + begun + row] = rows[row * CELLS + i];
        }
        if (first)
            fwrite(traces.data(), sizeof(double), traces.size(), out);
    }
    return fclose(out);
}
