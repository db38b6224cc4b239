"""How exits are trained: the paper's jointly, those that predict a distribution by likelihood."""
