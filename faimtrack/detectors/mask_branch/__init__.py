"""Instance masks learnt beside boxes: the branch of the paper, for every detector here."""
