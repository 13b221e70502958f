"""The operators that decide the speed of a CPU, in C: compiled where they run, chosen by the port of each operator."""
