"""Where untrusted code runs: one small contract, several backends."""
