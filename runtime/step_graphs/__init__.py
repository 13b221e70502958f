"""Forward passes that are recorded once and then launched as a whole: CUDA graphs, and their twin on a CPU."""
