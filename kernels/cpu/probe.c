/* Which instruction set this processor has, as the index of it in InstructionSet: asked before anything else is built. */

int palmette_best_instruction_set(void) {
#if defined(__x86_64__) || defined(__i386__)
    __builtin_cpu_init();
    int has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    int has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                     __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
#if defined(__clang__) ? __clang_major__ >= 9 : __GNUC__ >= 10 /* older ones do not know the instructions */
    if (has_avx512 && __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512vnni")) return 0;
#endif
    if (has_avx512) return 1;
    if (has_avx2) return 2;
#endif
    return 3;
}
