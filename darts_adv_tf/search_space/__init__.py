"""What is searched: candidate operations, mixtures (Eq. 6), cells (Eq. 5), alpha, genotypes."""
