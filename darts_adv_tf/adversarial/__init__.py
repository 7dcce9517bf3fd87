"""The game and what alpha descends (Eqs. 1, 2, 8, 9), as pure functions of theta, phi, alpha."""
