"""Our contracts on real chains: what is to stand there, what does, and how the one becomes the other."""
